"""This machine behind an SSH server of its own: a loopback port, throw-away keys, a home folder
with a space in its name.
"""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from targets.devices.ssh.link import SshLink
from tests.devices import need

SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {keys}/host
AuthorizedKeysFile {authorized}
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
"""
CLIENT = """\
Host {name}
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {keys}/user
  IdentitiesOnly yes
  UserKnownHostsFile "{keys}/known_hosts"
  GlobalKnownHostsFile /dev/null
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Keys:
    """A host key that the client knows, and a user key that the server knows."""

    folder: Path
    port: int = field(default_factory=free_port)

    def make(self, *, name: str, user: str) -> None:
        self.folder.mkdir(parents=True)
        for key in ("host", "user"):
            program = need.program("ssh-keygen", package="openssh-client")
            argv = [program, "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / key)]
            subprocess.run(argv, check=True)
        public = (self.folder / "host.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")
        text = CLIENT.format(name=name, port=self.port, user=user, keys=self.folder)
        (self.folder / "config").write_text(text)

    def entry(self, name: str) -> str:
        options = f'["-F", "{self.folder}/config"]'
        return f'[{name}]\nurl = "ssh://{name}"\nssh_options = {options}\n'

    def listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def wait(self, server: "subprocess.Popen[bytes]", log: Path, *, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not self.listening():
            printed = log.read_text(errors="replace")
            assert server.poll() is None, f"the SSH server ended: {printed}"
            assert time.monotonic() < deadline, f"the SSH server does not listen: {printed}"
            time.sleep(0.05)


@dataclass
class Host:
    """The stand-in; `link()` is what a user would name in their own ssh configuration."""

    folder: Path
    name: str = "hostpi"
    server: "subprocess.Popen[bytes] | None" = None

    @property
    def home(self) -> Path:
        return self.folder / "home of pi"

    def make(self) -> None:
        self.keys = Keys(self.folder / "keys")
        self.keys.make(name=self.name, user=getpass.getuser())
        self.home.mkdir()
        text = SERVER.format(
            port=self.keys.port, keys=self.keys.folder, authorized=self.keys.folder / "user.pub"
        )
        path = f"{Path(sys.base_prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        text += f'SetEnv "HOME={self.home}" "PATH={path}"\n'
        (self.folder / "sshd_config").write_text(text)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it

    def start(self) -> None:
        sshd = need.program("sshd", package="openssh-server")
        log = self.folder / "sshd.log"
        with log.open("ab") as errors:
            argv = [sshd, "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self.server = subprocess.Popen(argv, stderr=errors, stdin=subprocess.DEVNULL)
        self.keys.wait(self.server, log, limit_s=20)

    def drop(self) -> None:
        """Cut every connection; what ran in them gets no other signal."""
        assert self.server is not None
        for child in psutil.Process(self.server.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.name() == "sshd":
                    child.kill()

    def stop(self) -> None:
        self.drop()
        assert self.server is not None
        self.server.kill()
        self.server.wait()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.home)

    def running(self, word: str) -> bool:
        """Whether a process that has `word` among its arguments runs below our folder there."""
        return any(
            word in argument and str(self.home) in argument
            for process in psutil.process_iter(["cmdline"])
            for argument in process.info["cmdline"] or ()
        )

    def entry(self) -> str:
        """In devices.toml."""
        return self.keys.entry(self.name)

    def link(self, **settings: Any) -> SshLink:
        options = ("-F", str(self.keys.folder / "config"))
        return SshLink(self.name, options=options, **settings)

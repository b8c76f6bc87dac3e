"""A Raspberry Pi stand-in: a real ARM system with its own SSH server, emulated.

What runs there is real (programs, wheels, SSH). Its speed means nothing, and it declares that.
"""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets.devices.ssh.link import SshLink
from tests.devices import arm64, namespace, need
from tests.devices.sshd import SERVER, Keys

ENVIRONMENT = "EDGE_DISTILL_EMULATED=1 QEMU_CPU=cortex-a72"
"""Under `max` LiteRT took 14 times as long."""


@dataclass
class Pi:
    folder: Path
    name: str = "pi"
    server: "subprocess.Popen[bytes] | None" = None

    def make(self) -> None:
        need.root("a private system for ARM")
        self._qemu = need.program("qemu-aarch64-static", package="qemu-user-static")
        need.program("dpkg-deb", package="dpkg")
        self._rootfs = arm64.rootfs()
        self.keys = Keys(self.folder / "keys")
        self.keys.make(name=self.name, user="pi")
        (self.folder / "work").mkdir()

    def start(self) -> None:
        """Switch on; what was written before is there."""
        log = self.folder / "sshd.log"
        with log.open("ab") as errors:
            self.server = subprocess.Popen(
                [sys.executable, namespace.__file__, self._qemu, str(self._rootfs),
                 str(self.folder / "work"), "/bin/sh", "-c", self._start_script()],
                stdin=subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip
        self.keys.wait(self.server, log, limit_s=60)

    def _start_script(self) -> str:
        settings = SERVER.format(port=self.keys.port, keys="/etc", authorized="/etc/authorized")
        settings += f"SetEnv {ENVIRONMENT}\n"
        files = {
            "/etc/host": (self.keys.folder / "host").read_text(),
            "/etc/authorized": (self.keys.folder / "user.pub").read_text(),
            "/etc/sshd_config": settings,
        }
        writes = "".join(f"cat > {name} <<'END'\n{text}\nEND\n" for name, text in files.items())
        serve = "exec /usr/sbin/sshd -D -e -f /etc/sshd_config"
        return f"umask 077\n{writes}chmod 644 /etc/authorized\n{serve}"

    def stop(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.wait()
        deadline = time.monotonic() + 10
        while self.keys.listening() and time.monotonic() < deadline:
            time.sleep(0.05)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder / "work")

    def entry(self) -> str:
        """In devices.toml."""
        return self.keys.entry(self.name)

    def link(self, **settings: Any) -> SshLink:
        options = ("-F", str(self.keys.folder / "config"))
        return SshLink(self.name, options=options, **settings)

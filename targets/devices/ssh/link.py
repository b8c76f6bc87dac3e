"""A device over SSH: commands that are killed there too, and files named by their content."""

import contextlib
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from targets.devices.archive import archived
from targets.devices.contract import Completed, LinkLost
from targets.devices.ssh import failures, remote_shell
from targets.devices.ssh.connection import SshConnection
from targets.errors import DeviceError
from targets.files.digest import file_sha256

FOLDER = ".edge-distill"
PATIENCE_S = 30
"""Seconds beyond a command's own limit, until the connection counts as lost."""
SLOWEST_BYTES_PER_S = 50_000
MINE = ".made-by-edge-distill"
"""Marker of a folder that this program made, so that it may be filled and removed."""
OUR_FOLDER = """umask 077
case {folder} in /*) d={folder};; *) d=$HOME/{folder};; esac
mkdir -p -- "$d" || exit 1
if [ ! -e "$d/{mine}" ]; then
  [ -z "$(ls -A -- "$d")" ] || exit {foreign}
  : > "$d/{mine}" || exit 1
fi
cd -- "$d" && mkdir -p files made && pwd -P"""
ACCEPT = """d={folder}; mkdir -p -- "$d" && cat > "$d/.part" &&
[ "$(sha256sum < "$d/.part" | cut -c1-64)" = {sha256} ] && mv -f -- "$d/.part" {target} && exit 0
rm -f -- "$d/.part"; exit 1"""
UNPACK = """rm -rf -- {target}.part && mkdir -p -- {target}.part &&
tar -x -C {target}.part -f {packed} && mv -- {target}.part {target} && rm -f -- {packed}"""


@dataclass(frozen=True, kw_only=True)
class Printed:
    """The output of a finished session; its files are open only inside the session's block."""

    stdout: IO[bytes]
    stderr: str
    answer: remote_shell.Answer

    @property
    def returncode(self) -> int:
        return self.answer.returncode

    def text(self) -> str:
        self.stdout.seek(self.answer.start)
        own = self.stdout.read(self.answer.stop - self.answer.start)
        return own.decode(errors="surrogateescape")


class SshLink:
    """Runs the user's own ssh client, with the user's keys, jump hosts and known hosts.

    `options` are more arguments of ssh, such as ("-F", "my_config"); `folder` is our folder on the
    device, relative to the home folder or absolute.
    """

    shares_files = False

    def __init__(
        self,
        host: str,
        *,
        name: str = "",
        user: str = "",
        port: int | None = None,
        options: Sequence[str] = (),
        folder: str = FOLDER,
    ) -> None:
        self.name = name or host
        self.host = host
        self.folder = folder.removeprefix("~/")
        more = [*options, *(["-l", user] if user else [])]
        more += [] if port is None else ["-p", str(port)]
        self._connection = SshConnection(host, name=self.name, options=more)
        self._root = ""
        self._pushed: dict[tuple[str, int, int], str] = {}

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, timeout_s: float
    ) -> Completed:
        script = remote_shell.limited(argv, env=env or {}, timeout_s=timeout_s)
        begun = time.monotonic()
        with self._session(script, limit_s=timeout_s + remote_shell.KILL_AFTER_S) as done:
            ended = done.returncode in (124, 137) and time.monotonic() - begun >= timeout_s
            return Completed(
                returncode=done.returncode,
                stdout=done.text(),
                stderr=done.stderr,
                timed_out=ended,
            )

    def push(self, path: Path) -> str:
        """Copy to a path named by the content: a damaged or older file of that name is never used.
        The device verifies a file once per connection.
        """
        if path.is_dir():
            return self._push_folder(path)
        version = (str(path.absolute()), path.stat().st_mtime_ns, path.stat().st_size)
        self._connect()
        if version not in self._pushed:
            self._pushed[version] = self._push_file(path)
        return self._pushed[version]

    def _push_file(self, path: Path) -> str:
        sha256, size = file_sha256(path), path.stat().st_size
        folder = f"{self.root()}/files/{sha256[:32]}"
        target = f"{folder}/{path.name}"
        if self._script(f"sha256sum < {shlex.quote(target)}", f"read {target}")[:64] == sha256:
            return target
        script = ACCEPT.format(
            folder=shlex.quote(folder), sha256=sha256, target=shlex.quote(target)
        )
        with path.open("rb") as content:
            self._script(
                script, f"push {path.name} ({size} bytes)", stdin=content, size=size, check=True
            )
        return target

    def _push_folder(self, path: Path) -> str:
        with tempfile.TemporaryDirectory() as scratch:
            packed = archived(path, Path(scratch))
            target = f"{self.root()}/files/{file_sha256(packed)[:32]}-{path.name}"
            if self._script(f"[ -d {shlex.quote(target)} ] && echo yes", f"read {target}"):
                return target
            pushed, size = self._push_file(packed), packed.stat().st_size
        script = UNPACK.format(target=shlex.quote(target), packed=shlex.quote(pushed))
        self._script(script, f"unpack {path.name}", check=True, size=size)
        return target

    def pull(self, remote: str, to: Path) -> None:
        quoted = shlex.quote(remote)
        script = remote_shell.simple(f"sha256sum < {quoted} && cat < {quoted}")
        part = to.with_name(f".{to.name}.part")
        with self._session(script, limit_s=24 * 3600) as done:
            if done.returncode != 0:
                raise self._failed(f"pull {remote}", done.stderr)
            done.stdout.seek(done.answer.start)
            wanted = done.stdout.readline()[:64].decode()
            _copy(done.stdout, part, size=done.answer.stop - done.stdout.tell())
        if file_sha256(part) != wanted:
            part.unlink()
            raise LinkLost(f"device {self.name}: {remote} was damaged on its way. Try again.")
        part.replace(to)

    def remote_path(self, name: str) -> str:
        return f"{self.root()}/made/{name}"

    def root(self) -> str:
        """The absolute path of our folder on the device, which is made when it is first needed."""
        if not self._root:
            script = OUR_FOLDER.format(
                folder=shlex.quote(self.folder), mine=MINE, foreign=failures.FOREIGN
            )
            self._root = self._script(script, f"make {self.folder}", check=True)[:-1]
        return self._root

    def clean(self) -> None:
        """Remove our folder, and nothing that we did not make."""
        script = f"rm -rf -- {shlex.quote(self.root())}"
        self._script(script, f"remove {self.root()}", check=True, size=10**8)
        self._root = ""
        self._pushed.clear()

    def close(self) -> None:
        self._connection.close()

    def _script(
        self,
        text: str,
        what: str,
        *,
        stdin: IO[bytes] | None = None,
        size: int = 0,
        check: bool = False,
    ) -> str:
        """The output of `text`. With `check`, an exit code other than 0 is a failure to `what`."""
        script = remote_shell.simple(f"export LC_ALL=C\n{text}")
        limit_s = PATIENCE_S + size / SLOWEST_BYTES_PER_S
        with self._session(script, limit_s=limit_s, stdin=stdin) as done:
            if check and done.returncode != 0:
                raise self._failed(what, done.stderr, code=done.returncode)
            return done.text()

    def _failed(self, what: str, stderr: str, *, code: int = 1) -> DeviceError:
        return failures.failed(self.name, self.folder, what, stderr, code=code)

    @contextlib.contextmanager
    def _session(
        self, script: remote_shell.Script, *, limit_s: float, stdin: IO[bytes] | None = None
    ) -> Iterator[Printed]:
        """Run a script on the device; `LinkLost` if its output is incomplete."""
        self._connect()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                self._connection.command(script.text),
                stdin=subprocess.PIPE if stdin is None else stdin,
                stdout=out,
                stderr=err,
                start_new_session=True,  # Ctrl-C is handled here: it ends the other end first
            )
            _wait(process, limit_s + PATIENCE_S)
            err.seek(0)
            errors = err.read().decode(errors="replace")
            answer = remote_shell.answer(out, script.word)
            if answer is None:
                raise failures.lost(self.name, self.host, errors, began=script.word in errors)
            own = remote_shell.own_errors(errors, script.word)
            yield Printed(stdout=out, stderr=own, answer=answer)

    def _connect(self) -> None:
        if self._connection.ensure():
            self._pushed.clear()  # the device may be another one by now


def _wait(process: "subprocess.Popen[bytes]", limit_s: float) -> None:
    """Wait for its end or the limit; then, or at Ctrl-C, end the command on the device too."""
    try:
        process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        pass  # its output shows what happened
    finally:
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=remote_shell.KILL_AFTER_S + 3)
        process.kill()
        process.wait()


def _copy(source: IO[bytes], to: Path, *, size: int) -> None:
    with to.open("wb") as target:
        while size:
            block = source.read(min(size, 1 << 20))
            target.write(block)
            size -= len(block)

"""One measurement at a time on a device, also from two processes, and where a lab has a queue."""

import hashlib
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from targets.devices.contract import Device, DeviceSession, Say
from targets.errors import DeviceError, EdgeDistillError, InputError
from targets.files.file_lock import waiting_lock


@contextmanager
def exclusive(device: Device, *, say: Say, locks: Path | None = None) -> Iterator[None]:
    """Exclusive use of the device, among the processes of this user, inside the block.

    After the lock, the device's `acquire` command runs, which may wait for other users; its
    `release` command runs at the end, also after a failure. `locks` is the folder of the lock files
    [default: in the user's state folder].
    """
    from platformdirs import user_state_path

    def on_wait() -> None:
        say(f"device    {device.name}: in use by another measurement; waiting for its end")

    folder = user_state_path("edge-distill") / "locks" if locks is None else locks
    digest = hashlib.sha256(device.kind.identity(device).encode()).hexdigest()[:16]
    with waiting_lock(folder / f"{digest}.lock", on_wait=on_wait), _acquired(device, say):
        yield


@contextmanager
def opened(device: Device, *, scratch: Path, say: Say) -> Iterator[DeviceSession]:
    """The device, open and in exclusive use inside the block."""
    with exclusive(device, say=say):
        session = device.kind.open(device, scratch=scratch)
        with closing(session.link):
            yield session


@contextmanager
def _acquired(device: Device, say: Say) -> Iterator[None]:
    acquire, release = device.entry.acquire, device.entry.release
    if not acquire:
        yield
        return
    say(f"device    {device.name}: {shlex.join(acquire)}")
    _run(device, "acquire", acquire)
    try:
        yield
    except BaseException:
        try:
            _run(device, "release", release)
        except EdgeDistillError as error:  # the first failure is the one to raise
            say(str(error))
        raise
    _run(device, "release", release)


def _run(device: Device, key: str, argv: Sequence[str]) -> None:
    """Run a command of the device, without a time limit: a queue may be long."""
    what = f"device {device.name}: its {key} ({shlex.join(argv)})"
    try:
        done = subprocess.run(
            argv, cwd=device.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=key == "release",  # a second Ctrl-C does not reach it
        )  # fmt: skip
    except OSError as error:
        raise InputError(
            f"{what} cannot be started: {error.strerror}. Correct the key in {device.file}."
        ) from error
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        raise DeviceError(f"{what} ended with code {done.returncode}: {last}.")

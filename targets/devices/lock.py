"""One measurement at a time on a device: also from two processes, and where a lab has a queue."""

import hashlib
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from targets.devices.addresses import Adb, Local, Ssh
from targets.devices.inventory import Device
from targets.errors import DeviceError, EdgeDistillError, InputError

Say = Callable[[str], None]
LIMIT_S = 60


@contextmanager
def alone(device: Device, *, say: Say, locks: Path | None = None) -> Iterator[None]:
    """Wait until nobody else of this user measures on the device, and have it to the end.

    Then its `acquire` is run, which may wait for others, and at the end, whatever happened, its
    `release`. `locks` is a folder [default: of the user's state].
    """
    with _locked(device, say, locks), _acquired(device, say):
        yield


def identity(device: Device) -> str:
    """The same for every name of a device that can be told to be one.

    ssh itself says where a host of its configuration is; an address and a name of the network are
    two to it.
    """
    match device.address:
        case Local():
            return "local"
        case Ssh() as address:
            return _ssh_identity(device, address)
        case Adb(serial=serial):
            return f"adb {serial or _only_serial()}"


def _only_serial() -> str:
    from targets.devices.adb.server import AdbServer, choose

    return str(choose(AdbServer().devices(), None))


def _ssh_identity(device: Device, address: Ssh) -> str:
    port = [] if address.port is None else ["-p", str(address.port)]
    argv = ["ssh", "-G", *device.ssh_options, *port, "--", address.host]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S)
    except FileNotFoundError:
        from targets.devices.ssh.failures import NO_CLIENT

        raise DeviceError(NO_CLIENT.format(name=device.name)) from None
    said = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    if done.returncode != 0 or "hostname" not in said:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DeviceError(f"device {device.name}: your ssh configuration is refused: {last}.")
    return f"ssh {said['hostname'].lower()} {said.get('port', '22')}"


@contextmanager
def _locked(device: Device, say: Say, locks: Path | None) -> Iterator[None]:
    from filelock import FileLock, Timeout
    from platformdirs import user_state_path

    folder = user_state_path("edge-distill") / "locks" if locks is None else locks
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(identity(device).encode()).hexdigest()[:16]
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"device    {device.name}: in use by another measurement; waiting for its end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _acquired(device: Device, say: Say) -> Iterator[None]:
    if not device.acquire:
        yield
        return
    say(f"device    {device.name}: {shlex.join(device.acquire)}")
    _run(device, "acquire")
    try:
        yield
    except BaseException:
        try:
            _run(device, "release")
        except EdgeDistillError as error:  # what failed before it is what the user must know
            say(str(error))
        raise
    _run(device, "release")


def _run(device: Device, key: str) -> None:
    """No limit: a queue may be long."""
    argv = list(device.acquire if key == "acquire" else device.release)
    what = f"device {device.name}: its {key} ({shlex.join(argv)})"
    try:
        done = subprocess.run(
            argv, cwd=device.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=key == "release",  # a second Ctrl-C does not reach it
        )  # fmt: skip
    except OSError as error:
        raise InputError(
            f"{what} cannot be started: {error.strerror}. Mend the key in {device.place}."
        ) from error
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or ["it said nothing"])[-1]
        raise DeviceError(f"{what} ended with code {done.returncode}: {last}.")

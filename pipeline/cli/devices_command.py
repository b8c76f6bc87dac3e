"""`pipeline devices` and `pipeline doctor`: what is configured, and whether it can measure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.engine.progress import Console
from targets.devices import inventory
from targets.devices.doctor import Check, cannot_measure, in_order
from targets.devices.inventory import Device
from targets.errors import DeviceError, EdgeDistillError, InputError


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    host: tuple[Check, ...]
    devices: Mapping[str, tuple[Check, ...]]

    @property
    def exit_code(self) -> int:
        if not in_order(self.host):
            return InputError.exit_code
        devices_in_order = all(in_order(checks) for checks in self.devices.values())
        return 0 if devices_in_order else DeviceError.exit_code

    def document(self) -> dict[str, Any]:
        return {
            "schema": "doctor/1",
            "ready": self.exit_code == 0,
            "host": [asdict(check) for check in self.host],
            "devices": {
                name: [asdict(check) for check in checks] for name, checks in self.devices.items()
            },
        }


def listed() -> dict[str, dict[str, Any]]:
    """Name -> where it is and what its entry says."""
    return {
        name: {
            "url": device.url,
            "file": str(device.place),
            "folder": device.folder,
            "ssh_options": list(device.ssh_options),
            "acquire": list(device.acquire),
            "release": list(device.release),
            "cooldown_c": device.cooldown_c,
        }
        for name, device in sorted(inventory.configured().items())
    }


def clean(name: str, *, console: Console) -> None:
    """Remove our folder on a device, when nobody measures there."""
    from targets.devices.lock import alone

    device = inventory.device(name, place="NAME")
    inventory.require_remote(device)
    with alone(device, say=console.say):
        link = inventory.open_remote(device)
        try:
            link.clean()
        finally:
            link.close()


def doctor(names: Sequence[str], *, install: bool, console: Console) -> Diagnosis:
    """This machine, then each device in turn; a device's failure is a check of it."""
    from platformdirs import user_cache_path

    from targets.devices.doctor.host import host_checks

    cache = user_cache_path("edge-distill")
    devices = [inventory.device(name) for name in dict.fromkeys(names)]
    addresses = [device.address for device in devices]
    host = tuple(host_checks(addresses, cwd=Path.cwd(), cache=cache))
    with TemporaryDirectory(prefix="pipeline-doctor-") as scratch:
        seen = {
            device.name: _examined(device, Path(scratch), cache / "wheels", install, console)
            for device in devices
        }
    return Diagnosis(host=host, devices=seen)


def _examined(
    device: Device, scratch: Path, wheels: Path, install: bool, console: Console
) -> tuple[Check, ...]:
    from targets.devices.lock import alone

    try:
        from targets.devices.doctor.device import device_checks
    except ImportError as error:  # numpy, say: the host's checks tell what mends it
        broken = InputError(f"a library of this machine is missing or broken: {error}.")
        return (cannot_measure(device.name, broken),)
    console.say(f"device    {device.name}: looking at it")
    try:
        with alone(device, say=console.say):
            return tuple(device_checks(device, scratch=scratch, wheels=wheels, install=install))
    except EdgeDistillError as error:
        return (cannot_measure(device.name, error),)

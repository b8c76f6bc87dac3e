"""`pipeline doctor`: can this machine and the devices measure?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from targets.devices.contract import Device, Say
from targets.devices.doctor import Check, cannot_measure, in_order
from targets.devices.doctor.host import host_checks
from targets.devices.lock import opened
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

    def document(self) -> dict[str, object]:
        return {
            "schema": "doctor/1",
            "ready": self.exit_code == 0,
            "host": [asdict(check) for check in self.host],
            "devices": {
                name: [asdict(check) for check in checks] for name, checks in self.devices.items()
            },
        }


def diagnose(devices: Sequence[Device], *, install: bool, say: Say) -> Diagnosis:
    """This machine, then each device in turn. Nothing is installed on a device."""
    host = tuple(host_checks(devices, cwd=Path.cwd()))
    return Diagnosis(
        host=host,
        devices={
            device.name: tuple(device_checks(device, install=install, say=say))
            for device in devices
        },
    )


def device_checks(device: Device, *, install: bool = True, say: Say) -> Iterator[Check]:
    """Every check of one device; a failure is the last one."""
    say(f"device    {device.name}: checking it")
    try:
        with (
            TemporaryDirectory() as scratch,
            opened(device, scratch=Path(scratch), say=say) as session,
        ):
            yield from session.checks(install=install)
    except ImportError as error:  # numpy, for example: a check of this machine has the remedy
        broken = InputError(f"a library of this machine is missing or broken: {error}.")
        yield cannot_measure(device.name, broken)
    except EdgeDistillError as error:
        yield cannot_measure(device.name, error)

"""Kinds of devices by the scheme of their URL: `local`, `ssh://...`, `adb://...`."""

from targets.devices.contract import DeviceKind
from targets.registry import Registry


def _built_in() -> dict[str, DeviceKind]:
    from targets.devices.adb.kind import AdbKind
    from targets.devices.local.kind import LocalKind
    from targets.devices.ssh.kind import SshKind

    return {"local": LocalKind(), "ssh": SshKind(), "adb": AdbKind()}


DEVICE_KINDS: Registry[DeviceKind] = Registry(
    "devices",
    noun="kind of device",
    contract=DeviceKind,
    built_in=_built_in,
)

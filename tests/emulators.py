"""What the emulation of a processor needs of this machine."""

from targets.processors import PROCESSORS
from tests.devices import need


def requires(name: str) -> None:
    """Skip the test, or fail it in CI, where the processor `name` cannot be emulated."""
    if PROCESSORS[name].machine == "aarch64":
        need.program("dpkg-deb", package="dpkg")
    need.program(PROCESSORS[name].qemu, package="qemu-user-static")

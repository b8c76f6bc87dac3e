"""Whether a program for Linux or Android was built for a device's processor."""

import struct
from pathlib import Path

from targets.errors import DeviceError

MACHINES = {0xB7: "64-bit ARM", 0x28: "32-bit ARM", 0x3E: "x86-64", 0x03: "32-bit x86"}
"""`e_machine` of an ELF header."""
RUNS = {
    "aarch64": (0xB7, 0x28), "arm64-v8a": (0xB7, 0x28), "armv7l": (0x28,), "armeabi-v7a": (0x28,),
    "x86_64": (0x3E, 0x03), "i686": (0x03,), "x86": (0x03,),
}  # fmt: skip
"""ABI of a device -> machines whose programs it may run."""


def require_runs_on(program: Path, *, abi: str, device: str) -> None:
    """Raise `DeviceError` if the program's ELF header names a processor the device does not have.

    A script, and a device of an ABI that is not listed, pass: the device itself decides.
    """
    with program.open("rb") as file:
        head = file.read(20)
    if head[:4] != b"\x7fELF" or len(head) < 20 or abi not in RUNS:
        return
    order = ">" if head[5] == 2 else "<"
    machine = struct.unpack_from(f"{order}H", head, 18)[0]
    if machine not in RUNS[abi]:
        made_for = MACHINES.get(machine, f"ELF machine {machine}")
        raise DeviceError(
            f"--native {program}: is built for {made_for}, and the device {device} is {abi}. Give "
            f"the path of a {program.name} that was built for {abi}."
        )

"""Kinds of processor that a deployable file must be exact on, and what this one can."""

import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from targets.errors import InputError, unknown


@dataclass(frozen=True, kw_only=True)
class Processor:
    """A kind of processor, and one of it that qemu imitates."""

    what: str
    machine: str
    """Machine, as `platform.machine` names it."""
    cpu: str
    """Model of the CPU, as qemu names it."""

    @property
    def qemu(self) -> str:
        return f"qemu-{self.machine}-static"


PROCESSORS = {
    "x86-sse4": Processor(what="x86-64 with SSE4.1", machine="x86_64", cpu="Nehalem"),
    "x86-avx2": Processor(what="x86-64 with AVX2, no VNNI", machine="x86_64", cpu="Haswell"),
    "aarch64": Processor(what="64-bit ARM", machine="aarch64", cpu="cortex-a72"),
}
"""x86 with VNNI is not among them: qemu has no AVX-512 and no AVX-VNNI."""


def saturates(machine: str, found: Sequence[str]) -> bool:
    """Whether ONNX Runtime's products of uint8 with int8 saturate there: x86 without VNNI."""
    return machine in ("x86_64", "AMD64", "i686") and not {"VNNI", "AMX"} & set(found)


def require_emulated(names: Sequence[str], *, place: str) -> None:
    """Raise `InputError` for a kind that is not known, or that cannot be emulated here."""
    for name in names:
        if name not in PROCESSORS:
            raise unknown("processor", name, PROCESSORS, place=place)
        processor = PROCESSORS[name]
        if shutil.which(processor.qemu) is None:
            raise InputError(
                f"{place}: {name} is emulated by {processor.qemu}, which is not installed. On "
                "Debian and Ubuntu: apt-get install qemu-user-static."
            )
        if processor.machine == "x86_64" and platform.machine() != "x86_64":
            raise InputError(
                f"{place}: {name} is emulated with this machine's own Python, and this machine is "
                f"{platform.machine()}. Prove it on an x86-64 machine, or leave it out."
            )

"""A Python that runs as on another processor, through qemu's user mode.

Each runtime then chooses the kernels of that processor, and rounds and saturates as they do: qemu
7.2 as Haswell gave the outputs of a real AVX2 machine to the bit. Times mean nothing.
"""

import os
import platform
import shlex
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from targets.bench.runner import AgentRunner
from targets.devices.local.link import LocalLink
from targets.errors import InputError
from targets.formats import FORMATS
from targets.processors import PROCESSORS, Processor

TIMEOUT_S = 1800
SYSTEM = {
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\n"
    "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd08\n",
    "sys/devices/system/cpu/present": "0\n",
    "sys/devices/system/cpu/possible": "0\n",
}
"""Files of the kernel's that describe a Cortex-A72: with the host's own, ONNX Runtime and LiteRT
crash when they look for the processor."""


def prepare(names: Sequence[str]) -> None:
    """Make what the processors need, before anything long begins: another machine's Python.

    Raises `InputError` or `DeviceError` where Debian's packages or wheels are not available.
    """
    if any(PROCESSORS[name].machine != platform.machine() for name in names):
        _arm_bundle()


@contextmanager
def emulated(name: str, scratch: Path) -> Iterator[AgentRunner]:
    """A runner whose measuring processes run as on the processor `name` of `PROCESSORS`."""
    with TemporaryDirectory(dir=scratch, prefix=f"{name}-") as folder:
        python = launcher(PROCESSORS[name], Path(folder))
        yield AgentRunner(
            link=LocalLink(Path(folder)),
            folder=Path(folder),
            timeout_s=TIMEOUT_S,
            python=lambda runtime: str(python),
        )


def launcher(processor: Processor, folder: Path) -> Path:
    """A program in `folder` that takes Python's arguments."""
    here = processor.machine == platform.machine()
    arguments = _this_python(folder) if here else _debian_python(folder)
    argv = [processor.qemu, "-cpu", processor.cpu, *arguments]
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def _this_python(folder: Path) -> list[str]:
    """The interpreter that runs now, with its packages.

    By its real path: under qemu a virtual environment's launcher finds neither the standard library
    nor its packages. `-S` and a script that sets the search path stand in for it.
    """
    library = sysconfig.get_path("stdlib")
    packages = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    boot = folder / "boot.py"
    boot.write_text(
        "import runpy, sys\n"
        f"sys.path[:0] = {[library, f'{library}/lib-dynload', *packages]!r}\n"
        "sys.argv = [each for each in sys.argv[1:] if each != '-I']\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n",
        encoding="utf-8",
    )
    return [os.path.realpath(sys.executable), "-S", "-I", str(boot)]


def _debian_python(folder: Path) -> list[str]:
    """Debian's interpreter for 64-bit ARM, with this machine's versions of the runtimes."""
    from targets.devices.arm_python.bundle import LOADER

    for name, text in SYSTEM.items():
        (folder / "system" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "system" / name).write_text(text, encoding="utf-8")
    python = _arm_bundle()
    program = next((python / "bin").glob("python3.*"))
    loader = [str(python / LOADER), "--library-path", str(python / "lib"), str(program)]
    return ["-L", str(folder / "system"), *loader]


def _arm_bundle() -> Path:
    """Return the bundle in the user's cache folder, made of Debian's packages and wheels if new."""
    from platformdirs import user_cache_path

    from targets.devices.arm_python import bundle
    from targets.devices.install_options import install_options
    from targets.devices.wheels import fetched

    cache = user_cache_path("edge-distill") / "processors"
    python = bundle.interpreter(cache)
    facts = bundle.facts(python)
    options = {each: next(install_options(facts, each, name="aarch64"), None) for each in FORMATS}
    wanted = [option for option in options.values() if option is not None]
    if len(wanted) < len(options):
        missing = ", ".join(name for name, option in options.items() if option is None)
        raise InputError(
            f"aarch64 cannot be emulated: no runtime for {missing} fits its Python. Leave aarch64 "
            "out of convert.prove_on."
        )
    requirements = tuple(dict.fromkeys(r for one in wanted for r in one.requirements))
    wheels = fetched(requirements, wanted[0].platform, cache=cache / "wheels")
    if wheels is None:
        raise InputError(
            f"aarch64 cannot be emulated: there are no wheels of {', '.join(requirements)} for it. "
            "Leave it out of convert.prove_on."
        )
    key = "-".join(one.runtime.name for one in wanted)
    return bundle.with_wheels(python, wheels, cache=cache, key=f"{key}-{wheels.name}")

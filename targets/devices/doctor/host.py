"""This machine: Python, libraries, room on its disks, and the programs that reach devices."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from targets.devices.addresses import Adb, Address, Ssh
from targets.devices.doctor import Check
from targets.devices.inventory import FILE, configured, places
from targets.errors import InputError

OURS = "edge-distill"
SHOWN = ("tensorflow", "ai-edge-litert", "onnxruntime", "numpy")
"""Their versions decide what a result means."""
ROOM_BYTES = 500_000_000
"""For the files of a run, or for the wheels of two devices."""
LIMIT_S = 30
Versions = Mapping[str, str]


def host_checks(addresses: Sequence[Address], *, cwd: Path, cache: Path) -> Iterator[Check]:
    """`addresses`: of the devices that are to be measured; what reaches them is needed."""
    yield python(sys.version_info[:3], requires=_requires_python())
    yield from libraries(requirements(OURS), installed())
    yield numpy(installed(), wanted_numpy(installed()))
    yield room("disk of this folder", cwd, free_bytes=_free_bytes(cwd))
    yield room("disk of the cache", cache, free_bytes=_free_bytes(cache))
    yield pip(needed=any(isinstance(each, Ssh) for each in addresses))
    yield ssh(_ssh_version(), needed=any(isinstance(each, Ssh) for each in addresses))
    yield adb(installed(), needed=any(isinstance(each, Adb) for each in addresses))
    yield _inventory()


def python(version: Sequence[int], *, requires: str | None) -> Check:
    from packaging.specifiers import SpecifierSet

    found = ".".join(map(str, version))
    fits = requires is None or SpecifierSet(requires).contains(found)
    return Check(
        name="python",
        ok=fits,
        found=f"{found} ({sys.executable})" if fits else f"{found}; {requires} is needed",
        remedy="" if fits else "Install Python 3.12, then: python3.12 -m venv .venv",
    )


def libraries(needed: Sequence[str] | None, versions: Versions) -> Iterator[Check]:
    """One for all that is in order, and one for each that is not."""
    from packaging.requirements import Requirement

    if needed is None:
        yield Check(
            name="libraries",
            ok=None,
            found=f"{OURS} itself is not installed: its requirements are not known",
            remedy="python -m pip install -c constraints.txt -e .",
        )
        return
    unmet = 0
    for requirement in map(Requirement, needed):
        version = versions.get(_normal(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            unmet += 1
            yield Check(
                name=requirement.name,
                ok=False,
                found=f"{version or 'not installed'}; {requirement.specifier} is needed",
                remedy=f"{_pip()} install '{requirement.name}{requirement.specifier}'",
            )
    shown = [f"{name} {versions[name]}" for name in SHOWN if name in versions]
    yield Check(
        name="libraries",
        ok=True if not unmet else None,
        found=f"{len(needed) - unmet} of {len(needed)} in order: {', '.join(shown)}",
    )


def numpy(versions: Versions, wanted: Mapping[str, str]) -> Check:
    """`wanted`: the numpy that a distribution needs, by its name.

    tflite-runtime was built for numpy 1 and does not say so: with numpy 2 it can be imported and
    fails when it loads a model.
    """
    from packaging.specifiers import SpecifierSet

    version = versions.get("numpy")
    if version is None:
        return Check(
            name="numpy", ok=False, found="not installed", remedy=f"{_pip()} install numpy"
        )
    told = {**wanted, **({"tflite-runtime": "<2"} if "tflite-runtime" in versions else {})}
    clash = {
        name: specifier
        for name, specifier in told.items()
        if not SpecifierSet(specifier).contains(version, prereleases=True)
    }
    if not clash:
        return Check(name="numpy", ok=True, found=f"{version}, which every runtime here takes")
    if clash.keys() == {"tflite-runtime"}:
        return Check(
            name="numpy",
            ok=None,
            found=f"{version}, and tflite-runtime needs numpy 1: it gets an environment of its own",
            remedy=f"{_pip()} uninstall tflite-runtime",
        )
    needs = ", ".join(f"{name} needs {specifier}" for name, specifier in clash.items())
    bounds = ",".join(dict.fromkeys(clash.values()))
    return Check(
        name="numpy",
        ok=False,
        found=f"{version}, and {needs}",
        remedy=f"{_pip()} install 'numpy{bounds}'",
    )


def room(name: str, folder: Path, *, free_bytes: int) -> Check:
    enough = free_bytes >= ROOM_BYTES
    return Check(
        name=name,
        ok=enough,
        found=f"{free_bytes / 1e9:.1f} GB free ({folder})",
        remedy=""
        if enough
        else f"Make room: {ROOM_BYTES / 1e9:.1f} GB are needed; what takes it: "
        f"du -sh {shlex.quote(str(folder))}/*",
    )


def pip(*, needed: bool) -> Check:
    there = find_spec("pip") is not None
    return Check(
        name="pip",
        ok=there or (False if needed else None),
        found="fetches a device's wheels" if there else "not installed; it fetches wheels",
        remedy="" if there else f"{shlex.quote(sys.executable)} -m ensurepip",
    )


def ssh(version: str | None, *, needed: bool) -> Check:
    return Check(
        name="ssh",
        ok=True if version else (False if needed else None),
        found=version or "no client; ssh:// devices need it",
        remedy="" if version else "sudo apt install openssh-client",
    )


def adb(versions: Versions, *, needed: bool) -> Check:
    """The package brings the program; one of the user's own alone is not enough."""
    version = versions.get("adbutils")
    return Check(
        name="adb",
        ok=True if version else (False if needed else None),
        found=f"adbutils {version}" if version else "no adbutils; adb:// devices need it",
        remedy="" if version else f"{_pip()} install '{OURS}[adb]'",
    )


def inventory(read: Callable[[], Mapping[str, object]], files: Sequence[Path]) -> Check:
    try:
        names = sorted(read())
    except InputError as error:
        return Check(name=FILE, ok=False, found="cannot be used", remedy=str(error))
    there = [str(path) for path in files if path.is_file()]
    if not there:
        return Check(name=FILE, ok=None, found="none; a device can be named by its address")
    return Check(name=FILE, ok=True, found=f"{', '.join(names) or 'empty'} ({', '.join(there)})")


def requirements(distribution: str) -> list[str] | None:
    """What it needs on this Python, without its extras; None where it is not installed."""
    from packaging.requirements import Requirement

    try:
        told = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return None
    parsed = [Requirement(text) for text in told]
    return [
        f"{each.name}{each.specifier}"
        for each in parsed
        if each.marker is None or each.marker.evaluate({"extra": ""})
    ]


def installed() -> dict[str, str]:
    """Every distribution that this Python finds, the first of a name as imports do."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        if each.name:  # a half-removed one has none
            found.setdefault(_normal(each.name), each.version)
    return found


def wanted_numpy(versions: Versions) -> dict[str, str]:
    from packaging.requirements import Requirement

    found = {}
    for name in ("tensorflow", "ai-edge-litert", "onnxruntime", "tflite-runtime"):
        told = requirements(name) or [] if name in versions else []
        for requirement in map(Requirement, told):
            if requirement.name == "numpy" and requirement.specifier:
                found[name] = str(requirement.specifier)
    return found


def _requires_python() -> str | None:
    try:
        return str(metadata.metadata(OURS)["Requires-Python"])
    except metadata.PackageNotFoundError:
        return None


def _ssh_version() -> str | None:
    program = shutil.which("ssh")
    if program is None:
        return None
    done = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=LIMIT_S)
    return (done.stderr or done.stdout).strip() or program


def _inventory() -> Check:
    return inventory(configured, places())


def _free_bytes(folder: Path) -> int:
    """Of the disk that would hold it."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _pip() -> str:
    return f"{shlex.quote(sys.executable)} -m pip"

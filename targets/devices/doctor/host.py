"""Checks of this machine: Python, libraries, room on its disks, and what reaches each device."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from targets.devices import DEVICE_KINDS
from targets.devices.contract import Device
from targets.devices.doctor import Check
from targets.devices.inventory import FILE, LOCAL, configured, places
from targets.errors import InputError
from targets.runtimes import RUNTIMES

OURS = "edge-distill"
ROOM_BYTES = 500_000_000
"""Free bytes needed for the files of a run, or for the wheels of two devices."""
Versions = Mapping[str, str]


def host_checks(devices: Sequence[Device], *, cwd: Path) -> Iterator[Check]:
    """Check this machine; `devices` are those that are to be measured."""
    from platformdirs import user_cache_path

    versions, cache = installed(), user_cache_path("edge-distill")
    yield python(sys.version_info[:3], requires=_requires_python())
    yield from libraries(requirements(OURS), versions)
    yield numpy(versions, wanted_numpy(versions))
    yield room("disk of this folder", cwd, free_bytes=_free_bytes(cwd))
    yield room("disk of the cache", cache, free_bytes=_free_bytes(cache))
    yield pip(needed=any(device.scheme != LOCAL for device in devices))
    for kind in DEVICE_KINDS.values():
        yield from kind.host_checks(needed=any(device.kind is kind for device in devices))
    yield inventory(configured, places())


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
    """Yield one check for all libraries that are in order, and one for each that is not."""
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
                remedy=f"{pip_command()} install '{requirement.name}{requirement.specifier}'",
            )
    shown = [f"{name} {versions[name]}" for name in (*_deciding(), "numpy") if name in versions]
    yield Check(
        name="libraries",
        ok=True if not unmet else None,
        found=f"{len(needed) - unmet} of {len(needed)} in order: {', '.join(shown)}",
    )


def numpy(versions: Versions, wanted: Mapping[str, str]) -> Check:
    """Check numpy; `wanted`: distribution -> the numpy that it needs."""
    from packaging.specifiers import SpecifierSet

    version = versions.get("numpy")
    if version is None:
        found, remedy = "not installed", f"{pip_command()} install numpy"
        return Check(name="numpy", ok=False, found=found, remedy=remedy)
    clash = {
        name: specifier
        for name, specifier in wanted.items()
        if not SpecifierSet(specifier).contains(version, prereleases=True)
    }
    if not clash:
        return Check(name="numpy", ok=True, found=f"{version}, which every runtime here takes")
    needs = ", ".join(f"{name} needs numpy{specifier}" for name, specifier in clash.items())
    if clash.keys() <= _numpy_of_runtimes().keys():
        return Check(
            name="numpy",
            ok=None,
            found=f"{version}, and {needs}: it gets an environment of its own",
            remedy=f"{pip_command()} uninstall {' '.join(clash)}",
        )
    bounds = ",".join(dict.fromkeys(clash.values()))
    return Check(
        name="numpy",
        ok=False,
        found=f"{version}, and {needs}",
        remedy=f"{pip_command()} install 'numpy{bounds}'",
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
    """Return what it needs on this Python, without its extras; None if it is not installed."""
    from packaging.requirements import Requirement

    try:
        listed = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return None
    return [
        f"{each.name}{each.specifier}"
        for each in map(Requirement, listed)
        if each.marker is None or each.marker.evaluate({"extra": ""})
    ]


def installed() -> dict[str, str]:
    """Version of every distribution that this Python imports, the first of a name as imports do."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        if each.name:  # a half-removed one has none
            found.setdefault(_normal(each.name), each.version)
    return found


def wanted_numpy(versions: Versions) -> dict[str, str]:
    """Map each installed distribution that decides a result to the numpy that it needs."""
    found = {name: _numpy_in(requirements(name) or []) for name in _deciding() if name in versions}
    found |= {name: bound for name, bound in _numpy_of_runtimes().items() if name in versions}
    return {name: bound for name, bound in found.items() if bound}


def _deciding() -> tuple[str, ...]:
    return ("tensorflow", *(runtime.distribution for runtime in RUNTIMES.values()))


def _numpy_of_runtimes() -> dict[str, str]:
    """Map each runtime's distribution to the numpy that it was built for, where its own metadata
    does not state it: with another one it can be imported and fails when it loads a model.
    """
    bounds = {each.distribution: _numpy_in(each.requirements) for each in RUNTIMES.values()}
    return {name: bound for name, bound in bounds.items() if bound}


def _numpy_in(needed: Sequence[str]) -> str:
    from packaging.requirements import Requirement

    parsed = map(Requirement, needed)
    return next((str(each.specifier) for each in parsed if each.name == "numpy"), "")


def _requires_python() -> str | None:
    try:
        return str(metadata.metadata(OURS)["Requires-Python"])
    except metadata.PackageNotFoundError:
        return None


def _free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk that would hold `folder`."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def pip_command() -> str:
    return f"{shlex.quote(sys.executable)} -m pip"

"""Experimental: a Python with its own C library for an Android device, which has neither.

Debian's interpreter for 64-bit ARM, its libraries and its program loader in one folder, with the
wheels of one runtime. Tried in emulation only: the filter for system calls that apps live under is
not set for adb's shell, but no phone was asked. Hence the agent's own test decides, each time.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

from targets.devices import provisioning
from targets.devices.adb import debian
from targets.devices.install_options import Candidate, candidates, nothing_fits
from targets.devices.link import Link
from targets.devices.wheels import fetched
from targets.errors import DeviceError
from targets.runtimes import RUNTIMES

Say = Callable[[str], None]
ABI = "arm64-v8a"
PACKAGES = ("python3", "libstdc++6")
LIBRARIES = "aarch64-linux-gnu"
LOADER = "ld-linux-aarch64.so.1"
UNUSED = ("__pycache__", "test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "config-*")
LAUNCHER = """#!/system/bin/sh
d=${0%/*}
export HOME="$d" TMPDIR="$d" PYTHONDONTWRITEBYTECODE=1
exec "$d/LOADER" --library-path "$d/lib" "$d/bin/INTERPRETER" "$@"
"""


def provisioned(
    link: Link,
    device: Mapping[str, Any],
    format_name: str,
    *,
    cache: Path,
    say: Say,
    install: bool = True,
    runtime: str | None = None,
) -> provisioning.Provisioned:
    """A Python with a runtime for `format_name` on the device that `android.probe` saw; as
    `provisioning.provision`: reused where it is there, and `install` False puts nothing there.
    """
    if device["abi"] != ABI:
        raise DeviceError(
            f"device {link.name}: the Python bundle is for {ABI}, the device is {device['abi']}. "
            "Measure its latency with a native tool: --native."
        )
    there = provisioning.installed(link)
    if not install:
        return _kept(link, there, format_name, runtime)
    python = interpreter(cache)
    wanted = [
        each
        for each in candidates(facts(python), format_name, name=link.name)
        if runtime in (None, each.runtime.name)
    ]
    for candidate in wanted:
        if candidate.key in there:
            return there[candidate.key]
    for candidate in wanted:
        wheels = fetched(candidate.requirements, candidate.platform, cache=cache / "wheels")
        if wheels is not None:
            say(f"device    {link.name}: a Python of its own (experimental), {candidate.key}")
            return _put(link, candidate, bundle(python, wheels, cache=cache, key=candidate.key))
    raise DeviceError(nothing_fits(link.name, facts(python), wanted))


def _kept(
    link: Link,
    there: Mapping[str, provisioning.Provisioned],
    format_name: str,
    runtime: str | None,
) -> provisioning.Provisioned:
    """Of what is on the device, without making anything here."""
    for each in RUNTIMES.values():
        if format_name in each.formats and runtime in (None, each.name):
            for found in there.values():
                if found.runtime == each.name:
                    return found
    raise DeviceError(
        f"device {link.name}: no Python bundle there. Leave out --no-install, or measure with "
        "a native tool: --native."
    )


def interpreter(cache: Path) -> Path:
    """The bundle's folder without wheels, from the cache or made of Debian's packages."""
    parts = f"{PACKAGES}{UNUSED}{LAUNCHER}"
    done = cache / f"python-arm64-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"
    if not done.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as scratch:
            made = _interpreter(debian.unpacked(PACKAGES, scratch=Path(scratch)), Path(scratch))
            made.rename(done)
    return done


def _interpreter(root: Path, scratch: Path) -> Path:
    out = scratch / "python-arm64"
    (out / "bin").mkdir(parents=True)
    program = next(path for path in (root / "usr/bin").glob("python3.*") if not path.is_symlink())
    shutil.copy2(program, out / "bin")
    for folder in (root / "lib" / LIBRARIES, root / "usr/lib" / LIBRARIES):
        _copy_libraries(folder, out / "lib")
    (out / "lib" / LOADER).rename(out / LOADER)
    shutil.copytree(
        root / "usr/lib" / program.name,
        out / "lib" / program.name,
        ignore=shutil.ignore_patterns(*UNUSED),
        ignore_dangling_symlinks=True,
    )
    text = LAUNCHER.replace("LOADER", LOADER).replace("INTERPRETER", program.name)
    (out / "python").write_text(text)
    (out / "python").chmod(0o755)
    return out


def _copy_libraries(folder: Path, to: Path) -> None:
    """Each once, under the name that programs ask for: libstdc++.so.6, not libstdc++.so.6.0.30."""
    to.mkdir(exist_ok=True)
    every = [path for path in folder.glob("*.so*") if path.is_file()] if folder.exists() else []
    aliased = {path.resolve() for path in every if path.is_symlink()}
    for path in every:
        if path.is_symlink() or path.resolve() not in aliased:
            shutil.copy2(path.resolve(), to / path.name)


def facts(python: Path) -> dict[str, Any]:
    """The bundle as `targets.devices.install_options` looks at a device: which wheels fit it."""
    program = next((python / "bin").glob("python3.*"))
    pythons = [{"path": "", "version": program.name.removeprefix("python"), "numpy": None}]
    return {"abi": "aarch64", "libc": f"glibc {_glibc(python)}", "pythons": pythons}


def _glibc(python: Path) -> str:
    """The newest version of symbols that its C library has."""
    versions = re.findall(rb"GLIBC_2\.(\d+)\b", (python / "lib" / "libc.so.6").read_bytes())
    return f"2.{max(map(int, versions))}"


def bundle(python: Path, wheels: Path, *, cache: Path, key: str) -> Path:
    """`python` with `wheels` unpacked beside its own modules, which needs no search path."""
    done = cache / f"{python.name}-{key}"
    if not done.exists():
        with TemporaryDirectory(dir=cache) as scratch:
            made = Path(scratch) / "bundle"
            shutil.copytree(python, made)
            modules = next((made / "lib").glob("python3.*"))
            for path in sorted(wheels.glob("*.whl")):
                with ZipFile(path) as wheel:
                    wheel.extractall(modules)
            made.rename(done)
    return done


def _put(link: Link, candidate: Candidate, folder: Path) -> provisioning.Provisioned:
    python = f"{link.put(folder)}/python"
    tried = provisioning.self_tested(link, candidate.runtime, python)
    if isinstance(tried, str):
        raise DeviceError(
            f"device {link.name}: the Python bundle (experimental) does not work there: {tried} "
            "Measure its latency with a native tool: --native."
        )
    here = link.place(f"env-{candidate.key}")
    link.run(["mkdir", "-p", here], env={}, timeout_s=provisioning.LIMIT_S)
    provisioning.mark(link, candidate, tried, f"{here}/{provisioning.INSTALLED}")
    return replace(tried, reused=False)

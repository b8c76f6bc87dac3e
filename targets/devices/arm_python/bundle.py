"""A Python for 64-bit ARM with its own C library, for a system that has neither.

Debian's interpreter, its libraries and its program loader in one folder, with the wheels of one
or more runtimes.
"""

import hashlib
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from targets.devices.arm_python import debian
from targets.devices.facts import DeviceFacts, Interpreter

PACKAGES = ("python3", "libstdc++6")
LIBRARIES = "aarch64-linux-gnu"
LOADER = "ld-linux-aarch64.so.1"
UNUSED = ("__pycache__", "test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "config-*")
LAUNCHER = """#!/system/bin/sh
d=${0%/*}
export HOME="$d" TMPDIR="$d" PYTHONDONTWRITEBYTECODE=1
exec "$d/LOADER" --library-path "$d/lib" "$d/bin/INTERPRETER" "$@"
"""


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
    """Copy each once, by the name that programs load: libstdc++.so.6, not libstdc++.so.6.0.30."""
    to.mkdir(exist_ok=True)
    every = [path for path in folder.glob("*.so*") if path.is_file()] if folder.exists() else []
    aliased = {path.resolve() for path in every if path.is_symlink()}
    for path in every:
        if path.is_symlink() or path.resolve() not in aliased:
            shutil.copy2(path.resolve(), to / path.name)


def facts(python: Path) -> DeviceFacts:
    """The bundle as a device, for `targets.devices.install_options`: which wheels fit it."""
    program = next((python / "bin").glob("python3.*"))
    base = Interpreter(path="", version=program.name.removeprefix("python"))
    return DeviceFacts(abi="aarch64", libc=f"glibc {_glibc(python)}", pythons=(base,))


def _glibc(python: Path) -> str:
    """The newest version of symbols in its C library."""
    versions = re.findall(rb"GLIBC_2\.(\d+)\b", (python / "lib" / "libc.so.6").read_bytes())
    return f"2.{max(map(int, versions))}"


def with_wheels(python: Path, wheels: Path, *, cache: Path, key: str) -> Path:
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

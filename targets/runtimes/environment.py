"""Which Python runs a runtime here: this one, or an environment of the runtime's own.

A runtime that this Python cannot hold (tflite-runtime needs numpy 1 and CPython 3.11 at most) gets
a venv in the user's cache folder. It is made once, whole or not at all, and found again by name.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import site
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from targets.errors import DeviceError, InputError
from targets.files.file_lock import waiting_lock
from targets.runtimes import OLDEST_PYTHON, Runtime

Say = Callable[[str], None]

INSTALL_TIMEOUT_S = 900
PROBE_TIMEOUT_S = 30
# venv needs ensurepip for its pip; Debian has it in a package of its own.
PROBE = (
    "import sys, sysconfig, json, ensurepip, venv; "
    "print(json.dumps([sys.version_info[:2], sys.base_prefix, sysconfig.get_platform()]))"
)


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python that can make environments."""

    path: Path
    version: tuple[int, int]
    identity: str
    """Differs where environments cannot be shared: another installation or architecture."""


def python_for(runtime: Runtime, *, install: bool = True, say: Say = lambda text: None) -> Path:
    """The Python whose processes can import `runtime`; decided without importing anything.

    This one where it meets the runtime's requirements; else that of an environment of its own,
    which is made when it is not there (`install`; takes a network or a folder of wheels that pip
    knows of). Raises `InputError` where that is forbidden, impossible or fails, and `DeviceError`
    where what was installed cannot be imported.
    """
    here = unmet(runtime.requirements, path=_isolated_path())
    if not here:
        return Path(sys.executable)
    base = _interpreter(runtime, here)
    folder = _folder(runtime, base)
    if not _is_ready(folder, runtime):
        if not install:
            raise InputError(_forbidden(runtime, here, base=base, folder=folder))

        def on_wait() -> None:
            say(f"another process is installing {runtime.distribution}; waiting for it")

        with waiting_lock(folder.with_name(f"{folder.name}.lock"), on_wait=on_wait):
            if not _is_ready(folder, runtime):
                _make(folder, runtime, base, say)
    return _python_in(folder)


def unmet(requirements: Sequence[str], *, path: Sequence[str]) -> list[str]:
    """What is missing among the distributions on `path`, one clause each."""
    from packaging.requirements import Requirement

    clauses = []
    for requirement in map(Requirement, requirements):
        found = next(iter(metadata.distributions(name=requirement.name, path=list(path))), None)
        if found is None:
            clauses.append(f"{requirement} is not installed")
        elif not requirement.specifier.contains(found.version, prereleases=True):
            clauses.append(f"{requirement} is needed and {found.version} is installed")
    return clauses


def _isolated_path() -> list[str]:
    """`sys.path` of a process of this Python under -I, in which the agent runs."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    hidden = {str(Path(entry).absolute()) for entry in filter(None, given)}
    if site.ENABLE_USER_SITE:
        hidden.add(site.getusersitepackages())
    return [entry for entry in sys.path if entry and str(Path(entry).absolute()) not in hidden]


def _interpreter(runtime: Runtime, here: Sequence[str]) -> Interpreter:
    """This Python where the runtime has a wheel for it, else one on PATH, newest first."""
    newest = runtime.newest_python or sys.version_info[:2]
    minors = range(newest[1], OLDEST_PYTHON[1] - 1, -1)
    names = [f"python{newest[0]}.{minor}" for minor in minors]
    fits = sys.version_info[:2] <= newest
    found = [sys.executable] if fits else []
    found += [path for path in map(shutil.which, names) if path is not None]
    for candidate in found:
        interpreter = _probe(candidate)
        if interpreter is not None and OLDEST_PYTHON <= interpreter.version <= newest:
            return interpreter
    # On PATH and yet of no use: a version manager's stub, or Debian's Python without python3-venv.
    passed = f" ({', '.join(found)} cannot make environments)" if found else ""
    lacks = (
        "has no module venv" if fits else f"is {sys.version_info.major}.{sys.version_info.minor}"
    )
    raise InputError(
        f"{runtime.name}: {'; '.join(here)}. It needs an environment of its own: this Python "
        f"{lacks}, and on PATH there is no other that can make one{passed}. Install one of "
        f"{', '.join(names)} with its venv module (on Debian: apt install {names[0]}-venv)."
    )


def _probe(python: str) -> Interpreter | None:
    try:
        done = subprocess.run(
            [python, "-I", "-c", PROBE], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S
        )
        if done.returncode:
            return None
        version, prefix, platform = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None  # a stub of a version manager, another program of that name
    return Interpreter(
        path=Path(python), version=(version[0], version[1]), identity=f"{prefix} {platform}"
    )


def _folder(runtime: Runtime, base: Interpreter) -> Path:
    from platformdirs import user_cache_path

    key = json.dumps([runtime.requirements, base.version, base.identity])
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    version = re.sub(r"[^\w.]+", "-", runtime.requirements[0])
    name = f"{version}-py{base.version[0]}.{base.version[1]}-{digest}"
    return user_cache_path("edge-distill") / "environments" / name


def _python_in(folder: Path) -> Path:
    return folder / "bin" / "python"


def _is_ready(folder: Path, runtime: Runtime) -> bool:
    """Whether the environment still holds what is needed, and its Python is still there."""
    packages = [str(path) for path in folder.glob("lib/python*/site-packages")]
    return _python_in(folder).exists() and not unmet(runtime.requirements, path=packages)


def _make(folder: Path, runtime: Runtime, base: Interpreter, say: Say) -> None:
    """Make it under the lock. A renamed venv works but for its console scripts, unused here."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
    needs = " and ".join(runtime.requirements)
    say(f"installing {needs} for Python {base.version[0]}.{base.version[1]} into {folder}")
    try:
        _install(part, runtime, base)
        _verify(part, runtime)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    say(f"{runtime.distribution} is ready")


def _install(folder: Path, runtime: Runtime, base: Interpreter) -> None:
    for argv in _steps(folder, runtime, base):
        done = _run(argv)
        if done.returncode:
            # Without a network pip's last word is that there is no such distribution.
            alone = " The package index did not answer." if "Retrying (" in done.stderr else ""
            raise InputError(
                f"{runtime.name}: {shlex.join(argv)} failed: {_last_line(done)}{alone} It needs a "
                "network or a folder of wheels in PIP_FIND_LINKS, and room on "
                "the disk."
            )


def _steps(folder: Path, runtime: Runtime, base: Interpreter) -> list[list[str]]:
    pip = [str(_python_in(folder)), "-I", "-m", "pip", "install", "--only-binary=:all:"]
    return [[str(base.path), "-I", "-m", "venv", str(folder)], [*pip, *runtime.requirements]]


def _verify(folder: Path, runtime: Runtime) -> None:
    code = f"import numpy, {runtime.module}"
    done = _run([str(_python_in(folder)), "-I", "-c", code], **runtime.env)
    if done.returncode:
        raise DeviceError(
            f"{runtime.name}: installed from {' and '.join(runtime.requirements)}, it cannot be "
            f"imported here: {_last_line(done)} Its wheel may not fit this system's C library."
        )


def _run(argv: Sequence[str], **env: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            argv,
            env={**os.environ, **env, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=INSTALL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        problem = f"not done after {INSTALL_TIMEOUT_S} s"
        return subprocess.CompletedProcess(argv, returncode=124, stdout="", stderr=problem)


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    lines = [line for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    return f"{lines[-1].strip().rstrip('.')}." if lines else "no message."


def _forbidden(runtime: Runtime, here: Sequence[str], *, base: Interpreter, folder: Path) -> str:
    steps = " && ".join(shlex.join(step) for step in _steps(folder, runtime, base))
    return (
        f"{runtime.name}: {'; '.join(here)} in this Python, and installing was not allowed. Allow "
        f"it, or make the environment that is looked for: {steps}."
    )

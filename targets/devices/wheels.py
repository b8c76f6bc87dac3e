"""Wheels for another machine, downloaded on this one: the device may have no network and no pip.

Not by `uv pip install --python-platform` (tried with 0.13): it knows no 32-bit ARM and no glibc
above 2.40, and would replace only the command in `_download`, for a binary of 38 MB. Choosing among
the device's Pythons, its own numpy, unpacking and the self-test stay.
"""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from targets.errors import DeviceError

LIMIT_S = 900
OLDEST_GLIBC = 17
COMPLETE = "requirements.txt"
"""Written last into a folder of wheels."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What a wheel must fit."""

    abi: str
    """ABI of programs, not of the kernel: `aarch64`, `armv7l`, `x86_64`."""
    glibc: tuple[int, int]
    python: tuple[int, int]

    def tags(self) -> list[str]:
        """Every manylinux tag that the device can load, the newest first.

        pip takes a tag given by `--platform` for itself alone, not for the older ones too, and the
        wheels that matter here are tagged 2_17, 2_27, 2_28 and 2_34.
        """
        major, minor = self.glibc
        newest_first = range(minor, OLDEST_GLIBC - 1, -1)
        tags = [f"manylinux_{major}_{each}_{self.abi}" for each in newest_first]
        return [*tags, f"manylinux2014_{self.abi}", f"linux_{self.abi}"]


def default_cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("edge-distill") / "wheels"


def fetched(
    requirements: Sequence[str],
    platform: Platform,
    *,
    cache: Path | None = None,
    dependencies: bool = True,
) -> Path | None:
    """A folder of wheels for `requirements` and their dependencies; None if the index has none.

    Kept in `cache` [default: in the user's cache folder]: a second call needs no network.
    """
    cache = cache or default_cache()
    wanted = "\n".join([*requirements, str(platform), str(dependencies)])
    folder = cache / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    if (folder / COMPLETE).exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as scratch:
        part = Path(scratch) / "wheels"
        more = [] if dependencies else ["--no-deps"]
        if not _download([*more, *requirements], platform, part):
            return None
        (part / COMPLETE).write_text(f"{wanted}\n")
        if not folder.exists():
            part.rename(folder)
    return folder


def _download(arguments: Sequence[str], platform: Platform, to: Path) -> bool:
    major, minor = platform.python
    argv = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--only-binary", ":all:", "--implementation", "cp", "--dest", str(to)),
        *("--python-version", f"{major}.{minor}"),
        *(item for abi in (f"cp{major}{minor}", "abi3", "none") for item in ("--abi", abi)),
        *(item for tag in platform.tags() for item in ("--platform", tag)),
    ]
    done = subprocess.run(
        [*argv, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if done.returncode == 0:
        return True
    if _unavailable(done.stderr):
        return False
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    raise DeviceError(
        f"wheels for {platform.abi}, Python {major}.{minor}: pip could not fetch them: {last}. "
        "Check this machine's network and pip's configuration (python -m pip config list)."
    )


def _unavailable(stderr: str) -> bool:
    """The index has no such wheel; without a network pip ends with the same message."""
    none = "No matching distribution found" in stderr or "ResolutionImpossible" in stderr
    return none and "Retrying (" not in stderr

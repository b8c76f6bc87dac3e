"""Debian's packages for 64-bit ARM, by apt with a state folder of its own.

The machine's packages stay as they are. apt checks the signatures. It needs no root, but a Debian
that has its package lists.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from targets.errors import InputError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LIMIT_S = 900
CONFIG = """\
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc "{folder}/etc";
"""
REMEDY = "Make it on a Debian machine (apt-get update first) and copy the cache folder here"


def unpacked(names: Sequence[str], *, scratch: Path) -> Path:
    """A folder below `scratch` with the files of `names` and of their dependencies."""
    root = scratch / "root"
    root.mkdir()
    for package in _downloaded(names, scratch / "apt"):
        _run(["dpkg-deb", "-x", str(package), str(root)])
    return root


def _downloaded(names: Sequence[str], folder: Path) -> list[Path]:
    for name in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "etc" / "sources.list").write_text(_sources())
    config = folder / "apt.conf"
    config.write_text(CONFIG.format(folder=folder))
    for argv in (["update"], ["install", "--download-only", "-y", *names]):
        _run(["apt-get", "-qq", *argv], APT_CONFIG=str(config))
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def _sources() -> str:
    """The sources of this machine's own Debian packages."""
    line = f"deb [signed-by={KEYRING}] $(REPO_URI) $(RELEASE) $(COMPONENT)"
    argv = ["apt-get", "indextargets", "--format", line, "Created-By: Packages", "Origin: Debian"]
    lines = _run(argv).splitlines()
    if not lines:
        raise InputError(f"packages for ARM: this machine has no Debian package source. {REMEDY}.")
    return "".join(f"{line}\n" for line in sorted(set(lines)))


def _run(argv: Sequence[str], **variables: str) -> str:
    if shutil.which(argv[0]) is None:
        raise InputError(f"packages for ARM: no {argv[0]} on this machine. {REMEDY}.")
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **variables}
    done = subprocess.run(
        argv, env=path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S
    )
    if done.returncode != 0:
        raise InputError(f"packages for ARM: {argv[0]}: {done.stderr.strip()}. {REMEDY}.")
    return done.stdout

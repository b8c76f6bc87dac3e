"""An Android-like ARM tree: mksh and toybox in /system/bin, nothing else in its PATH."""

import hashlib
import subprocess
import tempfile
from pathlib import Path

from tests.devices import arm64

FOLDERS = ("proc", "dev", "sys/devices/system/cpu", "data/local/tmp", "system/bin", "home/pi/small")
PROGRAMS = (
    *("cat", "chmod", "cp", "df", "echo", "env", "false", "grep", "head", "id", "kill", "ls"),
    *("mkdir", "mv", "printenv", "printf", "ps", "pwd", "rm", "seq", "setsid", "sleep"),
    *("cut", "date", "find", "nproc", "readlink", "rmdir", "tr", "uptime", "which", "xargs"),
    *("sha256sum", "sort", "tail", "tar", "taskset", "test"),
    *("timeout", "touch", "true", "uname", "wc"),
)


def tree() -> Path:
    """From the cache, or built."""
    from platformdirs import user_cache_path

    key = hashlib.sha256(f"{FOLDERS}{PROGRAMS}".encode()).hexdigest()[:12]
    done = user_cache_path("edge-distill") / "stand-ins" / f"android-arm64-{key}"
    if not done.exists():
        done.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=done.parent) as scratch:
            root = arm64.unpacked(["mksh", "toybox"], scratch=Path(scratch))
            _finish(root)
            root.rename(done)
    return done


def _finish(root: Path) -> None:
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/cpuinfo").write_text(arm64.CPUINFO)
    for name in ("present", "possible"):
        (root / "sys/devices/system/cpu" / name).write_text("0-3\n")
    for name in PROGRAMS:
        (root / "system/bin" / name).symlink_to("/bin/toybox")
    (root / "system/bin/sh").symlink_to("/bin/mksh")
    subprocess.run(["chmod", "-R", "u+rwX,go+rX", str(root)], check=True)

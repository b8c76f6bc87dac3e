"""A Debian system for ARM, made of Debian's own packages, kept in the user's cache folder."""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from targets.devices.arm_python import debian
from targets.errors import InputError
from tests.devices import need

PACKAGES = (
    *("bash", "coreutils", "dash", "findutils", "grep", "libc-bin", "libstdc++6"),
    *("openssh-server", "procps", "python3", "sed", "tar", "util-linux"),
)
CPUINFO = "".join(
    f"processor\t: {cpu}\nBogoMIPS\t: 108.00\n"
    "Features\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n"
    for cpu in range(4)
)
VCGENCMD = """#!/bin/sh
case "$1" in
get_throttled) echo throttled=0x0 ;;
measure_temp) echo "temp=48.2'C" ;;
measure_clock) echo "frequency(48)=1500000000" ;;
*) echo 'error=1 error_msg="Command not registered"'; exit 1 ;;
esac
"""
FILES = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/bash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
        "pi:x:1000:1000::/home/pi:/bin/bash\n"
    ),
    "etc/group": "root:x:0:\npi:x:1000:\nnogroup:x:65534:\n",
    "etc/shadow": "root:*:1::::::\nsshd:*:1::::::\npi:*:1::::::\n",
    "etc/os-release": 'PRETTY_NAME="Stand-in for Raspberry Pi OS"\nID=debian\nVERSION_ID="12"\n',
    "etc/cpuinfo": f"{CPUINFO}Model\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
    "usr/local/bin/vcgencmd": VCGENCMD,
    "sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    # Without these two, onnxruntime and LiteRT crash when they look for the processor.
    "sys/devices/system/cpu/present": "0-3\n",
    "sys/devices/system/cpu/possible": "0-3\n",
    "sys/class/thermal/thermal_zone0/temp": "48200\n",
    **{
        f"sys/devices/system/cpu/cpu{cpu}/cpufreq/{name}": value
        for cpu in range(4)
        for name, value in (("scaling_governor", "ondemand\n"), ("cpuinfo_max_freq", "1500000\n"))
    },
}
FOLDERS = ("proc", "dev", "sys", "run/sshd", "root", "tmp", "home/pi/small")


def rootfs() -> Path:
    """The tree, from the cache or built: named by what it is made of."""
    from platformdirs import user_cache_path

    parts = f"{PACKAGES}{sorted(FILES.items())}{FOLDERS}"
    key = hashlib.sha256(parts.encode()).hexdigest()[:16]
    done = user_cache_path("edge-distill") / "stand-ins" / f"arm64-{key}"
    if not done.exists():
        done.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=done.parent) as scratch:
            built = _built(Path(scratch))
            built.rename(done)
    return done


def _built(scratch: Path) -> Path:
    root = unpacked(PACKAGES, scratch=scratch)
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).unlink(missing_ok=True)
        (root / name).write_text(content)
    (root / "usr/local/bin/vcgencmd").chmod(0o755)
    (root / "tmp").chmod(0o1777)
    if not (root / "bin/sh").exists():
        (root / "bin/sh").symlink_to("dash")
    shutil.chown(root / "home/pi", 1000, 1000)
    return root


def unpacked(names: Sequence[str], *, scratch: Path) -> Path:
    """As `targets.devices.arm_python.debian`; if it cannot, the stand-in is missing."""
    try:
        return debian.unpacked(names, scratch=scratch)
    except InputError as error:
        need.missing(str(error))

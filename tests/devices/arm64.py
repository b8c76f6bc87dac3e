"""A Debian system for ARM, made of Debian's own packages, kept in the user's cache folder."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.devices import need

PACKAGES = (
    *("bash", "coreutils", "dash", "findutils", "grep", "libc-bin", "libstdc++6"),
    *("openssh-server", "procps", "python3", "sed", "tar", "util-linux"),
)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
CONFIG = """\
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc "{folder}/etc";
"""
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
    root = scratch / "root"
    root.mkdir(mode=0o755)
    for package in _packages(scratch / "apt"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
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


def _packages(folder: Path) -> list[Path]:
    """Downloaded with all that they need, by an apt that shares nothing with the machine's own."""
    for name in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "etc" / "sources.list").write_text(_sources())
    config = folder / "apt.conf"
    config.write_text(CONFIG.format(folder=folder))
    for argv in (["update"], ["install", "--download-only", "-y", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", "-qq", *argv],
            env={"APT_CONFIG": str(config), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            need.missing(f"no packages for arm64: {done.stderr.strip()}")
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def _sources() -> str:
    """Where this machine has its own Debian packages from."""
    form = f"deb [signed-by={KEYRING}] $(REPO_URI) $(RELEASE) $(COMPONENT)"
    argv = ["apt-get", "indextargets", "--format", form, "Created-By: Packages", "Origin: Debian"]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    if not lines:
        need.missing("no source of Debian packages: apt-get update")
    return "".join(f"{line}\n" for line in sorted(set(lines)))

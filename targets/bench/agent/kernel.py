"""Files of the Linux kernel: the processor's features, and values read from /proc and /sys."""

from __future__ import annotations

import glob

PROC, SYS = "/proc", "/sys"
FEATURES = {  # Linux' name -> the usual one, of those that decide how int8 is multiplied
    "sse4_1": "SSE4.1", "avx2": "AVX2", "avx512f": "AVX-512", "avx_vnni": "VNNI",
    "avx512_vnni": "VNNI", "amx_int8": "AMX", "neon": "NEON", "asimd": "NEON",
    "asimddp": "dotprod", "i8mm": "i8mm", "sve": "SVE",
}  # fmt: skip


def read(path: str) -> str:
    """The stripped text of a file; "" where it does not exist or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def read_all(pattern: str) -> list[str]:
    """The texts of the readable files that match, in the order of their numbers."""
    paths = sorted(glob.glob(pattern), key=lambda path: (len(path), path))
    return [text for text in map(read, paths) if text]


def cpu_features(cpuinfo: str | None = None) -> list[str]:
    """The FEATURES of a processor, from the text of /proc/cpuinfo (this machine's, if None)."""
    text = read(f"{PROC}/cpuinfo") if cpuinfo is None else cpuinfo
    lines = [line.partition(":") for line in text.splitlines()]
    found = [value.split() for key, _, value in lines if key.strip() in ("flags", "Features")]
    words = set(found[0]) if found else set()
    return list(dict.fromkeys(name for flag, name in FEATURES.items() if flag in words))

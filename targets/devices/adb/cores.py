"""Which cores to measure on, and whether the process really ran there."""

import re
from collections.abc import Iterable, Sequence

from targets.devices.link import Link
from targets.errors import DeviceError


def hex_mask(cores: Iterable[int]) -> str:
    """As toybox's `taskset` wants it: hexadecimal, without 0x ("f0" is cores 4 to 7)."""
    mask = sum(1 << core for core in set(cores))
    if mask == 0:
        raise ValueError("no core")
    return f"{mask:x}"


def parse_list(text: str) -> list[int]:
    """The kernel's way to write cores: "0,4-7"."""
    cores: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cores += range(int(first), int(last or first) + 1)
    return cores


READ_BACK = 'grep Cpus_allowed_list: /proc/$$/status >&2; exec "$@"'


def pinned(argv: Sequence[str], cores: Sequence[int]) -> list[str]:
    """`argv` on `cores`; its first line of standard error is for `effective`."""
    return ["taskset", hex_mask(cores), "sh", "-c", READ_BACK, "sh", *argv]


def effective(stderr: str) -> list[int] | None:
    """The cores that a `pinned` command could use, by what the kernel says."""
    said = re.search(r"^Cpus_allowed_list:\s*(\S+)", stderr, re.MULTILINE)
    return parse_list(said[1]) if said else None


def check(link: Link, cores: Sequence[int]) -> list[int]:
    """Pin a process to `cores` and read back where it may run.

    A `DeviceError` where it got none of them: a background cpuset leaves the big cores out.
    """
    done = link.run(pinned(["true"], cores), env={}, timeout_s=30)
    got = effective(done.stderr)
    if done.returncode != 0 or got is None:
        raise DeviceError(
            f"device {link.name}: a process cannot be pinned to cores {list(cores)} (taskset "
            f"{hex_mask(cores)}): {done.stderr.strip() or 'no word'}. Those cores may be asleep or "
            "in a cpuset that adb's shell is not in: measure without pinning."
        )
    return got

"""Processes on a stand-in for a device, which are processes of this machine."""

import time
from pathlib import Path


def gone(pid: int, *, within_s: float = 10) -> bool:
    """Whether the process ends in time; a zombie has ended."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def sleeper(note: Path) -> list[str]:
    """A command with a child that ignores SIGTERM and writes its process id to `note`."""
    child = f"trap '' TERM; echo $$ > '{note}.part'; mv '{note}.part' '{note}'; sleep 1000"
    return ["sh", "-c", 'sh -c "$0" & wait', child]


def written(note: Path) -> int:
    """The process id in `note`, once it is there."""
    deadline = time.monotonic() + 10
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return int(note.read_text())

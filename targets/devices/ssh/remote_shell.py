"""Scripts for a remote shell, and how their output is separated from other output.

A login shell prints the output of its start-up files, and an exit code can be the connection's own
(255 of ssh). So a script prints a line before and after its output, the last one with the exit
code. The lines hold a random word.
"""

import mmap
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

KILL_AFTER_S = 2
"""Seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """`word` marks the lines around its output."""

    word: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Bytes `start` to `stop` of standard output are the command's own."""

    start: int
    stop: int
    returncode: int


def simple(script: str) -> Script:
    """`script` of a POSIX shell, in a subshell; it may read its standard input."""
    word = secrets.token_hex(8)
    text = f"{_begin(word)}\n(\n{script}\n)\n{_end(word, '$?')}\n"
    return Script(word=word, text=text)


def limited(argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Script:
    """`argv` with `env` added, killed with its children at the limit or at a lost connection.

    `timeout` leads a process group of its own. Nothing is written to standard input; its end means
    that the connection is gone (ssh without a terminal kills nothing there by itself). The shell
    itself reads it because a program left behind would keep ssh's session open.
    """
    word = secrets.token_hex(8)
    command = shlex.join([*(f"{key}={value}" for key, value in env.items()), *argv])
    kill = "kill -s {} -- -$t"
    text = f"""{_begin(word)}
exec 3<&0
timeout -k {KILL_AFTER_S} {max(timeout_s, 0.01):.3f} env {command} </dev/null 3<&- & t=$!
{{ while read -r x; do :; done; {kill.format("TERM")}; sleep 1; {kill.format("KILL")}; }} \
<&3 >/dev/null 2>&1 & w=$!
wait $t; r=$?
kill $w 2>/dev/null
{kill.format("KILL")} 2>/dev/null
{_end(word, "$r")}
"""
    return Script(word=word, text=text)


def _begin(word: str) -> str:
    return f"printf '{word}<\\n'; printf '{word}<\\n' >&2"


def _end(word: str, code: str) -> str:
    return f"printf '{word}>%d\\n' {code}"


def answer(printed: IO[bytes], word: str) -> Answer | None:
    """Where the answer is in a file of standard output; None if it is incomplete."""
    if printed.seek(0, 2) == 0:
        return None
    with mmap.mmap(printed.fileno(), 0, access=mmap.ACCESS_READ) as output:
        begin, end = f"{word}<\n".encode(), f"{word}>".encode()
        start, stop = output.find(begin), output.rfind(end)
        if start < 0 or stop < 0:
            return None
        code = output[stop + len(end) :].partition(b"\n")[0]
        if not code.isdigit():
            return None
        return Answer(start=start + len(begin), stop=stop, returncode=int(code))


def own_errors(errors: str, word: str) -> str:
    """Standard error without what was printed before the command began."""
    return errors.rpartition(f"{word}<\n")[2]

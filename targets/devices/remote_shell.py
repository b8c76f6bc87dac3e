"""Commands for a shell at the other end of a wire, and its answer told apart from noise.

A login shell prints what its start-up files say, and an exit code can be the wire's own (255 of
ssh). So a command says in a line of its own where its output begins and where it ends with which
code; a line is known by a random word.
"""

import mmap
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

KILL_AFTER_S = 2
"""Between the request to end and the end."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A script and the word by which its answer is known."""

    word: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`start` to `stop` of what was printed is the command's own."""

    start: int
    stop: int
    returncode: int


def simple(script: str) -> Asked:
    """`script` of a POSIX shell, in a subshell; it may read its standard input."""
    word = secrets.token_hex(8)
    text = f"{_begin(word)}\n(\n{script}\n)\n{_end(word, '$?')}\n"
    return Asked(word=word, text=text)


def limited(argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Asked:
    """`argv` with `env` added, ended with its children at the limit or when the wire is cut.

    `timeout` leads a process group of its own. Standard input is never written to: that it ends
    means that nobody waits any more (ssh without a terminal kills nothing there by itself). It is
    read by the shell itself because a program left behind would keep ssh's session open.
    """
    word = secrets.token_hex(8)
    given = shlex.join([*(f"{key}={value}" for key, value in env.items()), *argv])
    kill = "kill -s {} -- -$t"
    text = f"""{_begin(word)}
exec 3<&0
timeout -k {KILL_AFTER_S} {max(timeout_s, 0.01):.3f} env {given} </dev/null 3<&- & t=$!
{{ while read -r x; do :; done; {kill.format("TERM")}; sleep 1; {kill.format("KILL")}; }} \
<&3 >/dev/null 2>&1 & w=$!
wait $t; r=$?
kill $w 2>/dev/null
{kill.format("KILL")} 2>/dev/null
{_end(word, "$r")}
"""
    return Asked(word=word, text=text)


def _begin(word: str) -> str:
    return f"printf '{word}<\\n'; printf '{word}<\\n' >&2"


def _end(word: str, code: str) -> str:
    return f"printf '{word}>%d\\n' {code}"


def answer(printed: IO[bytes], word: str) -> Answer | None:
    """Where the answer is in a file of standard output; None where it is not whole."""
    if printed.seek(0, 2) == 0:
        return None
    with mmap.mmap(printed.fileno(), 0, access=mmap.ACCESS_READ) as seen:
        begin, end = f"{word}<\n".encode(), f"{word}>".encode()
        start, stop = seen.find(begin), seen.rfind(end)
        if start < 0 or stop < 0:
            return None
        code = seen[stop + len(end) :].partition(b"\n")[0]
        if not code.isdigit():
            return None
        return Answer(start=start + len(begin), stop=stop, returncode=int(code))


def told(errors: str, word: str) -> str:
    """Standard error without what was printed before the command began."""
    return errors.rpartition(f"{word}<\n")[2]

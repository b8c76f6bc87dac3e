"""One command as text for a device's shell, and the shell's report about it.

The shell is mksh with toybox on a device, and any POSIX one in tests. The service `exec` carries
the text: it has neither a terminal (CRLF) nor an exit code, on any version of adbd, so the shell
itself reports the code, behind a token that no program can print by chance. So a device without
shell_v2, where every exit code is 0 and stderr is mixed in, needs no special case.
"""

import math
import re
import shlex
from collections.abc import Mapping, Sequence

from targets.devices.contract import Completed
from targets.errors import InputError

NO_FOLDER = 125


def wrap(
    argv: Sequence[str], *, env: Mapping[str, str], folder: str, token: str, limit_s: float
) -> bytes:
    """Shell text that runs `argv` in `folder`, in a session of its own that ends at the limit.

    A second process there enforces the limit, so that it holds without a connection too. It checks
    for the process file first: the process number may belong to another process by then.
    """
    here, quoted = shlex.quote(folder), shlex.join(argv)
    exports = "".join(f"export {_name(key)}={shlex.quote(env[key])}; " for key in env)
    seconds = max(1, math.ceil(limit_s))
    text = (
        "exec 2>/dev/null\n"  # drops the shell's own messages ("Killed")
        f"m={apart(token)}; echo $m:\n"
        f"cd {here} && (: >{token}.err) || {{ echo; echo $m {NO_FOLDER} 0; "
        f"echo cannot write in {here}; echo $m.; exit; }}\n"
        f"(export EDGE_DISTILL_RUN={token}; {exports}exec setsid {quoted}) "
        f"</dev/null 2>{token}.err & p=$!\n"
        f"echo $p >{token}.pid\n"
        f"setsid sh -c 'sleep {seconds}; [ -e {token}.pid ] && : >{token}.late && "
        f'kill -9 -"$1"\' sh $p </dev/null >/dev/null 2>&1 & w=$!\n'
        "wait $p; r=$?\n"
        f"rm -f {token}.pid; kill -9 -$w || kill -9 $w\n"
        f"l=0; [ -e {token}.late ] && l=1\n"
        f"echo; echo $m $r $l; cat {token}.err; rm -f {token}.err {token}.late\n"
        "echo $m.\n"
    )
    return _bytes(text)


def end(*, folder: str, token: str) -> bytes:
    """Shell text that kills what `wrap` with this token left running, and removes its files.

    After a reboot the process number may belong to another process: only one with our token in its
    environment is killed.
    """
    here = shlex.quote(folder)
    return _bytes(
        f"cd {here} && p=$(cat {token}.pid) && grep -q {token} /proc/$p/environ && kill -9 -$p\n"
        f"rm -f {token}.*\n"
    )


def finished(output: bytes, token: str) -> bool:
    return output.endswith(f"{token}.\n".encode())


def report(output: bytes, token: str) -> Completed:
    """The output of `wrap`'s shell, parsed."""
    text = output.decode(errors="replace").removesuffix(f"{token}.\n")
    _, _, text = text.partition(f"{token}:\n")  # before it: output of the shell's start-up files
    stdout, _, rest = text.rpartition(f"\n{token} ")
    head, _, stderr = rest.partition("\n")
    code, late = head.split()
    return Completed(returncode=int(code), stdout=stdout, stderr=stderr, timed_out=late == "1")


def apart(token: str) -> str:
    """The token as a shell's word that does not contain it: `ps` prints this text, and its end
    must not be mistaken for the report's."""
    return f"{token[:8]}''{token[8:]}"


def _name(key: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        raise InputError(f"environment variable '{key}': is not a name that a shell can set.")
    return key


def _bytes(text: str) -> bytes:
    """Undecodable file names become their original bytes again."""
    if "\0" in text:
        raise InputError("a command with a NUL character: a shell cannot run it.")
    return text.encode("utf-8", "surrogateescape")

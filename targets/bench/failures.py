"""A failure of the agent or its runtime, as one paragraph with the remedy.

The user can repair a file that is no model, that needs an operator which the runtime does not have,
or whose input does not fit (`InputError`, exit 2). Everything else is the device's (`DeviceError`).
"""

import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from targets.errors import DeviceError, EdgeDistillError, InputError, printable

if TYPE_CHECKING:
    from targets.bench.case import BenchCase
    from targets.runtimes import Runtime

LONGEST = 400
"""Characters of a runtime's message."""
SOURCE = re.compile(
    r"(?:/[^\s:]*/)?\w+\.(?:cc|cpp|h):\d+ "
    r"(?:(?:[\w:<>*&]+ ){0,3}(?:\w+::)+~?\w+(?:<[^()]*>)?\((?:[^()]|\([^()]*\))*\)(?: const)? ?)?"
    r"|\[\w+Error\] : \d+ : \w+ : "
)
"""The origin of a message in the runtime's C++ source: path, line and signature, or its code."""


def agent_error(error: Mapping[str, str], case: "BenchCase", place: str) -> EdgeDistillError:
    """Return the error to raise, by the phase that the agent was in."""
    message, runtime = shortened(error["message"]) or error["type"], case.executed_by
    if error["phase"] == "import":
        return DeviceError(
            f"{place}: {message}. Install it: python -m pip install '{runtime.distribution}'."
        )
    if error["phase"] == "load":
        return InputError(f"{case.path}: {_not_loaded(error['message'], message, runtime)}")
    if error["phase"] == "input":
        return InputError(f"{case.path}: {message}.")
    return DeviceError(f"{place}: {message}.")


def shortened(message: str, longest: int = LONGEST) -> str:
    """Shorten to one line, without the origin in the runtime's source; cut between words."""
    text = printable(" ".join(SOURCE.sub(" ", message).split())).rstrip(".")
    cut = textwrap.shorten(text, longest, placeholder=" …")
    return cut if len(cut) > 2 or not text else f"{text[:longest]}…"


def _not_loaded(message: str, short: str, runtime: "Runtime") -> str:
    errors, update = runtime.load_errors, f"python -m pip install -U {runtime.distribution}"
    if errors.foreign_operator and (foreign := errors.foreign_operator.search(message)):
        return (
            f"holds an operator that {runtime.name} does not have: "
            f"{foreign[foreign.lastindex or 0]}. Convert the network with the format's own "
            "operators only."
        )
    for pattern, sentence in errors.newer:
        if found := pattern.search(message):
            shown = sentence.format(*found.groups(), update=f"Update it ({update})")
            return f"made for a newer {runtime.name}: {shown}"
    return (
        f"{runtime.name} cannot load it: {short}. It may be cut off, no model at all, or made for "
        "a newer runtime."
    )

"""What the agent or its runtime says about a failure, as one paragraph with the remedy.

What a file cannot be is the user's to mend (`InputError`, exit 2): not a model, an operator that
the runtime does not have, an input that does not fit. The rest is the device's (`DeviceError`).
"""

import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from targets.errors import DeviceError, EdgeDistillError, InputError

if TYPE_CHECKING:
    from targets.bench.plan import Subject
    from targets.runtimes import Runtime

LONGEST = 400
"""Characters of a runtime's own words."""
FOREIGN_OPERATORS = re.compile(
    r"unresolved custom op: (?P<custom>[\w.:-]+)"
    r"|Select TensorFlow op.*?\((?P<flex>\w+)\)"
    r"|Fatal error: (?P<onnx>[\w.:-]+?)\(-?\d+\) is not a registered function/op"
    r"|Could not find an implementation for (?P<kernel>[\w.:]+)\(",
    re.DOTALL,
)
"""LiteRT gives a reason and then the node: 'Node number 1 (FlexErf) failed to prepare.'"""
NEWER = (
    (re.compile(r"IR version: (\d+), max supported IR version: (\d+)"), "IR version", "ir_version"),
    (
        re.compile(r"Opset (\d+) is under development.*till opset (\d+)", re.DOTALL),
        "opset",
        "opset",
    ),
    (re.compile(r"builtin opcode '(\w+)' version '(\d+)'"), "operator", ""),
)
"""What a runtime says of a file that was made for a newer one."""
SOURCE = re.compile(
    r"(?:/[^\s:]*/)?\w+\.(?:cc|cpp|h):\d+ "
    r"(?:(?:[\w:<>*&]+ ){0,3}(?:\w+::)+~?\w+(?:<[^()]*>)?\((?:[^()]|\([^()]*\))*\)(?: const)? ?)?"
    r"|\[ONNXRuntimeError\] : \d+ : \w+ : "
)
"""Where in the C++ source a message is from: path, line and signature."""


def agent_error(error: Mapping[str, str], subject: "Subject", place: str) -> EdgeDistillError:
    """By the phase that the agent was in."""
    said, runtime = shortened(error["message"]) or error["type"], subject.executed_by
    if error["phase"] == "import":
        return DeviceError(
            f"{place}: {said}. Install it: python -m pip install '{runtime.distribution}'."
        )
    if error["phase"] == "load":
        return InputError(f"{subject.path}: {_not_loaded(error['message'], said, runtime)}")
    if error["phase"] == "input":
        return InputError(f"{subject.path}: {said}.")
    return DeviceError(f"{place}: {said}.")


def shortened(message: str, longest: int = LONGEST) -> str:
    """On one line without what only the runtime's authors can use; cut between words."""
    text = " ".join(SOURCE.sub(" ", message).split()).rstrip(".")
    cut = textwrap.shorten(text, longest, placeholder=" …")
    return cut if len(cut) > 2 or not text else f"{text[:longest]}…"


def _not_loaded(message: str, said: str, runtime: "Runtime") -> str:
    if foreign := FOREIGN_OPERATORS.search(message):
        return (
            f"holds an operator that {runtime.name} does not have: "
            f"{foreign[foreign.lastgroup or 0]}. Convert the network with the format's own "
            "operators only."
        )
    return _newer(message, runtime) or (
        f"{runtime.name} cannot load it: {said}. It may be cut off, no model at all, or made for a "
        "newer runtime."
    )


def _newer(message: str, runtime: "Runtime") -> str | None:
    update = f"Update it (python -m pip install -U {runtime.distribution})"
    for pattern, what, key in NEWER:
        if (found := pattern.search(message)) is None:
            continue
        if not key:
            return (
                f"made for a newer {runtime.name}: {what} {found[1]} in version {found[2]}, which "
                f"this one does not have. {update}, or convert the network with an older converter."
            )
        return (
            f"made for a newer {runtime.name}: {what} {found[1]}; this one takes up to {found[2]}. "
            f"{update}, or export it again with {key} {found[2]} or less."
        )
    return None

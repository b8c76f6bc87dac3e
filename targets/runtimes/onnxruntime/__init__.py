"""ONNX Runtime, the runtime for .onnx files."""

import re

from targets.runtimes.contract import LoadErrors, Runtime
from targets.runtimes.onnxruntime import session
from targets.runtimes.onnxruntime.saturation import saturation

LOAD_ERRORS = LoadErrors(
    foreign_operator=re.compile(
        r"Fatal error: ([\w.:-]+?)\(-?\d+\) is not a registered function/op"
        r"|Could not find an implementation for ([\w.:]+)\("
    ),
    newer=(
        (
            re.compile(r"IR version: (\d+), max supported IR version: (\d+)"),
            "IR version {0}; this one takes up to {1}. {update}, or export it again with "
            "ir_version {1} or less.",
        ),
        (
            re.compile(r"Opset (\d+) is under development.*till opset (\d+)", re.DOTALL),
            "opset {0}; this one takes up to {1}. {update}, or export it again with opset {1} or "
            "less.",
        ),
    ),
)


RUNTIME = Runtime(
    name="onnxruntime",
    session=session,
    requirements=("onnxruntime>=1.19",),
    formats=("onnx",),
    load_errors=LOAD_ERRORS,
    accuracy_notes=saturation,
)

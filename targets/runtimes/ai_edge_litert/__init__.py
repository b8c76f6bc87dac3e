"""LiteRT, the runtime for .tflite files."""

import re

from targets.runtimes.ai_edge_litert import session
from targets.runtimes.contract import LoadErrors, Runtime

LOAD_ERRORS = LoadErrors(
    # A reason and then the node: 'Node number 1 (FlexErf) failed to prepare.'
    foreign_operator=re.compile(
        r"unresolved custom op: ([\w.:-]+)|Select TensorFlow op.*?\((\w+)\)", re.DOTALL
    ),
    newer=(
        (
            re.compile(r"builtin opcode '(\w+)' version '(\d+)'"),
            "operator {0} in version {1}, which this one does not have. {update}, or convert the "
            "network with an older converter.",
        ),
    ),
)
RUNTIME = Runtime(
    name="ai_edge_litert",
    session=session,
    requirements=("ai-edge-litert>=2.1",),
    formats=("tflite",),
    load_errors=LOAD_ERRORS,
)

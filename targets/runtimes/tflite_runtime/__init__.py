"""LiteRT under its former name, for devices that it has no wheel for (32-bit ARM).

It breaks in a process that has imported TensorFlow; with numpy 2 it imports and then fails to load.
"""

from targets.runtimes.ai_edge_litert import LOAD_ERRORS
from targets.runtimes.contract import Runtime
from targets.runtimes.tflite_runtime import session

RUNTIME = Runtime(
    name="tflite_runtime",
    session=session,
    requirements=("tflite-runtime>=2.14", "numpy<2"),
    formats=("tflite",),
    newest_python=(3, 11),
    load_errors=LOAD_ERRORS,
)

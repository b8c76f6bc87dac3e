"""A .tflite file in the interpreter of tflite-runtime. Runs on the device."""

from targets.runtimes.ai_edge_litert.session import ENV, SELF_TEST_MODEL, open_session

__all__ = ["DISTRIBUTION", "ENV", "MODULE", "SELF_TEST_MODEL", "open_session"]

MODULE = "tflite_runtime.interpreter"
DISTRIBUTION = "tflite-runtime"

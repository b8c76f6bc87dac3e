"""The deliverable formats: what each writes, and how it is shown to be what was asked for."""

FORMATS = {
    "tflite": "targets.formats.tflite",
    "onnx": "targets.formats.onnx_qdq",
}
"""Name of a format -> the module that exports and inspects it (imported when it is used)."""

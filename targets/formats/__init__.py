"""The deliverable formats: what each writes, and how it is shown to be what was asked for."""

FORMATS = {
    "tflite": "targets.formats.tflite.export",
    "onnx": "targets.formats.onnx.qdq",
}
"""Name of a format -> the module that exports and inspects it (imported when it is used)."""

PRECISIONS = {
    "tflite": ("float32", "float16", "dynamic", "int8", "int8_ptq", "int16x8"),
    # The int8 ones are made from the TFLite file of the same precision.
    "onnx": ("float32", "int8", "int8_ptq"),
}
"""Name of a format -> the precisions that it can hold. `int8` comes from a quantization-aware
network, the others from a float one; `int8_ptq` and `int16x8` need real samples."""

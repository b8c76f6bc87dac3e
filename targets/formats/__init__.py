"""The deliverable formats: what each writes, and how it is shown to be what was asked for."""

FORMATS = {
    "tflite": "targets.formats.tflite",
    "onnx": "targets.formats.onnx_qdq",
}
"""Name of a format -> the module that exports and inspects it (imported when it is used)."""

PRECISIONS = {
    "tflite": ("float32", "float16", "dynamic", "int8", "int8_ptq", "int16x8"),
    "onnx": ("float32", "int8", "int8_ptq"),
}
"""What each format can be. The int8 files of ONNX are made from the TFLite ones."""

MIN_CALIBRATION_SAMPLES = 256
"""Fewer real samples than this say too little about the range of an activation."""

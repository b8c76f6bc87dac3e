"""What TFLite Micro, the interpreter for microcontrollers, can run in integers."""

from pathlib import Path

from targets.errors import ProofError
from targets.formats.tflite.inspect import inspect

INTEGERS = {"INT8", "INT32", "BOOL"}
"""Types of a file without an edge in float. INT32: biases, and the numbers of axes and shapes."""
KERNELS = frozenset(
    {
        "ABS", "ADD", "ADD_N", "ARG_MAX", "ARG_MIN", "AVERAGE_POOL_2D", "BATCH_MATMUL",
        "BATCH_TO_SPACE_ND", "CONCATENATION", "CONV_2D", "CUMSUM", "DEPTHWISE_CONV_2D",
        "DEPTH_TO_SPACE", "DIV", "ELU", "EQUAL", "EXPAND_DIMS", "FULLY_CONNECTED", "GATHER",
        "GREATER", "GREATER_EQUAL", "HARD_SWISH", "L2_NORMALIZATION", "LEAKY_RELU", "LESS",
        "LESS_EQUAL", "LOGISTIC", "LOG_SOFTMAX", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM",
        "MIRROR_PAD", "MUL", "NEG", "NOT_EQUAL", "PACK", "PAD", "PADV2", "PRELU", "QUANTIZE",
        "REDUCE_MAX", "RELU", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR",
        "RSQRT", "SELECT_V2", "SLICE", "SOFTMAX", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT",
        "SPLIT_V", "SQUARED_DIFFERENCE", "SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "TANH",
        "TRANSPOSE", "TRANSPOSE_CONV", "UNPACK",
    }
)  # fmt: skip
"""Builtin operators with a kernel for int8: those of `python_ops_resolver.cc` whose reference
kernel (`tensorflow/lite/micro/kernels`) has a case for kTfLiteInt8 or copies bytes.
github.com/tensorflow/tflite-micro at 90b983c (2026-08-20)."""


def require_micro(path: Path) -> None:
    """Raise `ProofError` for a file that is not of integers from its input to its output, or has an
    operator without an int8 kernel in TFLite Micro."""
    found = inspect(path)
    ends = found.input_dtype, found.output_dtype
    other = [op for op in found.operators if not op.dtypes <= INTEGERS]
    if ends != ("INT8", "INT8") or other:
        floats = ", ".join(f"{op.name} ({op.output})" for op in other) or "no operator"
        raise ProofError(
            f"{path.name}: should be of integers from end to end; input and output are "
            f"{' and '.join(ends)}, of other types: {floats}."
        )
    unknown = sorted({op.name for op in found.operators} - KERNELS)
    if unknown:
        raise ProofError(
            f"{path.name}: TFLite Micro has no int8 kernel for {', '.join(unknown)}. Take another "
            "family of students (ds_cnn, bc_resnet), or leave convert.front_end_apart out."
        )

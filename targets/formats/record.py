"""What is recorded of an exported file."""

from pydantic import BaseModel, ConfigDict

from targets.formats.model_io import Adapter


class ExportedModel(BaseModel):
    """One file that a device can load."""

    model_config = ConfigDict(frozen=True)

    name: str
    role: str
    """`teacher`, `student` or `student_qat`."""
    format: str
    precision: str
    file: str
    """Relative to the folder of the export."""
    sha256: str
    size_bytes: int
    parameters: int | None
    macs: int | None
    """Both null where the file of somebody else does not say."""
    adapter: Adapter | None = None
    """Of a file that somebody else made: what it takes and gives."""


EVERY_PROCESSOR = "every processor"
VNNI_OR_ARM = "x86 with VNNI, ARM"


class Parity(BaseModel):
    """How an exported file compares with what it was made from."""

    model_config = ConfigDict(frozen=True)

    name: str
    format: str
    precision: str
    source: str
    samples: int
    """Of the validation split; of the test split (without its labels) where two files of one
    quantized graph are compared."""
    agreement: float
    """Share of samples with the same top-1 label."""
    max_abs_diff: float
    """Of the logits."""
    int8_ops: int
    float_ops: int
    """Operators that calculate in floating point; the QUANTIZE/DEQUANTIZE at the edge is none."""
    scales_equal: bool | None
    """Whether both formats' files hold the same scales and zero points; null where not compared."""
    holds_on: str | None = None
    """The processors on which two files of one quantized graph give the same, by how the products
    are stored (`onnx_products`); null where not compared."""


class ProcessorProof(BaseModel):
    """Both int8 files of one quantized graph on one processor, against TFLite on this machine."""

    model_config = ConfigDict(frozen=True)

    processor: str
    """The kind, in words."""
    how: str
    """`this machine`, or `emulated` with the processor that qemu imitated."""
    tflite: str
    onnx: str
    samples: int
    agreement: float
    """Share of samples with the same top-1 label, of the worse of the two files."""
    max_abs_diff: float
    """Of the logits, of the worse of the two files."""


class Scales(BaseModel):
    """The quantization of one tensor, which may have a scale per channel."""

    model_config = ConfigDict(frozen=True)

    channels: int
    """Number of scales; 1 where the tensor is quantized as a whole."""
    smallest: float
    largest: float
    zero_point: int
    """As int8: minus 128 where the file says uint8. Per-channel weights have 0 throughout."""


class ScaleRow(BaseModel):
    """A quantized tensor in the TFLite file and in the ONNX file that was made from it."""

    model_config = ConfigDict(frozen=True)

    kind: str
    """`activation`, `weights` or `bias`."""
    tflite: str | None
    """The tensor's name; null for one that only the ONNX file has."""
    tflite_scales: Scales | None
    onnx: str | None
    """The tensor's name; null for one that only the TFLite file has."""
    onnx_scales: Scales | None
    equal: bool
    """Whether every scale and zero point is the same number, bit by bit."""
    note: str | None = None
    """Why a tensor stands without a counterpart of its own."""

"""What is recorded of an exported file."""

from pydantic import BaseModel, ConfigDict


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
    parameters: int
    macs: int


class Parity(BaseModel):
    """How an exported file compares with what it was made from, on the validation split."""

    model_config = ConfigDict(frozen=True)

    name: str
    format: str
    precision: str
    source: str
    samples: int
    agreement: float
    """Share of samples with the same top-1 label."""
    max_abs_diff: float
    """Of the logits."""
    int8_ops: int
    float_ops: int
    """Operators that calculate in floating point; the QUANTIZE/DEQUANTIZE at the edge is none."""
    scales_equal: bool | None
    """Whether both formats' files hold the same scales and zero points; null where not compared."""

"""The records of an exported file."""

from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, JsonValue

from targets.formats.model_io import ModelIO, Quantization


class ExportedModel(BaseModel):
    """One file that a device can load."""

    model_config = ConfigDict(frozen=True)

    name: str
    role: str
    """`teacher`, `student` or `student_qat`."""
    format: str
    precision: str
    file: str
    """Path relative to the folder of the export."""
    sha256: str
    size_bytes: int
    parameters: int | None
    macs: int | None
    """`parameters` and `macs` are null where the user's own file does not show them."""
    input_shape: tuple[int, ...] | None = None
    """Shape of one raw sample; the file of a user may take it in another layout."""
    adapter: ModelIO | None = None
    """Input and output of the user's own file."""


EVERY_PROCESSOR = "every processor"
VNNI_OR_ARM = "x86 with VNNI, ARM"


class Parity(BaseModel):
    """The comparison of an exported file with the network or the file that it was made from."""

    model_config = ConfigDict(frozen=True)

    name: str
    format: str
    precision: str
    source: str
    samples: int
    """Number of samples, of the validation split; of the test split (without its labels) where two
    files of one quantized graph are compared."""
    agreement: float
    """Share of samples with the same top-1 label."""
    max_abs_diff: float
    """Largest absolute difference of the logits."""
    int8_ops: int
    float_ops: int
    """Operators that calculate in floating point, without conversions at the input and output."""
    front_ops: int = 0
    """Operators of a front end, which is in floating point in every file."""
    scales_equal: bool | None
    """Whether both formats' files hold the same scales and zero points; null where not compared."""
    holds_on: str | None = None
    """The processors on which two files of one quantized graph give the same labels, by how the
    products are stored (`Format.saturating_products`); null where not compared."""


class ProcessorProof(BaseModel):
    """Two files of one quantized graph on one processor, against the first on this machine."""

    model_config = ConfigDict(frozen=True)

    processor: str
    """The kind, in words."""
    how: str
    """`this machine`, or `emulated` with the processor that qemu imitated."""
    source: str
    """The file that `file` was made from."""
    file: str
    samples: int
    agreement: float
    """Share of samples with the same top-1 label, of the worse of the two files."""
    max_abs_diff: float
    """Largest absolute difference of the logits, of the worse of the two files."""

    def by_format(self) -> dict[str, JsonValue]:
        """The row of `report.json`: both files under the names of their formats."""
        names = {key: PurePath(getattr(self, key)).suffix[1:] for key in ("source", "file")}
        return {names.get(key, key): value for key, value in self.model_dump().items()}


class Scales(BaseModel):
    """The quantization of one tensor, which may have a scale per channel."""

    model_config = ConfigDict(frozen=True)

    channels: int
    """Number of scales; 1 where the tensor is quantized as a whole."""
    smallest: float
    largest: float
    zero_point: int
    """Zero point as int8: less 128 where the file holds uint8. Per-channel weights have only 0."""


class ScaleRow(BaseModel):
    """A quantized tensor in a file and in the source file that it was made from."""

    model_config = ConfigDict(frozen=True)

    kind: str
    """`activation`, `weights` or `bias`."""
    source: str | None
    """The tensor's name in the source file; null for one that only the other file has."""
    source_scales: Scales | None
    file: str | None
    """The tensor's name in the file; null for one that only the source file has."""
    file_scales: Scales | None
    equal: bool
    """Whether every scale and zero point is the same number, bit by bit."""
    note: str | None = None
    """Why a tensor has no counterpart of its own."""

    def by_format(self, *, source: str, file: str) -> dict[str, JsonValue]:
        """The row of `convert.json`: the tensors under the names of both formats."""
        names = {
            "source": source, "source_scales": f"{source}_scales",
            "file": file, "file_scales": f"{file}_scales",
        }  # fmt: skip
        return {names.get(key, key): value for key, value in self.model_dump().items()}


class TensorNoise(BaseModel):
    """What int8 does to the result of one operator, as signal-to-noise ratios in dB.

    The signal is the same network, with the same trained weights, without any quantization.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    """The file's name without its suffix, such as `student.int8`."""
    tensor: str
    """The result's name in the file that the other format's file is made from."""
    layer: str
    """The layer that calculates it, such as the convolution: a name for `convert.keep_float`."""
    snr_db: float | None
    """Of the whole int8 network: the noise of all operators up to this one. Null where the float
    network has no such tensor."""
    pair_snr_db: float | None = None
    """In the file of the other format; null without one, or where it has no such tensor."""
    own_snr_db: float | None = None
    """Of rounding this result alone: the float values on this tensor's grid."""
    weights_snr_db: float | None = None
    """Of the operator's weights; null for one without weights."""


class NetworkEnds(BaseModel):
    """The integers at both ends of an int8 network whose front end stands apart."""

    model_config = ConfigDict(frozen=True)

    dtype: str
    """Of the input: `int8` or `uint8`."""
    input: Quantization
    """(scale, zero point) of the features."""
    output: Quantization
    """(scale, zero point) of the logits. The scale is one step of them in either format."""
    output_dtype: str
    """`float32` where the file itself makes real logits of its integers."""

    def quantized(self, features: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """The input of the network, for real features of any shape:
        `clip(round(feature / scale) + zero point)`."""
        scale, zero_point = self.input
        limits = np.iinfo(np.dtype(self.dtype))
        steps = np.rint(features / np.float32(scale)) + zero_point
        integers: npt.NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(self.dtype)
        return integers


class TakenApart(BaseModel):
    """An int8 file as two files, its front end and the network behind it, and their proof."""

    model_config = ConfigDict(frozen=True)

    whole: str
    """Name of the file that both are parts of."""
    front_end: ExportedModel
    """Raw waveform as float32 to float32 features; the same file for every network of a format."""
    network: ExportedModel
    """Integer features to logits; its `adapter` makes real logits of integers."""
    ends: NetworkEnds
    samples: int
    """Validation samples that both ways were compared on."""
    agreement: float
    """Share of them with the same top-1 label."""
    max_steps: int
    """Largest difference of a logit, in steps of its quantization: 1 at most."""

"""The precisions that a model file can have: the one table of what distinguishes them.

A precision is one record here, and its exporter in each format that lists its name.
"""

from dataclasses import dataclass
from typing import Literal

LARGE = 1024
"""Elements from which on a weight tensor of a file without calibration has the file's precision:
TFLite's converter leaves smaller ones in float."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    name: str
    summary: str
    """The types of weights and activations."""
    activations: Literal["float", "int8", "int16"] = "float"
    """What the operators calculate with. `int8` files of images take raw uint8 input."""
    quantization_aware: bool = False
    """Whether the file is exported from a network that was trained with quantization in the loop;
    the others are exported from the float network."""
    calibrated: bool = False
    """Whether the export reads the ranges of activations from samples."""
    chosen: bool = True
    """Whether it is asked for by its name; `mixed` files come with `convert.keep_float`."""
    exact: bool = False
    """Whether the file must give the outputs of its network; the others must give its labels."""
    remedy: str = ""
    """What to try where the labels of a file differ from those of its network."""

    @property
    def int8(self) -> bool:
        """Whether all operators behind a front end calculate in int8, or all but a few."""
        return self.activations == "int8"

    @property
    def integer(self) -> bool:
        """Whether activations are integers."""
        return self.activations != "float"

    @property
    def needs_samples(self) -> bool:
        """Whether ranges of activations are read from samples, in training or in the export."""
        return self.quantization_aware or self.calibrated


PRECISIONS = {
    precision.name: precision
    for precision in (
        Precision(name="float32", summary="float32 weights and activations", exact=True),
        Precision(
            name="float16",
            summary="float16 weights, float32 activations",
            remedy="Ask for float32.",
        ),
        Precision(
            name="dynamic",
            summary="8-bit weights, float32 activations",
            remedy="Ask for float32, or for float16 where the format can hold it.",
        ),
        Precision(
            name="int8",
            summary="int8 weights and activations, from quantization-aware training",
            activations="int8",
            quantization_aware=True,
            remedy="Train it longer (quantize.epochs), or ask for int8_ptq.",
        ),
        Precision(
            name="mixed",
            summary="as int8, but for the layers of convert.keep_float, which are float32",
            activations="int8",
            quantization_aware=True,
            chosen=False,
            remedy="Keep other layers in float (convert.keep_float), or train it longer.",
        ),
        Precision(
            name="int8_ptq",
            summary="int8 weights and activations, calibrated after training",
            activations="int8",
            calibrated=True,
            remedy="Ask for int16x8, where the format can hold it: its activations have 16 bits.",
        ),
        Precision(
            name="int16x8",
            summary="int8 weights, int16 activations, calibrated after training",
            activations="int16",
            calibrated=True,
            remedy="Ask for float16 or dynamic: their activations are float.",
        ),
    )
}
"""Every precision by its name."""

"""What lies between a raw sample and a model file that somebody else made, and back to logits.

Our own exports take raw pixels and give logits in the order of the data set's classes: they need
none of this. The arithmetic on the input is `targets.bench.agent.preparation.prepare`, which also
runs on the device, so that what teaches and what is measured are given the same bytes.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

PROBABILITY_FLOOR = 1e-30
"""Softmax in float32 gives exact zeros, whose logarithm would be no number to learn from."""

BELOW_1 = 1 - 2.0**-24
"""The largest float32 below 1: a sigmoid that rounds to 1 leaves something to the other class."""

Quantization = tuple[float, int]
"""(scale, zero point): real = (stored - zero point) * scale."""


class Adapter(BaseModel):
    """The file is given `raw * scale + offset`, laid out and typed as it wants it."""

    model_config = ConfigDict(frozen=True)

    scale: float | tuple[float, ...] = 1.0
    """One number, or one per channel; so is `offset`."""
    offset: float | tuple[float, ...] = 0.0
    channels_first: bool = False
    shape: tuple[int, ...]
    """One sample as the file takes it, without the batch dimension."""
    input_quantization: Quantization | None = None
    """Of an integer input that is given `raw * scale + offset` quantized; null: raw as it is."""
    output_index: int = 0
    """Which of the file's outputs holds [batch, classes]."""
    output_quantization: Quantization | None = None
    output: Literal["logits", "probabilities"] = "logits"
    order: tuple[int, ...] | None = None
    """For each class of the data set its position in the output; null: the same order."""

    def logits(self, outputs: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """What the file gave, [n, classes], as float32 logits in the data set's class order.

        One column is the score of the second of two classes: a probability p becomes
        [log(1 - p), log(p)], a logit z becomes [0, z], whose softmax is the same.
        """
        values, floor = outputs.astype(np.float32), PROBABILITY_FLOOR
        if self.output_quantization is not None:
            step, zero = self.output_quantization
            # A stored zero means: less than half a step.
            values, floor = (values - np.float32(zero)) * np.float32(step), step / 2
        if values.shape[1] == 1:
            values = np.concatenate([self._first_of_two(values), values], axis=1)
        if self.output == "probabilities":
            values = np.log(np.maximum(values, np.float32(floor)))
        ordered = values if self.order is None else values[:, list(self.order)]
        return np.ascontiguousarray(ordered, dtype=np.float32)

    def _first_of_two(self, second: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self.output == "logits":
            return np.zeros_like(second)
        return np.subtract(1, np.minimum(second, BELOW_1), dtype=np.float32)

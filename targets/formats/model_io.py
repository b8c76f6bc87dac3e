"""Input and output of the user's own model file: from raw samples, and to logits.

Exported files take raw pixels and give logits in the order of the data set's classes, and need no
conversion. The arithmetic on the input is `prepare` of the agent, which also runs on the device: a
teacher and a measured model get the same bytes.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

PROBABILITY_FLOOR = 1e-30
"""Softmax in float32 gives exact zeros, which have no finite logarithm."""

BELOW_1 = 1 - 2.0**-24
"""The largest float32 below 1: the other class of a sigmoid that rounds to 1 has a logarithm."""

Quantization = tuple[float, int]
"""(scale, zero point): real = (stored - zero point) * scale."""


class ModelIO(BaseModel):
    """The file gets `raw * scale + offset` in its own layout and type."""

    model_config = ConfigDict(frozen=True)

    scale: float | tuple[float, ...] = 1.0
    """One number, or one per channel, like `offset`."""
    offset: float | tuple[float, ...] = 0.0
    channels_first: bool = False
    shape: tuple[int, ...]
    """Shape of one sample in the file's layout, without the batch dimension."""
    input_quantization: Quantization | None = None
    """Quantization of an integer input of `raw * scale + offset`; null if it takes raw values."""
    output_index: int = 0
    """Which of the file's outputs holds [batch, classes]."""
    output_quantization: Quantization | None = None
    output: Literal["logits", "probabilities"] = "logits"
    order: tuple[int, ...] | None = None
    """Position in the output of each class of the data set; null: the same order."""

    def logits(self, outputs: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Outputs of the file, [n, classes], as float32 logits in the data set's class order.

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

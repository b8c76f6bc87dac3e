"""Arrays of numbers as the raw input of a model."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from targets.arrays.reading import UnreadableValuesError, Values, read, values_of
from targets.formats.input_spec import InputSpec, Kind
from targets.prediction.preparation.contract import Item


@dataclass(frozen=True)
class OfArrays:
    how: InputSpec
    """Its front end is part of the file."""
    kind: Kind = "array"

    @property
    def blank(self) -> Values:
        """[*shape]"""
        return np.zeros(self.how.shape, np.float32)

    def __call__(self, item: Item) -> Values:
        if isinstance(item, str | os.PathLike | bytes):
            item = read(item if isinstance(item, bytes) else Path(item))
        if not isinstance(item, np.ndarray):
            raise UnreadableValuesError("neither an .npy file, nor its contents, nor an array")
        return values_of(item, self.how.shape)

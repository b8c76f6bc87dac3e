"""Sounds as the raw input of a model."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from targets.formats.input_spec import Kind
from targets.prediction.preparation.contract import Item
from targets.sounds import reading
from targets.sounds.unreadable import UnreadableSoundError
from targets.sounds.windowing import Waveform, Windowing


@dataclass(frozen=True)
class OfSounds:
    how: Windowing
    kind: Kind = "waveform"

    @property
    def blank(self) -> Waveform:
        """[samples]"""
        return np.zeros(self.how.samples, np.int16)

    def __call__(self, item: Item) -> Waveform:
        if isinstance(item, np.ndarray):
            return self.how.window(reading.values_of(item), self.how.rate)
        if not isinstance(item, str | os.PathLike | bytes):
            raise UnreadableSoundError("neither a file, nor its contents, nor an array of samples")
        return self.how(reading.read(item if isinstance(item, bytes) else Path(item)))

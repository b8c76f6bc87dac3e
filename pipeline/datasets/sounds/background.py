"""Background recordings: a stretch of time for each split, and windows of it as clips.

A recording is one sound of a room, a minute long. So it is cut in time: what trains, what steers
the training and what is measured are stretches that do not overlap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.on_access import MappedSamples, Raw
from pipeline.datasets.splits import Split
from targets.ahead import ahead
from targets.devices.cpus import available_cpus
from targets.errors import InputError
from targets.sounds.reading import header, read
from targets.sounds.unreadable import UnreadableSoundError
from targets.sounds.windowing import Waveform, as_int16, resampled

MOST_S = 3600.0
"""Length of all recordings together: an hour at 16 kHz takes 115 MB of memory."""

Stretches = Sequence[tuple[int, int]]
"""First sample and the one behind the last, of each recording."""


@dataclass(frozen=True, kw_only=True)
class Background:
    values: Waveform
    """[samples of all recordings], one after the other."""
    lengths: tuple[int, ...]
    """Samples of each."""
    errors: Mapping[str, str]
    """Path of each file that cannot be used -> why."""

    def stretches(self, cfg: SourceConfig) -> Mapping[Split, Stretches]:
        """Of each recording, first what trains, then what steers, then what is measured."""
        ends = np.cumsum(self.lengths, dtype=np.int64)
        starts, lengths = ends - self.lengths, np.array(self.lengths)
        shares = (0.0, 1 - cfg.validation - cfg.test, 1 - cfg.test, 1.0)
        cuts = [starts + np.floor(lengths * share).astype(np.int64) for share in shares]
        return {
            split: list(zip(first.tolist(), last.tolist(), strict=True))
            for split, (first, last) in zip(Split, pairwise(cuts), strict=True)
        }

    def noise(self, cfg: SourceConfig) -> Mapping[Split, Waveform]:
        """The parts of all recordings for each split, one after the other, [samples]."""
        return {
            split: np.concatenate(
                [*(self.values[first:last] for first, last in parts), np.empty(0, np.int16)]
            )
            for split, parts in self.stretches(cfg).items()
        }

    def windows(self, stretches: Stretches, samples: int, count: int) -> Raw | None:
        """`count` clips [count, samples], evenly spread over the stretches and read on access; None
        where no stretch is as long as a clip."""
        room = np.array([max(0, last - first - samples + 1) for first, last in stretches])
        if not room.sum():
            return None
        places = np.floor((np.arange(count) + 0.5) * (room.sum() / count)).astype(np.int64)
        which = np.searchsorted(np.cumsum(room), places, side="right")
        inside = places - (np.cumsum(room) - room)[which]
        starts = np.array([first for first, _ in stretches])[which] + inside
        windows = cast(Raw, Windows(self.values, samples))
        return MappedSamples(windows, starts).pick(np.arange(count))


class Windows:
    """Every stretch of `samples` samples, by where it starts; for `MappedSamples`.

    Not numpy's view of them: a copy to another process would hold each sample many times.
    """

    def __init__(self, values: Waveform, samples: int) -> None:
        self.values, self.samples = values, samples
        self.shape = (len(values) - samples + 1, samples)
        self.dtype, self.ndim = values.dtype, 2

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, starts: npt.NDArray[np.int64]) -> Raw:
        return np.lib.stride_tricks.sliding_window_view(self.values, self.samples)[starts]


def heard(root: Path, paths: Sequence[str], rate: int) -> Background:
    """The recordings at `rate`. Raises `InputError` for more than `MOST_S` seconds."""
    errors: dict[str, str] = {}
    usable = [path for path in paths if _length_s(root / path, path, errors)]
    _require_few(root, sum(header(root / path).seconds for path in usable))

    def one(path: str) -> Waveform:
        sound = read(root / path)
        return as_int16(resampled(sound.values, sound.rate, rate))

    made: list[npt.NDArray[np.int16]] = []
    for recording, path in ahead(one, usable, threads=len(available_cpus())):
        try:
            made.append(recording.result())
        except UnreadableSoundError as error:
            errors[path] = str(error)
    return Background(
        values=np.concatenate([*made, np.empty(0, np.int16)]),
        lengths=tuple(map(len, made)),
        errors=errors,
    )


def _length_s(file: Path, path: str, errors: dict[str, str]) -> float:
    try:
        return header(file).seconds
    except UnreadableSoundError as error:
        errors[path] = str(error)
        return 0.0


def _require_few(root: Path, seconds: float) -> None:
    if seconds > MOST_S:
        raise InputError(
            f"data set sounds: the background recordings in {root} are {seconds / 3600:.1f} hours "
            f"long together, and {MOST_S / 3600:g} is the most, as they are held in memory. Keep "
            "the most typical ones."
        )

"""The table of a view: a number for each text decides how it is changed, in whatever batch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.training.augmentation.contract import Each
from pipeline.training.augmentation.draws import VIEW_STREAM, generator
from pipeline.training.augmentation.texts.settings import TextViews
from targets.texts.tokens import PAD, UNK

Tokens = npt.NDArray[np.int32]
Chosen = npt.NDArray[np.bool_]
"""[batch, length]: tokens that are changed."""
Shares = npt.NDArray[np.float64]
"""[batch, length], from 0 to 1."""
Numbers = npt.NDArray[np.uint64]

DROP, DELETE, SPAN = 1, 2, 3
"""Each change has random numbers of its own, so that one stays as it is without the others."""


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """How every text of a split is changed in one view."""

    cfg: TextViews
    rows: Numbers
    """[texts]"""

    def render(self, samples: Samples, index: npt.NDArray[np.int64], *, each: Each = map) -> Raw:
        """The view of the texts at `index`, int32 [batch, length]."""
        tokens: Tokens = np.asarray(samples.raw[index])
        rows = self.rows[index]
        unknown = uniform(rows, DROP, tokens.shape[1]) < self.cfg.drop
        if self.cfg.mask_span:
            unknown |= _spans(tokens, rows, self.cfg.mask_span)
        tokens = np.where(_spared(unknown, tokens), np.int32(UNK), tokens)
        left_out = uniform(rows, DELETE, tokens.shape[1]) < self.cfg.delete
        return without(tokens, _spared(left_out, tokens))


def training_view(cfg: TextViews, data: Dataset, *, seed: int, view: int) -> TextTable:
    """The table of view number `view` for the training texts of `data`."""
    texts = len(data[Split.TRAIN])
    rows = generator(seed, VIEW_STREAM, view).integers(0, 2**64, texts, np.uint64)
    return TextTable(cfg=cfg, rows=rows)


def uniform(rows: Numbers, change: int, length: int) -> Shares:
    """Random shares that depend on a row's number, the change and the place alone.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"
    (SplitMix64); the 53 highest bits make a float.
    """
    places = np.arange(1, length + 1, dtype=np.uint64) + np.uint64(change << 32)
    mixed = rows[:, np.newaxis] + places * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    shares: Shares = (mixed >> np.uint64(11)) * 2.0**-53
    return shares


def words_of(tokens: Tokens) -> Chosen:
    """What a view may change: all but [CLS] and padding."""
    words: Chosen = tokens != PAD
    words[:, 0] = False
    return words


def _spared(chosen: Chosen, tokens: Tokens) -> Chosen:
    """The words of `chosen`; none of a text in which no known word would be left."""
    words = words_of(tokens)
    left = (words & (tokens != UNK) & ~chosen).any(axis=1, keepdims=True)
    spared: Chosen = chosen & words & left
    return spared


def _spans(tokens: Tokens, rows: Numbers, most: int) -> Chosen:
    """A span of 0 to `most` words in each text, at a random place in it."""
    counts = words_of(tokens).sum(axis=1)
    size, start = uniform(rows, SPAN, 2).T
    sizes = np.minimum((size * (most + 1)).astype(np.int64), counts)
    starts = 1 + (start * (counts - sizes + 1)).astype(np.int64)
    places = np.arange(tokens.shape[1])
    inside: Chosen = (places >= starts[:, np.newaxis]) & (places < (starts + sizes)[:, np.newaxis])
    return inside


def without(tokens: Tokens, left_out: Chosen) -> Tokens:
    """The tokens behind one that is left out move up, and padding follows."""
    kept = ~left_out
    order = np.argsort(left_out, axis=1, kind="stable")
    moved = np.take_along_axis(tokens, order, axis=1)
    return np.where(np.take_along_axis(kept, order, axis=1), moved, np.int32(PAD))

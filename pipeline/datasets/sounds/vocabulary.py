"""Which words are classes of their own, and which are `_unknown_`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets.files.inventory import Entry
from pipeline.datasets.sounds.settings import Settings
from targets.errors import InputError, did_you_mean, listed

UNKNOWN, SILENCE = "_unknown_", "_silence_"
"""As in Speech Commands."""

Rows = npt.NDArray[np.int64]


def merged(root: Path, entries: Sequence[Entry], settings: Settings) -> tuple[Entry, ...]:
    """The entries with `UNKNOWN` in place of the labels that are no classes of their own."""
    labels = {entry.label for entry in entries if entry.label is not None}
    key = "words" if settings.words else "unknown"
    for name in getattr(settings, key):
        if name not in labels:
            raise InputError(
                f"dataset.{key}: {name} is no class of {root}{did_you_mean(name, labels)} It has: "
                f"{listed(sorted(labels))}."
            )
    kept = {*settings.words, SILENCE} if settings.words else labels - {*settings.unknown}
    return tuple(
        entry if entry.label is None or entry.label in kept else replace(entry, label=UNKNOWN)
        for entry in entries
    )


def average(counts: Iterable[tuple[str, int]]) -> float:
    """Clips of the average class of a split; `counts` are of (class, clips)."""
    words = [count for name, count in counts if name not in (UNKNOWN, SILENCE) and count]
    return sum(words) / len(words) if words else 0.0


def limited(rows: Rows, most: int, *, seed: int) -> Rows:
    """At most `most` of the rows, drawn by `seed`, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).permutation(rows)[:most])

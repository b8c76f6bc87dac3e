"""What a user should know of their arrays before anything trains on them, in sentences."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from pipeline.datasets.arrays.source import Source
from pipeline.datasets.splits import Split
from targets.errors import listed

UNEVEN = 1.5
"""Training samples of the largest class over those of the smallest from which top-1 says little."""
MOST = 10


def notes_on(source: Source) -> Iterator[str]:
    """First what there is, then what may be a mistake."""
    yield _counts(source)
    yield _classes(source)
    yield f"Each is {shape_of(source)}, scaled by the training samples in the graph of each file."
    yield from oddities(source)


def oddities(source: Source) -> Iterator[str]:
    """What may be a mistake."""
    yield from _turned(source)
    yield from _still(source)
    yield from _copies(source)


def shape_of(source: Source) -> str:
    """What a sample is, in words."""
    shape, channels = source.archive.values.shape[1:], source.channels
    noun = "channel" if channels == 1 else "channels"
    if len(shape) == 3:
        return f"a map {shape[0]} high and {shape[1]} wide of {channels:,} {noun}"
    if len(shape) == 1 and channels > 1:
        return f"{channels:,} features"
    return f"a series of {shape[0]:,} steps of {channels:,} {noun}"


def _counts(source: Source) -> str:
    parts = ", ".join(f"{len(source.splits[split]):,} {split}" for split in Split)
    groups = {*source.archive.groups} - {None}
    of = f" of {len(groups):,} groups" if groups else ""
    return f"{len(source.archive.values):,} samples{of} ({parts})."


def _classes(source: Source) -> str:
    counts = source.counts(Split.TRAIN)
    classes = source.archive.labels.classes
    shown = listed([f"{name} {counts[name]:,}" for name in classes], most=MOST)
    most, least = max(counts.values()), min(counts.values())
    uneven = (
        f" The largest has {most / least:.1f} times as many as the smallest: see balanced accuracy "
        "beside top-1, and distill.balance."
    )
    many = uneven if most > UNEVEN * least else ""
    return f"{len(classes)} classes, training samples: {shown}.{many}"


def _turned(source: Source) -> Iterator[str]:
    """Series whose channels may come first, as PyTorch has them."""
    shape = source.archive.values.shape
    if len(shape) == 3 and shape[2] > shape[1]:
        yield (
            f"There are more channels ({shape[2]:,}) than steps ({shape[1]:,}). If the channels "
            "come first in the file, turn it: `values = values.transpose(0, 2, 1)`."
        )


def _still(source: Source) -> Iterator[str]:
    """Channels without a change: the scaling gives them a deviation of 1."""
    values = source.archive.values.reshape(-1, source.channels)
    still = np.flatnonzero(values.min(axis=0) == values.max(axis=0))
    if len(still):
        shown = listed([*map(str, still.tolist())], most=MOST)
        yield f"Channels that are the same in all samples, and say nothing: {shown}."


def _copies(source: Source) -> Iterator[str]:
    labels = defaultdict(set)
    for first, label in zip(source.copies, source.archive.labels.names, strict=True):
        labels[first].add(label)
    again = len(source.copies) - len(labels)
    if again:
        yield f"Samples with the values of an earlier one: {again:,}."
    wrong = [source.archive.places[first] for first, names in labels.items() if len(names) > 1]
    if wrong:
        yield (
            f"The same values under two labels, of which one is wrong: {listed(wrong, most=MOST)}."
        )

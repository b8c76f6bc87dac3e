"""The audit of a data set, from the records of its files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np

from pipeline.datasets.audit.copies import Copy, copies
from pipeline.datasets.audit.pictures import PictureRecord
from pipeline.datasets.audit.schema import (
    MEASURED,
    SPLITS,
    Audit,
    ClassCounts,
    Files,
    Leaks,
    Pair,
    Pairs,
    Picture,
    Sizes,
    Spread,
    Unreadable,
)
from pipeline.datasets.class_names import spelling
from targets.images.reading import DEEP, GREY
from targets.images.recognition import EXTENSIONS

SHOWN = 50
"""Pairs, and files, that a list holds."""


def audit(
    records: Sequence[PictureRecord], classes: Iterable[str], *, size: int | None = None
) -> Audit:
    """What is in the data set of these files.

    `size`: side in pixels of the images that are made of them.
    """
    good = [record for record in records if record.error is None]
    bad = [record for record in records if record.error is not None]
    counts = _classes(good, classes)
    pairs = copies(good)
    return Audit(
        pictures=len(good),
        splits={split: sum(r.split == split for r in good) for split in SPLITS},
        classes=counts,
        imbalance=_imbalance(counts),
        sizes=_sizes(good, size) if good else None,
        files=_files(good),
        duplicates=_pairs(pairs, good),
        conflicts=_pairs(_conflicts(pairs, good), good),
        leaks=_leaks(pairs, good),
        label_variants=_variants(one.name for one in counts),
        missing=_missing(counts),
        unreadable=len(bad),
        unreadable_shown=tuple(Unreadable(path=r.path, reason=r.error or "") for r in bad[:SHOWN]),
    )


def _classes(records: Sequence[PictureRecord], classes: Iterable[str]) -> tuple[ClassCounts, ...]:
    counts = Counter((record.label, record.split) for record in records)
    samples: dict[str | None, str] = {}
    for record in sorted(records, key=lambda record: record.split != "train"):
        samples.setdefault(record.label, record.path)
    return tuple(
        ClassCounts(
            name=name,
            train=counts[name, "train"],
            val=counts[name, "val"],
            test=counts[name, "test"],
            sample=samples.get(name),
        )
        for name in classes
    )


def _imbalance(classes: Sequence[ClassCounts]) -> float | None:
    trained = [one.train for one in classes if one.train]
    return max(trained) / min(trained) if trained else None


def _sizes(records: Sequence[PictureRecord], used: int | None) -> Sizes:
    sides = np.array([(record.width or 0, record.height or 0) for record in records])
    width, height = (
        Spread(min=int(side.min()), median=int(np.median(side)), max=int(side.max()))
        for side in sides.T
    )
    upscaled = 0 if used is None else int((sides.min(axis=1) < used).sum())
    return Sizes(width=width, height=height, used=used, upscaled=upscaled)


def _files(records: Sequence[PictureRecord]) -> Files:
    wrong = [record for record in records if _wrong_extension(record)]
    return Files(
        formats=dict(Counter(record.format or "" for record in records).most_common()),
        wrong_extension=len(wrong),
        wrong_extension_shown=tuple((r.path, r.format or "") for r in wrong[:SHOWN]),
        alpha=sum(record.alpha for record in records),
        deep=sum(record.mode in DEEP for record in records),
        grey=sum(record.mode in GREY for record in records),
    )


def _wrong_extension(record: PictureRecord) -> bool:
    """Whether the name has another format than the contents; a name may have none."""
    if record.format is None:
        return False
    extension = PurePosixPath(record.path).suffix.lower().removeprefix(".")
    return extension != "" and extension not in EXTENSIONS.get(record.format, (extension,))


def _conflicts(pairs: Iterable[Copy], records: Sequence[PictureRecord]) -> list[Copy]:
    def labels(pair: Copy) -> set[str | None]:
        return {records[pair.first].label, records[pair.second].label} - {None}

    return [pair for pair in pairs if len(labels(pair)) == 2]


def _leaks(pairs: Iterable[Copy], records: Sequence[PictureRecord]) -> Leaks:
    def splits(pair: Copy) -> set[str]:
        return {records[pair.first].split, records[pair.second].split}

    across = [p for p in pairs if len(splits(p)) == 2 and splits(p) & {*MEASURED}]
    near = {place for pair in across if pair.kind == "near" for place in (pair.first, pair.second)}
    sizes = Counter(record.split for record in records)
    copied = Counter(records[place].split for place in near)
    share = {split: copied[split] / sizes[split] for split in MEASURED if copied[split]}
    counted = _pairs(across, records)
    return Leaks(exact=counted.exact, near=counted.near, shown=counted.shown, near_share=share)


def _pairs(pairs: Sequence[Copy], records: Sequence[PictureRecord]) -> Pairs:
    def picture(place: int) -> Picture:
        record = records[place]
        return Picture(path=record.path, label=record.label, split=record.split)

    exact_first = sorted(pairs, key=lambda pair: pair.kind != "exact")
    return Pairs(
        exact=sum(pair.kind == "exact" for pair in pairs),
        near=sum(pair.kind == "near" for pair in pairs),
        shown=tuple(
            Pair(kind=pair.kind, first=picture(pair.first), second=picture(pair.second))
            for pair in exact_first[:SHOWN]
        ),
    )


def _variants(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(spelling(name), []).append(name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _missing(classes: Sequence[ClassCounts]) -> dict[str, tuple[str, ...]]:
    missing = {
        split: tuple(one.name for one in classes if not one.of(split))
        for split in ("train", *MEASURED)
        if any(one.of(split) for one in classes)
    }
    return {split: names for split, names in missing.items() if names}

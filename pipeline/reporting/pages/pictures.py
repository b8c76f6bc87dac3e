"""Which pictures a page shows, in the order of their weight: the last ones may find no room."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from pipeline.datasets.audit.schema import Audit, Pair
from pipeline.datasets.on_access import Images
from pipeline.reporting.pages.album import Album
from pipeline.reporting.schema.report import Report
from pipeline.reporting.schema.sample import Sample

Read = Callable[[str], Images]
"""From the path of a record to the pixels of its file, RGB."""

PAIRS = 8
"""Pairs of copies of a kind."""
FEW = 20
"""Classes that each have a picture, a row and a column."""


def key(sample: Sample) -> str:
    """The path of its file, or its place."""
    return sample.path or f"{sample.split}:{sample.index}"


def pairs(audit: Audit) -> dict[str, tuple[Pair, ...]]:
    """The pairs that are shown, by heading; each pair once."""
    kinds = {
        "In two splits": audit.leaks,
        "Under two labels": audit.conflicts,
        "Other copies": audit.duplicates,
    }
    found: dict[str, tuple[Pair, ...]] = {}
    for heading, several in kinds.items():
        named = {pair for before in found.values() for pair in before}
        new = [pair for pair in several.shown if pair not in named]
        found |= {heading: tuple(new[:PAIRS])} if new else {}
    return found


def samples(audit: Audit | None) -> dict[str, str]:
    """Class -> path of its first picture, for a few classes."""
    if audit is None or len(audit.classes) > FEW:
        return {}
    return {one.name: one.sample for one in audit.classes if one.sample is not None}


def album(report: Report, *, read: Read, images: Mapping[str, Images]) -> dict[str, str]:
    """Data URIs of the pictures. `read`: from the path of a record to its pixels; `images`: the
    samples of each split, for data that are no files."""
    made, audit = Album(), report.dataset.audit
    shown = {} if audit is None else pairs(audit)
    for path in _paths(shown):
        made.add(path, partial(read, path))
    for sample in (*report.flips, *report.label_suspects):
        if sample.path is not None:
            made.add(sample.path, partial(read, sample.path))
        elif sample.split in images:
            made.add(key(sample), partial(_image, images[sample.split], sample.index))
    for path in samples(audit).values():
        made.add(path, partial(read, path))
    return made.pictures


def _paths(shown: Mapping[str, Sequence[Pair]]) -> Iterator[str]:
    for several in shown.values():
        for pair in several:
            yield from (pair.first.path, pair.second.path)


def _image(images: Images, index: int) -> Images:
    one: Images = images[index : index + 1][0]
    return one

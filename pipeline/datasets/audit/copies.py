"""Pictures that are in a data set twice: the same file, or a near copy of another one.

A near copy was encoded or scaled again. Its hash differs in few bits, and so does its thumbnail:
hashes alone would also pair pictures of one scene, as the frames of a series. On 60,000 pictures
of 32x32 (CIFAR-10) the two limits find 120 pairs, which are copies by eye; on 3,781 photos of 150
that were re-encoded (JPEG quality 20 to 90) or scaled (0.5 to 2) all are found.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.datasets.audit.pictures import PictureRecord

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]
"""[pairs, 2]: places of two pictures, the first before the second."""

BITS = 4
"""Largest distance of the hashes of near copies, of 64 bits."""
UNLIKE = 0.25
"""Least RMS difference of the thumbnails of two pictures, in standard deviations of the flatter
one, at which they are not copies: copies have 0.01-0.2, frames of a series 0.3 and more."""
FLAT = 8.0
"""Least standard deviation that counts, so that noise does not part two flat pictures."""
WINDOW = 8
"""Pictures of equal hash that each one is compared with: blank pictures can be thousands."""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Two pictures that are one: places in the sequence of records, `first` before `second`."""

    first: int
    second: int
    kind: Literal["exact", "near"]


def copies(records: Sequence[PictureRecord]) -> list[Copy]:
    """The pairs of copies: each exact one with the first of its file, near ones between files."""
    of_content: dict[str, int] = {}
    good = [place for place, record in enumerate(records) if record.error is None]
    exact = [(of_content.setdefault(records[place].sha256, place), place) for place in good]
    hashed = [place for place in of_content.values() if records[place].perceptual_hash is not None]
    near = _near([records[place] for place in hashed])
    pairs = [Copy(first=a, second=b, kind="exact") for a, b in exact if a != b]
    pairs += [Copy(first=hashed[a], second=hashed[b], kind="near") for a, b in near]
    return sorted(pairs, key=lambda pair: (pair.first, pair.second))


def duplicate_groups(records: Sequence[PictureRecord]) -> npt.NDArray[np.int64]:
    """A number per record, [records]: copies, and copies of copies, have the same one.

    A data set that draws its splits by them must name this module and `pictures` in
    `engine.code.INSIDE`: they then decide its splits.
    """
    return groups(len(records), [(one.first, one.second) for one in copies(records)])


def groups(count: int, pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """The number of each of `count` places, equal where pairs connect them."""
    numbers = list(range(count))

    def root(place: int) -> int:
        while numbers[place] != place:
            numbers[place] = numbers[numbers[place]]
            place = numbers[place]
        return place

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        numbers[high] = low
    return np.array([root(place) for place in range(count)], np.int64)


def _near(records: Sequence[PictureRecord]) -> Iterator[tuple[int, int]]:
    """The pairs of places that are near copies."""

    def thumbnail(place: int) -> npt.NDArray[np.float32]:
        return np.frombuffer(bytes(records[place].thumbnail or b""), np.uint8).astype(np.float32)

    hashes = np.array([record.perceptual_hash for record in records], np.uint64)
    for a, b in candidates(hashes).tolist():
        if alike(thumbnail(a), thumbnail(b)):
            yield a, b


def alike(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> bool:
    """Whether two thumbnails are of one picture, by `UNLIKE`."""
    contrast = max(FLAT, min(float(a.std()), float(b.std())))
    return float(np.sqrt(np.square(a - b).mean())) < UNLIKE * contrast


def candidates(hashes: Hashes) -> Pairs:
    """The pairs of pictures whose hashes differ in `BITS` bits at most.

    Of more bands than there are differing bits, one is equal: only such pairs are compared.
    Of many equal hashes, each is paired with the next `WINDOW` ones.
    """
    different, counts = np.unique(hashes, return_counts=True)
    order, ends = np.argsort(hashes, kind="stable"), np.cumsum(counts)

    def members(place: int, most: int | None = None) -> list[int]:
        found: list[int] = order[ends[place] - counts[place] : ends[place]][:most].tolist()
        return found

    found = [pair for place in np.flatnonzero(counts > 1) for pair in _neighbours(members(place))]
    for left, right in _close(different):
        found += product(members(left, WINDOW), members(right, WINDOW))
    pairs: Pairs = np.sort(np.array(found, np.int64).reshape(-1, 2), axis=1)
    in_order: Pairs = pairs[np.lexsort(pairs.T[::-1])]
    return in_order


def _neighbours(same: list[int]) -> Iterator[tuple[int, int]]:
    for step in range(1, min(WINDOW, len(same) - 1) + 1):
        yield from zip(same, same[step:], strict=False)


def _close(different: Hashes) -> Pairs:
    """The pairs of different hashes at most `BITS` bits apart."""
    edges = np.linspace(0, 64, BITS + 2).astype(int)
    bands = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    found = [pairs for low, high in bands for pairs in _equal_band(different, low, high)]
    return np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2), np.int64)


def _equal_band(hashes: Hashes, low: int, high: int) -> Iterator[Pairs]:
    """The close pairs of hashes whose bits `low` to `high` are equal."""
    band = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    order = np.argsort(band, kind="stable")
    sorted_band, step = band[order], 1
    left = np.arange(len(order) - 1)
    while True:
        # A band that equals the one `step` places on equals all between: the set only shrinks.
        left = left[left + step < len(order)]
        left = left[sorted_band[left] == sorted_band[left + step]]
        if not len(left):
            return
        pairs = np.sort(np.stack([order[left], order[left + step]], axis=1), axis=1)
        yield pairs[_distance(hashes[pairs[:, 0]], hashes[pairs[:, 1]]) <= BITS]
        step += 1


ONES = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)


def _distance(a: Hashes, b: Hashes) -> npt.NDArray[np.int64]:
    """Differing bits, [pairs]."""
    bits: npt.NDArray[np.int64] = ONES[(a ^ b).view(np.uint16).reshape(-1, 4)].sum(1, np.int64)
    return bits

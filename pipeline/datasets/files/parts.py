"""The split of every file: the given one, or a seeded one by class, by group where there is one.

Copies of a file come into the same split.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from typing import cast

import numpy as np
import numpy.typing as npt

from pipeline.datasets.audit.copies import groups as connected
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.files.enough import require_least
from pipeline.datasets.files.inventory import Inventory
from pipeline.datasets.on_access import Images
from pipeline.datasets.splits import Labels, Samples, Split, hold_out, three_way
from targets.errors import InputError, listed

Rows = npt.NDArray[np.int64]

FOLDS = 20
"""Parts of which whole ones make a split by group: shares are met to 5 % at best."""


def splits(
    inventory: Inventory, copies: Callable[[], Sequence[int | None]], cfg: SourceConfig
) -> list[Split | None]:
    """The split of each entry; None for those that are in no split.

    `copies` numbers the entries, and is asked if a split has to be made: equal numbers stay
    together, and those without a number, which cannot be read, get none.
    """
    made = [entry.split for entry in inventory.entries]
    given = {entry.split for entry in inventory.entries if entry.label is not None}
    if given >= set(Split):
        return made
    for split, rows in Parter(inventory, copies(), cfg).parts(given).items():
        for row in rows.tolist():
            made[row] = split
    return made


class Parter:
    def __init__(
        self, inventory: Inventory, copies: Sequence[int | None], cfg: SourceConfig
    ) -> None:
        self.root, self.classes, self.cfg = inventory.root, inventory.classes, cfg
        self.kind = inventory.kind
        self.entries, self.copies = inventory.entries, copies
        self.groups = _groups([entry.group for entry in self.entries], copies)
        numbers = {name: number for number, name in enumerate(inventory.classes)}
        self.labels = np.array([numbers.get(entry.label or "", -1) for entry in self.entries])

    def parts(self, given: Set[Split | None]) -> Mapping[Split, Rows]:
        if given == {None}:
            return self._three_way(self._rows(None))
        trained = self._rows(Split.TRAIN)
        made: dict[Split, Rows] = {Split.TRAIN: trained}
        for split, share in ((Split.TEST, self.cfg.test), (Split.VAL, self.cfg.validation)):
            if split not in given:
                made[Split.TRAIN], made[split] = self._held(made[Split.TRAIN], share)
        return made

    def _rows(self, split: Split | None) -> Rows:
        held = [
            copy is not None and e.label is not None and e.split is split
            for e, copy in zip(self.entries, self.copies, strict=True)
        ]
        return np.flatnonzero(held)

    def _three_way(self, rows: Rows) -> Mapping[Split, Rows]:
        validation, test = self.cfg.validation, self.cfg.test
        if self._grouped(rows):
            rest, tested = self._by_group(rows, test)
            trained, validated = self._by_group(rest, validation / (1 - test))
            return {Split.TRAIN: trained, Split.VAL: validated, Split.TEST: tested}
        self._require(rows, 3, of=None)
        made = three_way(
            self._samples(rows),
            validation=validation,
            test=test,
            seed=self.cfg.split_seed,
            name=str(self.root),
            classes=self.classes,
            kind=self.kind.sample,
        )
        return {split: self._with_copies(rows, samples) for split, samples in made.items()}

    def _held(self, rows: Rows, share: float) -> tuple[Rows, Rows]:
        """(rest, held out)"""
        if self._grouped(rows):
            return self._by_group(rows, share)
        self._require(rows, 2, of=Split.TRAIN)
        seed, name = self.cfg.split_seed, str(self.root)
        kind = self.kind.sample
        rest, held = hold_out(self._samples(rows), share, seed=seed, name=name, kind=kind)
        return self._with_copies(rows, rest), self._with_copies(rows, held)

    def _samples(self, rows: Rows) -> Samples:
        """The first row of each group, in place of images: what is split is the index."""
        first = {self.groups[row]: row for row in reversed(rows.tolist())}
        index = np.array(sorted(first.values()), np.int64)
        return Samples(raw=cast(Images, index), labels=cast(Labels, self.labels[index]))

    def _with_copies(self, rows: Rows, part: Samples) -> Rows:
        groups = {self.groups[row] for row in np.asarray(part.raw).tolist()}
        return np.array([row for row in rows.tolist() if self.groups[row] in groups], np.int64)

    def _require(self, rows: Rows, least: int, *, of: Split | None) -> None:
        """Each class with a file in the split `of` has `least` different files in `rows`."""
        labels = self._samples(rows).labels
        counts = np.bincount(labels, minlength=len(self.classes)).tolist()
        held = {entry.label for entry in self.entries if entry.split is of}
        named = zip(self.classes, counts, strict=True)
        require_least(self.root, {name: n for name, n in named if name in held}, least, self.kind)

    def _grouped(self, rows: Rows) -> bool:
        return any(self.entries[row].group is not None for row in rows.tolist())

    def _by_group(self, rows: Rows, share: float) -> tuple[Rows, Rows]:
        """(rest, held out): whole groups, stratified as far as they allow."""
        from sklearn.model_selection import StratifiedGroupKFold

        groups = np.array([self.groups[row] for row in rows.tolist()])
        most = int(np.bincount(self.labels[rows]).max())
        folds = min(FOLDS, len(np.unique(groups)), most)
        held = max(1, round(share * folds))
        if held >= folds:
            count, many = len({e.group for e in self.entries} - {None}), self.kind.groups
            raise InputError(
                f"{self.kind.place}: {count} {many} in {self.root} are too few for three splits. "
                f"Give more {many}, or the splits themselves: {self.kind.splits}."
            )
        cutter = StratifiedGroupKFold(folds, shuffle=True, random_state=self.cfg.split_seed)
        with warnings.catch_warnings():  # of a class that is not in every fold: it need not be
            warnings.filterwarnings("ignore", "The least populated class in y has only")
            parts = [part for _, part in cutter.split(rows, self.labels[rows], groups)]
        chosen = np.sort(np.concatenate(parts[:held]))
        rest = np.delete(rows, chosen)
        self._require_all_classes(rest, rows)
        return rest, rows[chosen]

    def _require_all_classes(self, rest: Rows, rows: Rows) -> None:
        lost = sorted({*self.labels[rows].tolist()} - {*self.labels[rest].tolist()})
        if lost:
            names = [self.classes[label] for label in lost]
            many = self.kind.groups
            raise InputError(
                f"{self.kind.place}: all {self.kind.many} in {self.root} of {listed(names)} are of "
                f"so few {many} that none is left for training. Give more {many} of these classes, "
                f"or the splits themselves: {self.kind.splits}."
            )


def _groups(named: Sequence[str | None], copies: Sequence[int | None]) -> list[int]:
    """Copies and files of one named group together."""
    first: dict[str | int, int] = {}
    pairs = [
        (first.setdefault(key, row), row)
        for row, keys in enumerate(zip(named, copies, strict=True))
        for key in keys
        if key is not None
    ]
    numbers: list[int] = connected(len(named), pairs).tolist()
    return numbers

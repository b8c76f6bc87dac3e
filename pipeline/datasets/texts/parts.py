"""The split of every text: the given one, or a seeded one by class. Copies stay together."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Samples, Split, hold_out, three_way
from pipeline.datasets.texts.classes import numbered, require_enough
from pipeline.datasets.texts.table import Entry

Rows = npt.NDArray[np.int64]
"""Places of entries."""


def splits_of(
    entries: Sequence[Entry],
    copies: Sequence[int],
    classes: tuple[str, ...],
    cfg: SourceConfig,
    *,
    name: str,
) -> dict[Split, Rows]:
    """The places of the entries in each split; `copies` numbers them, equal for equal texts."""
    parter = Parter(entries, np.array(copies), classes, cfg, name)
    given = {entry.split for entry in entries}
    if given == {None}:
        return parter.three_way()
    made = {split: parter.rows(split) for split in Split if split in given}
    for split, share in ((Split.TEST, cfg.test), (Split.VAL, cfg.validation)):
        if split not in given:
            made[Split.TRAIN], made[split] = parter.held_out(made[Split.TRAIN], share)
    return made


class Parter:
    def __init__(
        self,
        entries: Sequence[Entry],
        copies: Rows,
        classes: tuple[str, ...],
        cfg: SourceConfig,
        name: str,
    ) -> None:
        self.entries, self.copies, self.classes = entries, copies, classes
        self.labels = numbered(entries, classes)
        self.cfg, self.name = cfg, name

    def rows(self, split: Split | None) -> Rows:
        return np.flatnonzero([entry.split is split for entry in self.entries])

    def three_way(self) -> dict[Split, Rows]:
        rows, cfg = self.rows(None), self.cfg
        made = three_way(
            self._different(rows, least=3),
            validation=cfg.validation,
            test=cfg.test,
            seed=cfg.split_seed,
            name=self.name,
            classes=self.classes,
            kind="tokens",
        )
        return {split: self._with_copies(rows, samples) for split, samples in made.items()}

    def held_out(self, rows: Rows, share: float) -> tuple[Rows, Rows]:
        """(rest, held out)"""
        samples, seed = self._different(rows, least=2), self.cfg.split_seed
        rest, held = hold_out(samples, share, seed=seed, name=self.name, kind="tokens")
        return self._with_copies(rows, rest), self._with_copies(rows, held)

    def _different(self, rows: Rows, *, least: int) -> Samples:
        """The first entry of each text, in place of tokens: what is split is the index."""
        _, first = np.unique(self.copies[rows], return_index=True)
        index = rows[np.sort(first)]
        require_enough([self.entries[row] for row in index], least, name=self.name)
        return Samples(raw=cast(Raw, index), labels=self.labels[index])

    def _with_copies(self, rows: Rows, part: Samples) -> Rows:
        return rows[np.isin(self.copies[rows], self.copies[np.asarray(part.raw)])]

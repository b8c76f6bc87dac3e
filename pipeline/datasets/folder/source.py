"""The data set: inventory, digests, decoded pictures and splits put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import cast

import numpy as np

from pipeline.datasets.audit.pictures import PictureRecord
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.files.contents import Contents
from pipeline.datasets.files.enough import require_enough, require_readable
from pipeline.datasets.files.index import UNREADABLE
from pipeline.datasets.files.index import digests as digests_of
from pipeline.datasets.files.inventory import Entry, Inventory
from pipeline.datasets.files.parts import splits as splits_of
from pipeline.datasets.folder.cached import Cache
from pipeline.datasets.folder.copies import copy_groups
from pipeline.datasets.folder.darkroom import prepared
from pipeline.datasets.folder.form import Form, canvas_side
from pipeline.datasets.folder.pictures import PICTURES
from pipeline.datasets.folder.probe import looks
from pipeline.datasets.folder.scan import scan
from pipeline.datasets.folder.settings import Settings
from pipeline.datasets.on_access import Images, MappedSamples
from pipeline.datasets.splits import UNLABELLED, Dataset, Samples, Split
from targets.errors import InputError
from targets.images.preprocessing import Preprocessing


@dataclass(frozen=True, kw_only=True)
class Source(Contents):
    """What a config means now; each part is made when it is asked for."""

    cfg: SourceConfig
    settings: Settings

    @cached_property
    def form(self) -> Form:
        size, channels = self.cfg.size, self.settings.channels
        if size is None or channels == "auto":
            usual, own = looks(self._readable_files())
            size, channels = size or usual, own if channels == "auto" else channels
        made = Preprocessing(height=size, width=size, channels=channels, fit=self.settings.fit)
        return Form(preprocessing=made, canvas=self.settings.canvas or canvas_side(size))

    def _readable_files(self) -> Mapping[str, str]:
        return {key: path for key, path in self.files.items() if not key.startswith(UNREADABLE)}

    @cached_property
    def cache(self) -> Cache:
        return prepared(self.files, self.form, verify=self.settings.verify)

    @cached_property
    def splits(self) -> Sequence[Split | None]:
        """Raises `InputError` for files that cannot be read, but with `skip_bad`."""
        self._require_readable()
        return splits_of(self.inventory, self._copies, self.cfg)

    @property
    def quick_splits(self) -> Sequence[Split | None]:
        """As `splits`, but near copies may be apart: nothing is decoded."""
        rows = [
            None if digest.startswith(UNREADABLE) else row
            for digest, row in zip(self.digests, self.rows, strict=True)
        ]
        return splits_of(self.inventory, lambda: rows, self.cfg)

    def _copies(self) -> Sequence[int | None]:
        """A number for each entry that can be read: copies have the same one, near ones too."""
        groups, facts = copy_groups(self.files, self.cache.facts), self.cache.facts
        return [groups[row] if facts[row].error is None else None for row in self.rows]

    def dataset(self) -> Dataset:
        samples = {split: self._samples([at is split for at in self.splits]) for split in Split}
        require_enough(
            self.inventory.root, {split: len(samples[split]) for split in Split}, PICTURES
        )
        unlabelled = self._samples([entry.label is None for entry in self.inventory.entries])
        return Dataset(
            name=self.inventory.name,
            classes=self.inventory.classes,
            splits=samples,
            sha256=self.sha256,
            unlabelled=unlabelled if len(unlabelled) else None,
            preprocessing=self.form.preprocessing,
        )

    def records(self) -> tuple[PictureRecord, ...]:
        made = zip(self.inventory.entries, self.digests, self.rows, self.splits, strict=True)
        return tuple(
            PictureRecord(
                path=entry.path,
                label=entry.label,
                split=_name(entry, split),
                sha256=digest,
                **self.cache.facts[row].values(),
            )
            for entry, digest, row, split in made
        )

    def _samples(self, chosen: Sequence[bool]) -> Samples:
        """The chosen entries that can be read."""
        numbers = {name: number for number, name in enumerate(self.inventory.classes)}
        used = [
            (row, numbers.get(entry.label or "", UNLABELLED))
            for entry, row, take in zip(self.inventory.entries, self.rows, chosen, strict=True)
            if take and self.cache.facts[row].error is None
        ]
        table = np.array(used, np.int64).reshape(-1, 2)
        images = MappedSamples(cast(Images, self.cache.images), table[:, 0])
        pictures = self.cache.canvases.pick(table[:, 0])
        return Samples(raw=cast(Images, images), labels=table[:, 1], pictures=pictures)

    def _require_readable(self) -> None:
        entries, facts = self.inventory.entries, self.cache.facts
        errors = {
            entry.path: facts[row].error for entry, row in zip(entries, self.rows, strict=True)
        }
        broken = {path: error for path, error in errors.items() if error is not None}
        if not self.settings.skip_bad:
            require_readable(self.inventory.root, broken, len(entries), PICTURES)


def fresh(cfg: SourceConfig) -> Source:
    """The source as its files are now."""
    known.cache_clear()
    _contents.cache_clear()
    return known(cfg)


@lru_cache(maxsize=2)  # at the size of the student, and at that of its teacher
def known(cfg: SourceConfig) -> Source:
    """The source as its files were at the last `fresh`: a run lists and hashes them once.

    A file that changed since then is noticed when it is decoded, as its digest is then another.
    """
    inventory, digests = _contents(cfg.path, settings_of(cfg))
    return Source(cfg=cfg, settings=settings_of(cfg), inventory=inventory, digests=digests)


@lru_cache(maxsize=1)
def _contents(root: Path | None, settings: Settings) -> tuple[Inventory, Sequence[str]]:
    inventory = scanned(root, settings)
    paths = [entry.path for entry in inventory.entries]
    return inventory, digests_of(inventory.root, paths, PICTURES, verify=settings.verify)


def scanned(root: Path | None, settings: Settings) -> Inventory:
    if root is None:
        raise InputError("data set folder: needs a folder of pictures: give it with --data FOLDER.")
    return scan(root, settings)


def _name(entry: Entry, split: Split | None) -> str:
    if entry.label is None:
        return "unlabelled"
    return "" if split is None else split.value


def settings_of(cfg: SourceConfig) -> Settings:
    assert isinstance(cfg.settings, Settings)
    return cfg.settings

"""The data set: an archive, its splits and its scaling put together."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from pipeline.datasets.arrays.archive import Archive, archive
from pipeline.datasets.arrays.samples import SAMPLES
from pipeline.datasets.arrays.scaling import scaling_of
from pipeline.datasets.arrays.settings import Settings
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.files.inventory import Entry, Inventory
from pipeline.datasets.files.leaks import require_no_leaks
from pipeline.datasets.files.parts import splits as splits_of
from pipeline.datasets.on_access import MappedSamples, Raw
from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.datasets.zipped_arrays import read
from targets.errors import InputError, listed
from targets.files.digest import file_sha256
from targets.formats.channel_scaling import ChannelScaling
from targets.formats.input_spec import array_input

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Source:
    """The samples of a config; what follows from them is made when it is asked for."""

    cfg: SourceConfig
    path: Path
    sha256: str
    archive: Archive

    @property
    def channels(self) -> int:
        """Those with a mean of their own."""
        shape = self.archive.values.shape[1:]
        is_series = len(shape) == 1 and settings_of(self.cfg).layout == "series"
        return 1 if is_series else shape[-1]

    @cached_property
    def inventory(self) -> Inventory:
        rows = zip(
            self.archive.places,
            self.archive.labels.names,
            self.archive.splits,
            self.archive.groups,
            strict=True,
        )
        return Inventory(
            kind=SAMPLES,
            root=self.path,
            entries=tuple(
                Entry(path=place, label=label, split=split, group=group)
                for place, label, split, group in rows
            ),
            classes=self.archive.labels.classes,
        )

    @cached_property
    def copies(self) -> Sequence[int]:
        """The place of the first sample with the same values; its own where nothing changes in it:
        pauses are alike in all recordings."""
        first: dict[bytes, int] = {}
        return [
            place
            if (sample == sample.flat[0]).all()
            else first.setdefault(hashlib.sha256(sample.tobytes()).digest(), place)
            for place, sample in enumerate(self.archive.values)
        ]

    @cached_property
    def splits(self) -> Mapping[Split, Rows]:
        """Raises `InputError` for the same values in two splits, but with `allow_leaks`."""
        made = splits_of(self.inventory, lambda: self.copies, self.cfg)
        allowed = settings_of(self.cfg).allow_leaks
        require_no_leaks(self.inventory, self.copies, made, allowed=allowed)
        return {split: np.flatnonzero([one is split for one in made]) for split in Split}

    @cached_property
    def scaling(self) -> ChannelScaling:
        rows = self.splits[Split.TRAIN]
        return scaling_of(self.archive.values, rows, channels=self.channels)

    def counts(self, split: Split) -> Counter[str]:
        """Class -> samples of the split."""
        return Counter(self.archive.labels.names[row] for row in self.splits[split].tolist())

    @cached_property
    def dataset(self) -> Dataset:
        numbers = {name: number for number, name in enumerate(self.archive.labels.classes)}
        labels = np.array([numbers[name] for name in self.archive.labels.names], np.int64)
        values = self.archive.values
        return Dataset(
            name=self.path.stem,
            classes=self.archive.labels.classes,
            splits={
                split: Samples(raw=cast(Raw, MappedSamples(values, rows)), labels=labels[rows])
                for split, rows in self.splits.items()
            },
            sha256=self.sha256,
            spec=array_input(*values.shape[1:], scaling=self.scaling),
        )


def fresh(cfg: SourceConfig) -> Source:
    """The source as its file is now. Raises `InputError` for all that is wrong with it."""
    path = cfg.path
    if path is None:
        raise InputError("data set arrays: needs a file: give it with --data FILE.npz.")
    if not path.is_file():
        raise InputError(
            f"data set arrays: {path} is not a file; give an .npz with values and labels."
        )
    return _source(cfg, path, file_sha256(path))


@lru_cache(maxsize=1)
def _source(cfg: SourceConfig, path: Path, sha256: str) -> Source:
    """The same one for the same bytes, with all that followed from them."""
    arrays = read(path.read_bytes(), path, dataset="arrays", holds="values")
    source = Source(cfg=cfg, path=path, sha256=sha256, archive=archive(arrays, path))
    _require_layout(source)
    _require_trained(source)
    return source


def _require_layout(source: Source) -> None:
    shape = list(source.archive.values.shape)
    if settings_of(source.cfg).layout == "features" and len(shape) != 2:
        raise InputError(
            f"dataset.layout: features are [samples, features], and the values of {source.path} "
            f"are {shape}, whose last axis has its own means already. Leave it out."
        )


def _require_trained(source: Source) -> None:
    """No class is only in the splits that are measured."""
    found = source.archive
    given = {*found.splits}
    if given == {None}:
        return
    pairs = zip(found.labels.names, found.splits, strict=True)
    trained = {name for name, split in pairs if split is Split.TRAIN}
    missing = [name for name in found.labels.classes if name not in trained]
    if missing:
        raise InputError(
            f"data set arrays: {source.path} has no training sample of {listed(missing, most=5)}. "
            "Add some, or leave the class out."
        )


def settings_of(cfg: SourceConfig) -> Settings:
    assert isinstance(cfg.settings, Settings)
    return cfg.settings

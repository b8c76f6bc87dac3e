"""The data set: inventory, digests, windows and splits put together."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import cast

import numpy as np

from pipeline.datasets.class_names import natural
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.files.contents import Contents
from pipeline.datasets.files.enough import require_enough, require_readable
from pipeline.datasets.files.index import UNREADABLE, digests
from pipeline.datasets.files.leaks import require_no_leaks
from pipeline.datasets.files.parts import splits as splits_of
from pipeline.datasets.on_access import MappedSamples, Raw
from pipeline.datasets.sounds.background import Background, heard
from pipeline.datasets.sounds.cache import Cache, prepared
from pipeline.datasets.sounds.clips import SOUNDS
from pipeline.datasets.sounds.scan import scan
from pipeline.datasets.sounds.settings import Settings
from pipeline.datasets.sounds.vocabulary import SILENCE, UNKNOWN, average, limited
from pipeline.datasets.splits import UNLABELLED, Dataset, Samples, Split, joined
from targets.errors import InputError
from targets.formats.input_spec import waveform_input


@dataclass(frozen=True, kw_only=True)
class Source(Contents):
    """What a config means now; each part is made when it is asked for."""

    cfg: SourceConfig
    settings: Settings
    recordings: Mapping[str, str]
    """Path of each background recording -> its digest."""

    @property
    def sha256(self) -> str:
        made = hashlib.sha256(super().sha256.encode())
        made.update(json.dumps(sorted(self.recordings.items())).encode())
        return made.hexdigest()

    @cached_property
    def cache(self) -> Cache:
        return prepared(self.files, self.settings.windowing, verify=self.settings.verify)

    @cached_property
    def background(self) -> Background:
        return heard(self.inventory.root, list(self.recordings), self.settings.rate)

    @cached_property
    def splits(self) -> Sequence[Split | None]:
        """Of each entry, without the clips of `_unknown_` that are too many.

        Raises `InputError` for files that cannot be read, but with `skip_bad`, and for a file that
        is in two splits, but with `allow_leaks`.
        """
        self._require_readable()
        facts = self.cache.facts
        made = self._split([facts[row].error is not None for row in self.rows])
        allowed = self.settings.allow_leaks
        require_no_leaks(self.inventory, self.rows, made, allowed=allowed)
        return made

    @property
    def quick_splits(self) -> Sequence[Split | None]:
        """As `splits`, but no file is opened: broken ones still count."""
        return self._split([digest.startswith(UNREADABLE) for digest in self.digests])

    def _split(self, bad: Sequence[bool]) -> list[Split | None]:
        copies = [None if lost else row for row, lost in zip(self.rows, bad, strict=True)]
        made = splits_of(self.inventory, lambda: copies, self.cfg)
        made = [None if lost else split for split, lost in zip(made, bad, strict=True)]
        for split in Split:
            for row in self._too_many(made, split):
                made[row] = None
        return made

    def _too_many(self, splits: Sequence[Split | None], split: Split) -> list[int]:
        """The rows of `_unknown_` in a split that are left out."""
        entries = self.inventory.entries
        held = [row for row, at in enumerate(splits) if at is split]
        counts = Counter(entries[row].label or "" for row in held)
        most = round(self.settings.unknown_share * average(counts.items()))
        rows = np.array([row for row in held if entries[row].label == UNKNOWN], np.int64)
        kept = limited(rows, most, seed=self.cfg.split_seed)
        left_out: list[int] = np.setdiff1d(rows, kept).tolist()
        return left_out

    @cached_property
    def classes(self) -> tuple[str, ...]:
        silence = {SILENCE} if self._makes_silence else set()
        return tuple(sorted({*self.inventory.classes} | silence, key=natural))

    @property
    def _makes_silence(self) -> bool:
        return bool(self.recordings) and self.settings.silence_share > 0

    def dataset(self) -> Dataset:
        samples = {split: self._samples([at is split for at in self.splits]) for split in Split}
        counts = {split: len(samples[split]) for split in Split}
        require_enough(self.inventory.root, counts, SOUNDS)
        if self._makes_silence:
            samples = {split: self._with_silence(split, part) for split, part in samples.items()}
        unlabelled = self._samples([entry.label is None for entry in self.inventory.entries])
        return Dataset(
            name=self.inventory.name,
            classes=self.classes,
            splits=samples,
            sha256=self.sha256,
            unlabelled=unlabelled if len(unlabelled) else None,
            spec=waveform_input(self.settings.samples, self.settings.front_end),
            windowing=self.settings.windowing,
            noise=self.background.noise(self.cfg) if self.recordings else None,
        )

    def paths(self, split: Split) -> list[str | None]:
        """The file of each sample of a split; None for the clips of silence, which are behind."""
        entries = zip(self.inventory.entries, self.splits, strict=True)
        files = [entry.path for entry, at in entries if at is split]
        return [*files, *[None] * (len(self.dataset()[split]) - len(files))]

    def _samples(self, chosen: Sequence[bool]) -> Samples:
        """The chosen entries that can be read."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        used = [
            (row, numbers.get(entry.label or "", UNLABELLED))
            for entry, row, take in zip(self.inventory.entries, self.rows, chosen, strict=True)
            if take and self.cache.facts[row].error is None
        ]
        table = np.array(used, np.int64).reshape(-1, 2)
        waveforms = MappedSamples(cast(Raw, self.cache.waveforms), table[:, 0])
        return Samples(raw=cast(Raw, waveforms), labels=table[:, 1])

    def _with_silence(self, split: Split, part: Samples) -> Samples:
        """With windows of the background recordings as clips of a class."""
        held = np.bincount(part.labels, minlength=len(self.classes)).tolist()
        words = average(zip(self.classes, held, strict=True))
        count = max(1, round(self.settings.silence_share * words))
        stretches = self.background.stretches(self.cfg)[split]
        windows = self.background.windows(stretches, self.settings.samples, count)
        if windows is None:
            raise InputError(
                f"data set sounds: the background recordings in {self.inventory.root} are too "
                f"short to be cut into the three splits: the part for '{split}' of none holds a "
                f"clip of {self.settings.seconds:g} s. Give longer ones, or set "
                "dataset.silence_share = 0 to use them in the views only."
            )
        labels = np.full(count, self.classes.index(SILENCE), np.int64)
        return joined(part, Samples(raw=windows, labels=labels))

    def _require_readable(self) -> None:
        entries, facts = self.inventory.entries, self.cache.facts
        errors = {
            entry.path: facts[row].error for entry, row in zip(entries, self.rows, strict=True)
        }
        broken = {path: error for path, error in errors.items() if error is not None}
        broken |= self.background.errors if self.recordings else {}
        if not self.settings.skip_bad:
            total = len(entries) + len(self.recordings)
            require_readable(self.inventory.root, broken, total, SOUNDS)


def fresh(cfg: SourceConfig) -> Source:
    """The source as its files are now."""
    known.cache_clear()
    return known(cfg)


@lru_cache(maxsize=2)
def known(cfg: SourceConfig) -> Source:
    """The source as its files were at the last `fresh`: a run lists and hashes them once."""
    settings = settings_of(cfg)
    if cfg.path is None:
        raise InputError("data set sounds: needs a folder of sounds: give it with --data FOLDER.")
    found = scan(cfg.path, settings)
    entries, recordings = found.inventory.entries, found.recordings
    paths = [*(entry.path for entry in entries), *recordings]
    made = digests(cfg.path, paths, SOUNDS, verify=settings.verify)
    return Source(
        cfg=cfg,
        settings=settings,
        inventory=found.inventory,
        digests=made[: len(entries)],
        recordings=dict(zip(recordings, made[len(entries) :], strict=True)),
    )


def settings_of(cfg: SourceConfig) -> Settings:
    assert isinstance(cfg.settings, Settings)
    return cfg.settings

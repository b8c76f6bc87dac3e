"""A quick look at a folder of sounds: its labels, and the headers of its files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.files.listing import found_in
from pipeline.datasets.files.manifest import usable
from pipeline.datasets.files.tree import tree
from pipeline.datasets.sounds.clips import SOUNDS
from pipeline.datasets.sounds.guess import Guess, labels, speakers
from pipeline.datasets.sounds.scan import apart
from pipeline.datasets.sounds.source import Source, fresh, settings_of
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed
from targets.images.recognition import may_be_picture
from targets.sounds.reading import SoundHeader, header
from targets.sounds.unreadable import UnreadableSoundError

HEADERS = 5000
"""Files whose headers are read, evenly spread over all."""
SHOWN = 12
"""Classes that the summary lists."""


@dataclass(frozen=True, kw_only=True)
class Look:
    root: Path
    classes: Mapping[str, int]
    """Name -> labelled sounds, of all splits."""
    splits: Mapping[str, int]
    """`train`, `val`, `test` -> sounds."""
    given: bool
    """Whether folders, a table, lists or names give splits."""
    unlabelled: int
    speakers: int
    recordings: int
    """Of background noise."""
    guess: Guess | None
    """What the names of the files say, if that was not asked for."""
    rates: Mapping[int, int]
    """Samples per second -> sounds whose headers were read."""
    seconds: Sequence[float]
    """Lengths of these, in order."""
    unreadable: Mapping[str, str]
    """File -> why it, or its header, cannot be read."""
    notes: Sequence[str]

    @property
    def long(self) -> float:
        """Seconds that 95 % of the sounds are not longer than."""
        return self.seconds[int(0.95 * (len(self.seconds) - 1))]

    def summary(self) -> list[str]:
        """What is there, in lines."""
        total, median = sum(self.classes.values()), self.seconds[len(self.seconds) // 2]
        how = "given" if self.given else "seeded, by speaker" if self.speakers else "seeded"
        rates = ", ".join(f"{rate:,} Hz {count:,}" for rate, count in sorted(self.rates.items()))
        return [
            f"{total:,} labelled sounds of {len(self.classes)} classes: {self._classes()}",
            f"splits ({how}): {', '.join(f'{name} {n:,}' for name, n in self.splits.items())}",
            *([f"{self.speakers:,} speakers"] if self.speakers else []),
            *([f"{self.unlabelled:,} sounds without a label"] if self.unlabelled else []),
            *([f"{self.recordings:,} background recordings"] if self.recordings else []),
            f"{self.seconds[0]:.2f} to {self.seconds[-1]:.2f} s long, median {median:.2f}, 95 % up "
            f"to {self.long:.2f}; {rates}",
            *([self._bad()] if self.unreadable else []),
            *self.notes,
        ]

    def described(self) -> dict[str, object]:
        return {
            "classes": dict(self.classes),
            "splits": dict(self.splits),
            "splits_given": self.given,
            "speakers": self.speakers,
            "recordings": self.recordings,
            "rates": {str(rate): count for rate, count in self.rates.items()},
            "unreadable": dict(self.unreadable),
            "unlabelled": self.unlabelled,
            "notes": list(self.notes),
        }

    def _bad(self) -> str:
        files = [f"{path} ({reason})" for path, reason in self.unreadable.items()]
        return f"cannot be used, so that a run needs --skip-bad: {listed(files, most=5)}"

    def _classes(self) -> str:
        shown = [f"{name} {count:,}" for name, count in list(self.classes.items())[:SHOWN]]
        return ", ".join(shown) + (" …" if len(self.classes) > SHOWN else "")


def holds_sounds(path: Path) -> bool:
    """Whether a folder holds more sounds than pictures."""
    if not path.is_dir():
        return False
    found = tree(path, SOUNDS)
    return len(found.files) > sum(may_be_picture(path / other) for other in found.others)


def look(cfg: SourceConfig) -> Look:
    """Raises `InputError` for a folder that is no data set, or where nothing gives the labels."""
    guess = _guess(cfg)
    if guess is not None:
        settings = settings_of(cfg).model_copy(update={"pattern": guess.pattern})
        cfg = cfg.model_copy(update={"settings": settings})
    source = fresh(cfg)
    bad = dict(source.unread)
    heads = _headers(source, bad)
    if not heads:
        files = [f"{path} ({reason})" for path, reason in bad.items()]
        raise InputError(
            f"{source.inventory.root}: no file in it can be used as a sound: "
            f"{listed(files, most=5)}. Give a folder of .wav files."
        )
    entries = source.inventory.entries
    counts = Counter(entry.label for entry in entries if entry.label is not None)
    splits = source.quick_splits
    return Look(
        root=source.inventory.root,
        classes={name: counts[name] for name in source.inventory.classes},
        splits={split.value: sum(at is split for at in splits) for split in Split},
        given=any(entry.split is not None for entry in entries),
        unlabelled=sum(entry.label is None for entry in entries),
        speakers=len({entry.group for entry in entries} - {None}),
        recordings=len(source.recordings),
        guess=guess,
        rates=Counter(head.rate for head in heads),
        seconds=sorted(head.seconds for head in heads),
        unreadable=bad,
        notes=source.inventory.notes,
    )


def _headers(source: Source, bad: dict[str, str]) -> list[SoundHeader]:
    """Of some files; those whose header cannot be read are added to `bad`."""
    paths = [entry.path for entry in source.inventory.entries if entry.path not in bad]
    heads = []
    for path in paths[:: max(1, len(paths) // HEADERS)]:
        try:
            heads.append(header(source.inventory.root / path))
        except UnreadableSoundError as error:
            bad[path] = str(error)
    return heads


def _guess(cfg: SourceConfig) -> Guess | None:
    """What the names say, where nothing else does and no pattern was given."""
    settings = settings_of(cfg)
    if cfg.path is None or settings.pattern is not None or settings.manifest is not None:
        return None
    _, found = apart(cfg.path, found_in(cfg.path, SOUNDS), settings.noise)
    if len({path.rpartition("/")[0] for path in found.files}) > 1:
        return speakers(found.files)
    if usable(cfg.path, found):
        return None
    guess = labels(found.files)
    if guess is None:
        raise InputError(
            f"data set sounds: the {len(found.files):,} sounds in {cfg.path} lie in one folder, no "
            f"table gives their labels, and their names ({listed(found.files, most=3)}) may hold "
            "the class in several ways. Say which part of a name it is: pipeline init "
            f"{cfg.path} --set 'dataset.pattern=(?P<label>[a-z]+)_\\d+'."
        )
    return guess

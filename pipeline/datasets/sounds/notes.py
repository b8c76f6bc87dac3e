"""What a user should know of their sounds, a sentence each."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from pipeline.datasets.sounds.cache import SoundFacts
from pipeline.datasets.sounds.source import Source
from pipeline.datasets.sounds.vocabulary import UNKNOWN
from pipeline.datasets.splits import Split
from targets.errors import listed


def notes_of(source: Source) -> Iterator[str]:
    """What the data set holds, what was left out, and what was decided."""
    shown = ", ".join(f"{split} {source.splits.count(split):,}" for split in Split)
    yield f"Sounds by split: {shown}; {len(source.classes):,} classes."
    yield from source.inventory.notes
    facts = [source.cache.facts[row] for row in source.rows]
    yield from of_files([fact for fact in facts if fact.error is None], source.settings.rate)
    yield from _of_lengths(facts, source.settings.seconds)
    yield from _of_copies(source)
    yield from _of_speakers(source)
    yield from _of_classes(source)


def of_files(facts: Sequence[SoundFacts], rate: int) -> Iterator[str]:
    """Kinds, channels and rates."""
    formats = Counter(fact.format for fact in facts).most_common()
    if len(formats) > 1:
        yield "Formats: " + ", ".join(f"{name} {count:,}" for name, count in formats) + "."
    if several := sum(fact.channels > 1 for fact in facts):
        yield f"Of several channels, of which the mean is taken: {several:,}."
    rates = Counter(fact.rate for fact in facts)
    if rates.keys() - {rate}:
        shown = ", ".join(f"{one:,} Hz {count:,}" for one, count in sorted(rates.items()))
        yield f"Brought to {rate:,} samples per second: {shown}."
    lower = sum(count for one, count in rates.items() if one < rate)
    if lower > len(facts) / 2:
        yield (
            f"{lower:,} have a lower rate than that: nothing is in their upper bands. Set "
            f"dataset.rate to {max(one for one in rates if one < rate):,}."
        )


def _of_lengths(facts: Sequence[SoundFacts], seconds: float) -> Iterator[str]:
    if longer := sum(fact.seconds > seconds for fact in facts):
        yield f"Longer than {seconds:g} s, of which the middle is taken: {longer:,}."
    if silent := sum(fact.silent for fact in facts):
        yield f"Without any sound in their middle, all samples being 0: {silent:,}."


def _of_copies(source: Source) -> Iterator[str]:
    labels: dict[int, set[str]] = defaultdict(set)
    for entry, row in zip(source.inventory.entries, source.rows, strict=True):
        if entry.label is not None:
            labels[row].add(entry.label)
    copies = len(source.rows) - len(set(source.rows))
    if copies:
        yield f"There again with the same bytes: {copies:,}."
    conflicts = [listed(sorted(names)) for names in labels.values() if len(names) > 1]
    if conflicts:
        yield (
            f"Warning: the same bytes under two labels, of which one is wrong: {len(conflicts):,} "
            f"({listed(conflicts, most=5, separator='; ')})."
        )


def _of_speakers(source: Source) -> Iterator[str]:
    speakers: dict[Split, set[str]] = defaultdict(set)
    for entry, split in zip(source.inventory.entries, source.splits, strict=True):
        if split is not None and entry.group is not None:
            speakers[split].add(entry.group)
    if not speakers:
        return
    shown = ", ".join(f"{split} {len(speakers[split]):,}" for split in Split)
    shared = speakers[Split.TRAIN] & (speakers[Split.VAL] | speakers[Split.TEST])
    known = f"{len(shared):,} of them are measured and in training" if shared else "none is in two"
    yield f"Speakers by split: {shown}; {known}."


def _of_classes(source: Source) -> Iterator[str]:
    pairs = zip(source.inventory.entries, source.splits, strict=True)
    left = sum(entry.label == UNKNOWN and split is None for entry, split in pairs)
    if left:
        yield f"Left out of {UNKNOWN}, which would be larger than other classes: {left:,}."
    if source.recordings:
        minutes = len(source.background.values) / source.settings.rate / 60
        yield (
            f"{len(source.recordings):,} background recordings, {minutes:.1f} minutes: each is "
            "cut in time into what trains and what is measured."
        )

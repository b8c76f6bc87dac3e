"""The same text twice: in two splits, or under two labels.

Texts are the same if their words are, as `targets.texts.tokens` makes them: they are one input of
every network.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from pipeline.datasets.splits import Split
from pipeline.datasets.texts.table import Entry
from targets.errors import InputError, listed
from targets.texts import tokens

NAMED = 5
Copies = Sequence[Sequence[Entry]]
"""Entries of one text each, two or more."""


def numbers_of(entries: Sequence[Entry]) -> list[int]:
    """For each entry the place of the first one with its text."""
    first: dict[str, int] = {}
    keys = (" ".join(tokens.words(entry.text)) for entry in entries)
    return [first.setdefault(key, place) for place, key in enumerate(keys)]


def copies_of(entries: Sequence[Entry], numbers: Sequence[int]) -> Copies:
    groups: dict[int, list[Entry]] = defaultdict(list)
    for entry, number in zip(entries, numbers, strict=True):
        groups[number].append(entry)
    return [group for group in groups.values() if len(group) > 1]


def leaks(copies: Copies) -> Copies:
    return [group for group in copies if len({entry.split for entry in group}) > 1]


def require_no_leaks(found: Copies, *, name: str, allowed: bool) -> None:
    """Raise `InputError` for texts that are in two of the given splits."""
    if found and not allowed:
        raise InputError(
            f"data set texts: {name}: {_count(found)} in two splits: {_by_split(found)}. Figures "
            "on such texts would be too good: a model is trained, or chosen, on what it is "
            "measured on. Leave one of each out, or set dataset.allow_leaks = true to go on with "
            "them."
        )


def copy_notes(copies: Copies) -> Iterator[str]:
    """The most serious first."""
    across = leaks(copies)
    if across:
        yield f"{_count(across)} in two splits, on which figures are too good: {_by_split(across)}."
    conflicts = [group for group in copies if len({entry.label for entry in group}) > 1]
    if conflicts:
        shown = _by_label(conflicts)
        yield f"{_count(conflicts)} under two labels, of which one is wrong: {shown}."
    again = sum(len(group) - 1 for group in copies)
    if again:
        yield f"Texts with the words of an earlier one: {again:,}."


def _count(groups: Copies) -> str:
    return "1 text is" if len(groups) == 1 else f"{len(groups):,} texts are"


def _by_split(groups: Copies) -> str:
    def places(group: Sequence[Entry]) -> str:
        first = {str(entry.split): entry for entry in reversed(group)}
        return ", ".join(f"{split} {first[split].place}" for split in Split if split in first)

    return _listed(groups, places)


def _by_label(groups: Copies) -> str:
    def places(group: Sequence[Entry]) -> str:
        first: dict[str, Entry] = {}
        for entry in group:
            first.setdefault(entry.label, entry)
        return ", ".join(f"{label} {entry.place}" for label, entry in first.items())

    return _listed(groups, places)


def _listed(groups: Copies, places: Callable[[Sequence[Entry]], str]) -> str:
    shown = [
        f"'{group[0].text[:40]}{'…' if len(group[0].text) > 40 else ''}' ({places(group)})"
        for group in groups
    ]
    return listed(shown, most=NAMED, separator="; ")

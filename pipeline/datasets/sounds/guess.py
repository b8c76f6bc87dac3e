"""What the names of files may say, for a person to confirm: pure functions."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

SPEECH_COMMANDS = r"(?P<speaker>[0-9a-f]{8})_nohash_\d+"
"""Names of Speech Commands: the speaker, and which take it is."""

MOST_CLASSES = 200


class Guess(NamedTuple):
    pattern: str
    why: str


def speakers(paths: Sequence[str]) -> Guess | None:
    """In names of files that lie in class folders."""
    if all(re.fullmatch(SPEECH_COMMANDS, PurePosixPath(path).stem) for path in paths):
        return Guess(SPEECH_COMMANDS, "names are SPEAKER_nohash_NUMBER, as in Speech Commands")
    return None


def labels(paths: Sequence[str]) -> Guess | None:
    """In names of files that lie in one folder: LABEL_NUMBER, or LABEL_SPEAKER_NUMBER."""
    for mark in "_-":
        rows = [PurePosixPath(path).stem.split(mark) for path in paths]
        if {len(row) for row in rows} == {2} and _is_label(rows, 0) and _counts(rows):
            pattern = rf"(?P<label>[^{mark}]+){mark}\d+"
            return Guess(pattern, f"names are LABEL{mark}NUMBER")
        if {len(row) for row in rows} == {3} and _are_crossed(rows) and _counts(rows):
            pattern = rf"(?P<label>[^{mark}]+){mark}(?P<speaker>[^{mark}]+){mark}\d+"
            why = f"names look as LABEL{mark}SPEAKER{mark}NUMBER: if not so, exchange the two"
            return Guess(pattern, why)
    return None


def _counts(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the last part is a number, which tells apart what is equal before it."""
    return all(row[-1].isdecimal() for row in rows) and len({*map(tuple, rows)}) == len(rows)


def _is_label(rows: Sequence[Sequence[str]], part: int) -> bool:
    counts = Counter(row[part] for row in rows)
    return 2 <= len(counts) <= MOST_CLASSES and min(counts.values()) >= 3


def _are_crossed(rows: Sequence[Sequence[str]]) -> bool:
    """Whether all speakers, which have letters, said all labels."""
    said = {(row[0], row[1]) for row in rows}
    labels, speakers = {row[0] for row in rows}, {row[1] for row in rows}
    lettered = all(any(map(str.isalpha, name)) for name in speakers)
    return (
        _is_label(rows, 0)
        and lettered
        and len(speakers) >= 2
        and len(said) > 0.9 * len(labels) * len(speakers)
    )

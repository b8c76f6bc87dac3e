"""The words in a recording: a table of start, end and label, or a label track of Audacity."""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from targets.errors import InputError, did_you_mean, listed, printable
from targets.evaluation.streaming import NO_WORDS, Spoken

COLUMNS = ("start", "end", "label")
DELIMITERS = "\t,;"
ROUNDING_S = 0.01
"""By so much an end may be behind the recording: programs round."""


class Row(NamedTuple):
    line: int
    cells: list[str]


def words_in(
    path: Path, classes: Sequence[str], *, length_s: float, place: str
) -> tuple[Spoken, ...]:
    """The words to be detected, by their starts. Raises one `InputError` for all wrong lines.

    A label `_unknown_` or `_silence_` is no word: what is detected there is a false accept.
    """
    place = f"{place} {printable(str(path))}"
    found: list[Spoken] = []
    problems: list[str] = []
    for row in _rows(path, place):
        try:
            word = _spoken(row.cells, classes, length_s)
        except ValueError as problem:
            problems.append(f"line {row.line}: {problem}")
            continue
        if word is not None:
            found.append(word)
    if problems:
        lines = "wrong line" if len(problems) == 1 else "wrong lines"
        raise InputError(
            f"{place}: has {len(problems):,} {lines}: {listed(problems, most=5, separator='; ')}. "
            "Correct them, or leave them out."
        )
    if not found:
        raise InputError(
            f"{place}: names no word that the model detects ({listed(_detected(classes))}), so "
            "that there is no share of missed ones. Give a line for each word: start, end, label."
        )
    return tuple(sorted(found, key=lambda word: word.start_s))


def _detected(classes: Sequence[str]) -> list[str]:
    return [name for name in classes if name not in NO_WORDS]


def _spoken(cells: list[str], classes: Sequence[str], length_s: float) -> Spoken | None:
    """The word of a line; None for one that is not to be detected."""
    start, end, label = _seconds(cells[0]), _seconds(cells[1]), cells[2]
    if end <= start:
        raise ValueError(f"ends at {end:g} s, and not after its start at {start:g} s")
    if end > length_s + ROUNDING_S:
        raise ValueError(f"ends at {end:g} s, and the recording at {length_s:.2f} s")
    if label in NO_WORDS:
        return None
    if label not in classes:
        raise ValueError(
            f"'{printable(label)}' is no class of the data set{did_you_mean(label, classes)} It "
            f"has {listed(classes)}; a word of none of them is _unknown_"
        )
    return Spoken(index=list(classes).index(label), start_s=start, end_s=end)


def _seconds(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"'{printable(cell)}' is no time in seconds, such as 12.5")
    return value


def _rows(path: Path, place: str) -> Iterator[Row]:
    """The lines as start, end and label; without a header these are the first three cells."""
    lines = list(_lines(path, place))
    if not lines:
        raise InputError(f"{place}: is empty. Give a line for each word: start, end, label.")
    order = [0, 1, 2]
    if not _is_number(lines[0].cells[0]):
        order = _columns(lines.pop(0).cells, place)
    for line, cells in lines:
        if len(cells) <= max(order):
            raise InputError(
                f"{place}: line {line} has {len(cells)} cells, and {max(order) + 1} are needed. "
                "Give start, end and label, with tabs, commas or semicolons between them."
            )
        yield Row(line, [cells[at] for at in order])


def _columns(header: list[str], place: str) -> list[int]:
    names = [name.lower() for name in header]
    for name in COLUMNS:
        if names.count(name) != 1:
            raise InputError(
                f"{place}: its first line names {listed(header)}, and the columns start and end "
                f"(in seconds) and label are needed, once each: {name} is not. Rename the column."
            )
    return [names.index(name) for name in COLUMNS]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _lines(path: Path, place: str) -> Iterator[Row]:
    text = _text(path, place)
    first = next(filter(str.strip, text.splitlines()), "")
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        for cells in reader:
            # Audacity writes the frequencies of a label on a line of its own, behind a backslash.
            if any(map(str.strip, cells)) and cells[0].strip() != "\\":
                yield Row(reader.line_num, [cell.strip() for cell in cells])
    except csv.Error as error:
        raise InputError(
            f"{place}: line {reader.line_num} cannot be read as cells: {error}. Save it again as "
            ".csv or .tsv."
        ) from error


def _text(path: Path, place: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            f"{place}: cannot be read: {error.strerror}. Give a .csv or .tsv file with the columns "
            "start, end and label."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8 text. Save it as UTF-8.") from error

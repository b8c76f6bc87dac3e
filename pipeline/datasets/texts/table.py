"""The texts of a file, each with its class, its split and its line; one error for all problems."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pipeline.datasets.files.roles import roles
from pipeline.datasets.splits import Split
from pipeline.datasets.texts.columns import Columns, columns_of
from pipeline.datasets.texts.delimited import Delimited, Row
from pipeline.datasets.texts.encodings import decoded
from pipeline.datasets.texts.files import File
from pipeline.datasets.texts.json_lines import JsonLines
from pipeline.datasets.texts.settings import Settings
from pipeline.datasets.texts.wording import RECIPE, Wording
from targets.errors import InputError, listed
from targets.texts.reading import UnreadableTextError, beginning, require_text
from targets.texts.recognition import JSON_LINES

NAMED = 5
"""Wrong lines that a message names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    text: str
    label: str
    split: Split | None
    """Null where the file does not say."""
    line: int
    file: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


class Lines(Protocol):
    columns: list[str]

    def rows(self) -> Iterator[tuple[int, Row]]: ...


@dataclass(frozen=True, kw_only=True)
class Table:
    columns: Columns
    entries: tuple[Entry, ...]


def table_of(file: File, settings: Settings) -> Table:
    """The split is that of the file, or else that in its column, if there is one."""
    path = file.path
    lines = lines_of(file.content, path, settings, RECIPE)
    rows = list(lines.rows())
    if not lines.columns:
        _require_right(path, [f"line {number}: {row}" for number, row in rows], rows)
    columns = columns_of(lines.columns, path, settings)
    if file.split is not None:
        columns = replace(columns, split=None)
    entries, problems = [], []
    reader = Reader(file, columns, rows)
    for number, row in rows:
        try:
            entries.append(reader.entry(number, row))
        except (ValueError, UnreadableTextError) as problem:
            problems.append(f"line {number}: {problem}")
    _require_right(path, problems, entries)
    return Table(columns=columns, entries=tuple(entries))


def lines_of(content: bytes, path: Path, settings: Settings, wording: Wording) -> Lines:
    """The columns and rows of a file; the wrong rows are among them."""
    text = decoded(content, path, settings.encoding, wording)
    require_filled(text, path, wording)
    if path.suffix.lower() in JSON_LINES:
        return JsonLines(text)
    if text.lstrip().startswith(("[", "{")):
        raise InputError(
            f"{wording.place}{path} is JSON. Write an object for each text on a line of its own, "
            "without a list around them (`jq -c '.[]'` does), into a file that ends in .jsonl."
        )
    return Delimited(text, quoted=settings.quoted)


def require_filled(text: str, path: Path, wording: Wording) -> None:
    if not text.strip():
        raise InputError(f"{wording.place}{path} is empty. Give a file with a text on each line.")


def _require_right(path: Path, problems: Sequence[str], entries: Sequence[object]) -> None:
    if problems:
        count = "one wrong line" if len(problems) == 1 else f"{len(problems):,} wrong lines"
        raise InputError(
            f"data set texts: {path} has {count}: {listed(problems, most=NAMED, separator='; ')}. "
            "Correct the file, or leave these lines out."
        )
    if not entries:
        raise InputError(
            f"data set texts: {path} names columns, and no line follows. Add a text on each line."
        )


class Reader:
    """Makes the entry of a row, or raises `ValueError` with what is wrong with it."""

    def __init__(self, file: File, columns: Columns, rows: Sequence[tuple[int, Row]]) -> None:
        self.file, self.columns = file, columns
        self.splits: Mapping[str, Split] = {}
        if (column := columns.split) is not None:
            read = (row for _, row in rows if not isinstance(row, str))
            self.splits = roles({str(row[column]).strip() for row in read})

    def entry(self, line: int, row: Row) -> Entry:
        if isinstance(row, str):
            raise ValueError(row)
        text = cell(row, self.columns.text)
        label = cell(row, self.columns.label).strip()
        require_text(text)
        _require_label(label, self.columns.label)
        split = self._split(row)
        return Entry(text=text, label=label, split=split, line=line, file=self.file.path.name)

    def _split(self, row: Mapping[str, object]) -> Split | None:
        if self.columns.split is None:
            return self.file.split
        value = cell(row, self.columns.split).strip()
        if value not in self.splits:
            raise ValueError(
                f"the split '{beginning(value)}' in '{self.columns.split}' is none of train, val "
                "and test, or their usual variants"
            )
        return self.splits[value]


def cell(row: Mapping[str, object], column: str) -> str:
    """Raises `ValueError` where it holds more than a text or a number."""
    value = row[column]
    if isinstance(value, list | dict):
        raise ValueError(f"'{column}' is a list or an object, and not one text or number")
    return "" if value is None else str(value)


def _require_label(label: str, column: str) -> None:
    if not label:
        raise ValueError(f"no label in '{column}'")
    if not label.isprintable():
        raise ValueError(f"a label with a line break or a control character: '{beginning(label)}'")

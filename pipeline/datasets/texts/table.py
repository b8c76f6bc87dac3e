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
from pipeline.datasets.texts.files import JSON_LINES, File
from pipeline.datasets.texts.json_lines import JsonLines
from pipeline.datasets.texts.settings import Settings
from targets.errors import InputError, listed, printable
from targets.texts import tokens

LONGEST = 20_000
"""Letters of a text above which a quotation that does not end, or the wrong file, is likelier: that
is ten pages. A network for a device reads the first few hundred words."""
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
    text = decoded(file.content, path, settings.encoding)
    if not text.strip():
        raise InputError(f"data set texts: {path} is empty. Give a file with a text on each line.")
    lines = _lines(text, path, quoted=settings.quoted)
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
        except ValueError as problem:
            problems.append(f"line {number}: {problem}")
    _require_right(path, problems, entries)
    return Table(columns=columns, entries=tuple(entries))


def _lines(text: str, path: Path, *, quoted: bool) -> Lines:
    if path.suffix.lower() in JSON_LINES:
        return JsonLines(text)
    if text.lstrip().startswith(("[", "{")):
        raise InputError(
            f"data set texts: {path} is JSON. Write an object for each text on a line of its own, "
            "without a list around them (`jq -c '.[]'` does), into a file that ends in .jsonl."
        )
    return Delimited(text, quoted=quoted)


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
        text = _cell(row, self.columns.text)
        label = _cell(row, self.columns.label).strip()
        _require_text(text)
        _require_label(label, self.columns.label)
        split = self._split(row)
        return Entry(text=text, label=label, split=split, line=line, file=self.file.path.name)

    def _split(self, row: Mapping[str, object]) -> Split | None:
        if self.columns.split is None:
            return self.file.split
        value = _cell(row, self.columns.split).strip()
        if value not in self.splits:
            raise ValueError(
                f"the split '{_short(value)}' in '{self.columns.split}' is none of train, val and "
                "test, or their usual variants"
            )
        return self.splits[value]


def _cell(row: Mapping[str, object], column: str) -> str:
    value = row[column]
    if isinstance(value, list | dict):
        raise ValueError(f"'{column}' is a list or an object, and not one text or number")
    return "" if value is None else str(value)


def _require_text(text: str) -> None:
    if "\0" in text:
        raise ValueError(f"a NUL character in the text '{_short(text)}'")
    if len(text) > LONGEST:
        mark = ", or close a quotation mark" if "\n" in text else ""
        raise ValueError(
            f"a text of {len(text):,} characters, '{_short(text)}', and {LONGEST:,} are the most: "
            f"keep the part that shows its class{mark}"
        )
    if not tokens.words(text):
        what = "empty" if not text.strip() else f"without a word: '{_short(text)}'"
        raise ValueError(f"the text is {what}")


def _require_label(label: str, column: str) -> None:
    if not label:
        raise ValueError(f"no label in '{column}'")
    if not label.isprintable():
        raise ValueError(f"a label with a line break or a control character: '{_short(label)}'")


def _short(text: str) -> str:
    return printable(text[:30]) + ("…" if len(text) > 30 else "")

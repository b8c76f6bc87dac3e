"""The texts that a finished model is given: of a table, or one on each line; wrong ones too."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.texts.columns import column, require_distinct, required
from pipeline.datasets.texts.delimited import Row
from pipeline.datasets.texts.encodings import decoded
from pipeline.datasets.texts.settings import Settings
from pipeline.datasets.texts.table import cell, lines_of, require_filled
from pipeline.datasets.texts.wording import COMMAND
from targets.errors import InputError
from targets.texts.recognition import SUFFIXES, TABLES


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenText:
    line: int
    text: str = ""
    label: str | None = None
    """As the table has it; None where it has no labels, or none for this text."""
    problem: str | None = None
    """What is wrong with the line, which then has no text."""


@dataclass(frozen=True, kw_only=True)
class GivenTexts:
    texts: Iterable[GivenText]
    has_splits: bool = False
    """Whether a column says which texts were for training."""


def texts_in(content: bytes, path: Path, settings: Settings) -> GivenTexts:
    """Of a .csv, .tsv or .jsonl file the rows, of any other the lines.

    Raises `InputError` for what is wrong with the whole file.
    """
    if path.suffix.lower() in TABLES:
        return _of_table(content, path, settings)
    return GivenTexts(texts=_lines(content, path, settings))


def contents(path: Path) -> bytes:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path}: is not known to hold texts: its name must end in {', '.join(SUFFIXES)}. "
            "Rename it, or give its lines to the standard input and - in its place."
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error


def _lines(content: bytes, path: Path, settings: Settings) -> Iterator[GivenText]:
    """Not `splitlines`, for which some letters of texts end a line too."""
    text = decoded(content, path, settings.encoding, COMMAND)
    require_filled(text, path, COMMAND)
    lines = text.removesuffix("\n").split("\n")
    return (
        GivenText(line=line, text=one.removesuffix("\r")) for line, one in enumerate(lines, start=1)
    )


def _of_table(content: bytes, path: Path, settings: Settings) -> GivenTexts:
    table = lines_of(content, path, settings, COMMAND)
    rows = list(table.rows())
    if not rows:
        raise InputError(f"{path} names columns, and no line follows. Add a text on each line.")
    if not table.columns:
        raise InputError(f"{path}: no line of it can be read; line {rows[0][0]}: {rows[0][1]}.")
    require_distinct(table.columns, path, COMMAND)
    text = required(table.columns, path, "text", settings.text_column, COMMAND)
    label = column(table.columns, path, "label", settings.label_column, COMMAND)
    label = None if label == text else label
    return GivenTexts(
        texts=[_given(line, row, text, label) for line, row in rows],
        has_splits=column(table.columns, path, "split", settings.split_column) is not None,
    )


def _given(line: int, row: Row, text: str, label: str | None) -> GivenText:
    if isinstance(row, str):
        return GivenText(line=line, problem=row)
    try:
        named = None if label is None else cell(row, label).strip()
        return GivenText(line=line, text=cell(row, text), label=named or None)
    except ValueError as problem:
        return GivenText(line=line, problem=str(problem))

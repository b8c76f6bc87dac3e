"""A table of files: path, label, and perhaps split and group, a row each."""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import ModuleType
from typing import Protocol

from pipeline.datasets.files.class_folders import Labelled
from pipeline.datasets.files.inventory import Entry
from pipeline.datasets.files.kind import FileKind
from pipeline.datasets.files.roles import roles
from pipeline.datasets.files.tree import Tree
from pipeline.datasets.splits import Split
from targets.errors import InputError, did_you_mean, listed, printable

USUAL = {
    "path": (
        *("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path"),
        *("image_name", "image_file", "image_id", "img", "img_path", "picture", "photo"),
        *("audio", "audio_path", "wav", "wav_path", "sound", "clip", "id"),
    ),
    "label": ("label", "class", "category", "target", "class_name", "label_name", "labels"),
    "split": ("split", "set", "subset", "partition"),
    "group": ("group", "group_id", "speaker", "speaker_id", "client_id"),
}
"""Role of a column -> its usual names, the best first; case is ignored."""

Rows = list[tuple[int, dict[str, str]]]
"""Number of the line, column -> cell."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    path: str
    label: str
    split: str | None
    group: str | None


class ColumnNames(Protocol):
    """The keys of `[dataset]` that name the columns of a table; null takes a usual name."""

    @property
    def path_column(self) -> str | None: ...
    @property
    def label_column(self) -> str | None: ...
    @property
    def split_column(self) -> str | None: ...
    @property
    def group_column(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Table:
    path: Path
    kind: FileKind

    @property
    def place(self) -> str:
        """What errors begin with."""
        return f"{self.kind.place}: {self.path}"

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix.lower() == ".parquet"


def usable(root: Path, tree: Tree) -> list[str]:
    """The tables in `root` that have a column of paths and one of labels."""
    return [name for name in tree.tables if _usable(Table(path=root / name, kind=tree.kind))]


def obvious(root: Path, tree: Tree) -> str | None:
    """The only usable table in `root`."""
    found = usable(root, tree)
    if len(found) > 1:
        raise InputError(
            f"{tree.kind.place}: {root} has several tables with paths and labels: {listed(found)}. "
            "Name one with --set dataset.manifest=FILE."
        )
    for name in tree.tables if not found else ():
        table = Table(path=root / name, kind=tree.kind)
        if table.is_parquet:  # it can be the one, if the library is missing
            _parquet_library(table)
    return found[0] if found else None


def _usable(table: Table) -> bool:
    try:
        header = [name.strip() for name in _header(table)]
    except (OSError, ValueError, csv.Error, InputError):
        return False
    return all(_usual(header, role) is not None for role in ("path", "label"))


def in_table(root: Path, name: str, tree: Tree, names: ColumnNames) -> Labelled:
    """The files of the table `name`. Raises one `InputError` for all its problems."""
    table = Table(path=root / name, kind=tree.kind)
    header, rows = _read(table)
    columns = _columns(header, table, names)
    places = Places(root, tree)
    splits = _splits(rows, columns, table)
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    for number, row in rows:
        try:
            entry = _entry(row, columns, places, splits)
            _require_same(entries.setdefault(entry.path, entry), entry)
        except ValueError as problem:
            problems.append(f"line {number}: {problem}")
    if problems:
        raise InputError(
            f"{table.place} has {len(problems):,} wrong lines: "
            f"{listed(problems, separator='; ')}. Correct the table, or leave these lines out."
        )
    unlisted = len(set(tree.files) - entries.keys())
    notes = [f"{printable(name)} gives the labels."]
    if unlisted:
        what = f"{unlisted:,} {tree.kind.many} are not in {printable(name)}"
        notes.append(f"{what} and are left out.")
    ordered = sorted(entries.values(), key=lambda entry: entry.path)
    return Labelled(entries=tuple(ordered), notes=tuple(notes))


class Places:
    """Finds the file that a table means: by its path, or by a name that only one file has."""

    def __init__(self, root: Path, tree: Tree) -> None:
        self.root, self.known = root, set(tree.files)
        self.by_name: dict[str, list[str]] = defaultdict(list)
        for path in tree.files:
            place = PurePosixPath(path)
            for key in {str(place.with_suffix("")), place.name, place.stem}:
                self.by_name[key].append(path)

    def find(self, text: str) -> str:
        if not text:
            raise ValueError("no path")
        if PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute():
            raise ValueError(f"{printable(text)} is absolute; paths are relative to {self.root}")
        path = os.path.normpath(text)
        if path not in self.known and "\\" in path:
            path = os.path.normpath(path.replace("\\", "/"))
        if path.split("/")[0] == "..":
            raise ValueError(f"{printable(text)} leads out of {self.root}")
        if path in self.known or self._is_file(path):
            return path
        found = self.by_name.get(path, [])
        if len(found) > 1:
            raise ValueError(f"{printable(text)} can be {listed(found)}")
        if not found and (place := self.root / path).exists():
            kind = "a folder" if place.is_dir() else "not a regular file"
            raise ValueError(f"{printable(text)} is {kind}")
        if not found:
            raise ValueError(f"{printable(text)} is missing{self._other_suffix(path)}")
        return found[0]

    def _is_file(self, path: str) -> bool:
        try:
            return (self.root / path).is_file()
        except OSError as error:  # a cell can be longer than a name
            raise ValueError(f"{printable(path[:40])}… is no path: {error.strerror}") from error

    def _other_suffix(self, path: str) -> str:
        near = self.by_name.get(str(PurePosixPath(path).with_suffix("")), [])
        return f" (there is {listed(near)})" if near else ""


def _entry(
    row: Mapping[str, str], columns: Columns, places: Places, splits: Mapping[str, Split]
) -> Entry:
    path = places.find(row[columns.path])
    label = row[columns.label]
    if not label:
        raise ValueError(f"{printable(path)} has no label")
    return Entry(
        path=path,
        label=label,
        split=None if columns.split is None else splits[row[columns.split]],
        group=None if columns.group is None else row[columns.group] or path,
    )


def _require_same(first: Entry, again: Entry) -> None:
    for what, before, now in (
        ("labels", first.label, again.label),
        ("splits", first.split, again.split),
        ("groups", first.group, again.group),
    ):
        if before != now:
            values = f"{printable(str(before))} and {printable(str(now))}"
            raise ValueError(f"{printable(first.path)} has two {what}: {values}")


def _splits(rows: Rows, columns: Columns, table: Table) -> Mapping[str, Split]:
    if columns.split is None:
        return {}
    values = dict.fromkeys(row[columns.split] for _, row in rows)
    known = roles(values)
    unknown = [value or "(empty)" for value in values if value not in known]
    if unknown:
        raise InputError(
            f"{table.place} has unknown splits in the column '{columns.split}': "
            f"{listed(unknown)}. Known are train, val and test, and their usual variants."
        )
    return known


def _columns(header: Sequence[str], table: Table, names: ColumnNames) -> Columns:
    return Columns(
        path=_required(header, table, "path", names.path_column),
        label=_required(header, table, "label", names.label_column),
        split=_column(header, table, "split", names.split_column),
        group=_column(header, table, "group", names.group_column),
    )


def _required(header: Sequence[str], table: Table, role: str, name: str | None) -> str:
    column = _column(header, table, role, name)
    if column is None:
        raise InputError(
            f"{table.place} has no column that is known to hold the {role}; it has: "
            f"{listed(list(header))}. Name one with --set dataset.{role}_column=NAME."
        )
    return column


def _column(header: Sequence[str], table: Table, role: str, name: str | None) -> str | None:
    if name is None:
        return _usual(header, role)
    if name not in header:
        raise InputError(
            f"{table.place} has no column '{name}' "
            f"(dataset.{role}_column){did_you_mean(name, header)} It has: {listed(list(header))}."
        )
    return name


def _usual(header: Sequence[str], role: str) -> str | None:
    folded = {name.casefold().replace(" ", "_"): name for name in reversed(header)}
    return next((folded[name] for name in USUAL[role] if name in folded), None)


def _read(table: Table) -> tuple[list[str], Rows]:
    """Column names and rows, as text without spaces around it."""
    try:
        lines = _parquet(table) if table.is_parquet else _delimited(table.path)
        header = [name.strip() for name in next(lines)[1]]
        rows = [(number, _row(header, row, number)) for number, row in lines if any(row)]
    except StopIteration:
        raise InputError(f"{table.place} is empty.") from None
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"{table.place} cannot be read as a table: {error}. Give a .csv or .tsv "
            "file in UTF-8 whose first line names the columns, and whose lines are of equal length."
        ) from error
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise InputError(
            f"{table.place} has several columns of one name: {listed(twice)}. Give each "
            "column a name of its own."
        )
    return header, rows


def _row(header: Sequence[str], cells: Sequence[str], number: int) -> dict[str, str]:
    if len(cells) != len(header):
        raise ValueError(f"line {number} has {len(cells)} cells, and not {len(header)}")
    return dict(zip(header, map(str.strip, cells), strict=True))


def _header(table: Table) -> Sequence[str]:
    """The column names alone."""
    if table.is_parquet:
        names: list[str] = _parquet_library(table).read_schema(table.path).names
        return names
    return next(_delimited(table.path), (0, []))[1]


def _delimited(table: Path) -> Iterator[tuple[int, list[str]]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        first = next(filter(str.strip, file), "")
        file.seek(0)
        delimiter = max("\t,;", key=first.count)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        for row in reader:
            if any(map(str.strip, row)):
                yield reader.line_num, row


def _parquet(table: Table) -> Iterator[tuple[int, list[str]]]:
    read = _parquet_library(table).read_table(table.path)
    yield 1, read.column_names
    columns = (column.to_pylist() for column in read.columns)
    for number, row in enumerate(zip(*columns, strict=True), start=2):
        yield number, ["" if value is None else str(value) for value in row]


def _parquet_library(table: Table) -> ModuleType:
    try:
        return import_module("pyarrow.parquet")
    except ImportError as error:  # also of one that is too new for the installed numpy
        raise InputError(
            f"{table.place} needs the package 'pyarrow' ({error}): "
            "python -m pip install 'edge-distill[parquet]'. A .csv table needs no package."
        ) from error

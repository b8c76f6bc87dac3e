"""Which files hold the texts, and the splits that their names give."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.files.roles import roles
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed
from targets.texts.recognition import TABLES

Files = Mapping[Path, Split | None]
"""Each file, and the split that all of it belongs to; null where its name does not say."""


@dataclass(frozen=True)
class File:
    path: Path
    split: Split | None
    content: bytes


def files_in(path: Path | None) -> Files:
    """The file `path`, or those of a folder: the only one, or one for each split."""
    if path is None:
        raise InputError("data set texts: needs a file of texts: give it with --data FILE.csv.")
    if path.is_file():
        return {path: None}
    if not path.is_dir():
        raise InputError(
            f"data set texts: {path} is not there. Give a .csv, .tsv or .jsonl file with --data."
        )
    found = tables(path)
    if not found:
        raise InputError(
            f"data set texts: {path} holds no .csv, .tsv or .jsonl file. Give one with --data."
        )
    return {found[0]: None} if len(found) == 1 else _by_name(path, found)


def read(path: Path, split: Split | None) -> File:
    try:
        return File(path, split, path.read_bytes())
    except OSError as error:
        raise InputError(f"data set texts: {path} cannot be read: {error.strerror}.") from error


def tables(folder: Path) -> list[Path]:
    """Sorted by name."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in TABLES)
    return sorted(file for file in files if file.is_file())


def _by_name(folder: Path, found: list[Path]) -> Files:
    """`train.csv`, `questions_test.csv`: each split once."""
    words = {file: re.split(r"[^a-z]+", file.stem.lower()) for file in found}
    known = roles(word for parts in words.values() for word in parts)
    named = {
        file: {known[word] for word in parts if word in known} for file, parts in words.items()
    }
    given = [split for splits in named.values() for split in splits]
    if any(len(splits) != 1 for splits in named.values()) or len(set(given)) < len(given):
        raise InputError(
            f"data set texts: {folder} holds {listed([file.name for file in found])}, whose names "
            "do not give each split once, as train.csv, val.csv and test.csv would. Rename them, "
            "or give a single file with --data."
        )
    return {file: splits.pop() for file, splits in named.items()}

"""Labels, speakers and splits in the names of files."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pipeline.datasets.files.class_folders import Labelled
from pipeline.datasets.files.inventory import Entry
from pipeline.datasets.files.roles import is_unlabelled
from pipeline.datasets.files.tree import Tree
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed

GROUPS = ("label", "speaker", "val", "test")


def compiled(pattern: str) -> re.Pattern[str]:
    """Raises `ValueError` for what is no regular expression, or has none of the groups."""
    try:
        made = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    groups = made.groupindex.keys()
    if other := sorted(groups - {*GROUPS}):
        raise ValueError(f"unknown group {listed(other)}; known are {', '.join(GROUPS)}")
    if not groups:
        raise ValueError(
            "no group; mark the part of the name that is the class, as in "
            r"(?P<label>[a-z]+)_\d+"
        )
    return made


def gives_labels(pattern: str | None) -> bool:
    return pattern is not None and "label" in compiled(pattern).groupindex


def in_names(root: Path, tree: Tree, pattern: str, *, skip: bool) -> Labelled:
    """The files of `tree` by the labels in their names."""
    paths = [path for path in tree.files if not is_unlabelled(path.partition("/")[0])]
    entries = [Entry(path=path, label="") for path in paths]
    return by_names(root, entries, pattern, skip=skip)


def by_names(root: Path, entries: Iterable[Entry], pattern: str, *, skip: bool) -> Labelled:
    """The entries with what the pattern finds in their names; with `skip`, others are left out."""
    made, expression, others = [], compiled(pattern), []
    for entry in entries:
        match = expression.fullmatch(_matched(entry.path, pattern))
        if match is None:
            others.append(entry.path)
        else:
            made.append(_with(entry, match.groupdict()))
    if others and not (skip and made):
        raise InputError(
            f"data set sounds: dataset.pattern {pattern} does not match the names of "
            f"{len(others):,} of the {len(made) + len(others):,} sounds in {root}: "
            f"{listed(others, most=5)}. It must match the whole name without its extension. "
            "Correct it, move these files away, or go on without them: --skip-bad."
        )
    left_out = f"{len(others):,} sounds do not match the pattern and are left out."
    return Labelled(entries=tuple(made), notes=(left_out,) if others else ())


def _matched(path: str, pattern: str) -> str:
    place = PurePosixPath(path)
    return str(place.with_suffix("")) if "/" in pattern else place.stem


def _with(entry: Entry, found: dict[str, str | None]) -> Entry:
    label, speaker = found.get("label"), found.get("speaker")
    made = replace(entry, label=label or entry.label, group=speaker or entry.group)
    if {"val", "test"} & found.keys():
        split = Split.TEST if found.get("test") else Split.VAL if found.get("val") else Split.TRAIN
        return replace(made, split=split)
    return made

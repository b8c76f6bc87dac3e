"""The lists of files that Speech Commands gives its splits by (Warden 2018, arXiv 1804.03209)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.datasets.files.class_folders import Labelled
from pipeline.datasets.files.inventory import Entry
from pipeline.datasets.files.tree import Tree
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed

LISTS = {Split.VAL: "validation_list.txt", Split.TEST: "testing_list.txt"}
"""Split -> a file of paths, a line each; all other files train."""


def by_lists(root: Path, tree: Tree, entries: Sequence[Entry]) -> Labelled:
    """The entries with the splits of the lists in `root`, if there are any and no split is given.

    The split of a missing list is drawn later, as a share of the training split.
    """
    lists = {split: _read(root / name) for split, name in LISTS.items() if name in tree.others}
    if not lists or any(entry.split is not None for entry in entries):
        return Labelled(entries=tuple(entries))
    _require_apart(root, lists)
    given = {path: split for split, paths in lists.items() for path in paths}
    _require_names(root, lists, {entry.path for entry in entries})
    lost = given.keys() - {entry.path for entry in entries}
    names = listed([LISTS[split] for split in lists])
    missing = f" {len(lost):,} of the files in them are missing." if lost else ""
    return Labelled(
        entries=tuple(
            replace(entry, split=given.get(entry.path, Split.TRAIN)) for entry in entries
        ),
        notes=(f"{names} give the splits.{missing}",),
    )


def _read(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"data set sounds: {path} cannot be read: {error}. Give a path a line, in UTF-8, or "
            "remove the file."
        ) from error
    return [line.strip().removeprefix("./") for line in text.splitlines() if line.strip()]


def _require_apart(root: Path, lists: Mapping[Split, list[str]]) -> None:
    both = sorted(set(lists.get(Split.VAL, ())) & set(lists.get(Split.TEST, ())))
    if both:
        raise InputError(
            f"data set sounds: {len(both):,} sounds are in both {' and '.join(LISTS.values())} of "
            f"{root}: {listed(both, most=5)}. Keep each in one of them."
        )


def _require_names(root: Path, lists: Mapping[Split, list[str]], known: set[str]) -> None:
    for split, paths in lists.items():
        if known.isdisjoint(paths):
            raise InputError(
                f"data set sounds: {root / LISTS[split]} names none of the sounds in {root}. Give "
                "paths as yes/1.wav in it, a line each, or remove it."
            )

"""Class folders: the class of a file is the path of folders below its split's folder."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.class_names import natural
from pipeline.datasets.files.inventory import Entry
from pipeline.datasets.files.kind import FileKind
from pipeline.datasets.files.roles import is_unlabelled, roles
from pipeline.datasets.files.tree import Tree
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed, printable


@dataclass(frozen=True, kw_only=True)
class Labelled:
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def in_class_folders(
    root: Path, tree: Tree, depth: int | None, *, training: bool = True
) -> Labelled:
    """The labelled files below `root`; a file in no class folder is noted and left out.

    Splits need one for training, unless `training` is False.
    """
    tops = _tops(tree)
    splits = split_folders(tops, training=training)
    _require_splits_on_top(root, tops, splits, tree.kind)
    if splits:
        _require_one_each(root, splits, tree.kind)
    given = {"": None} if not splits else {f"{name}/": role for name, role in splits.items()}
    entries, loose = [], []
    for prefix, role in given.items():
        for path in _labelled_paths(tree.files, prefix):
            folders = path.removeprefix(prefix).split("/")[:-1]
            if folders:
                label = "/".join(folders[:depth] if depth is None or depth > 0 else folders[depth:])
                entries.append(Entry(path=path, label=label, split=role))
            else:
                loose.append(path)
    _require_labels(root, entries, loose, splits, tree.kind)
    return Labelled(
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        notes=(
            *_notes(tops, splits, loose, tree.kind),
            *_of_empty(list(_empty(tree, tuple(given))), tree.kind),
        ),
    )


def split_folders(tops: Mapping[str, list[str]], *, training: bool = True) -> Mapping[str, Split]:
    """The top folders that are splits: if one is for training, and its files lie in folders.

    So the classes `car` and `train` are no splits. With `training` False, any split may be nested.
    """
    found = {name: role for name, role in roles(tops).items() if name}
    asked = [name for name, role in found.items() if role is Split.TRAIN or not training]
    nested = any(path.count("/") >= 2 for name in asked for path in tops[name])
    return found if nested else {}


def _tops(tree: Tree) -> Mapping[str, list[str]]:
    """Top folder -> its files; those of no folder are under ''."""
    tops: dict[str, list[str]] = defaultdict(list)
    for path in tree.files:
        top, slash, _ = path.partition("/")
        if not (slash and is_unlabelled(top)):
            tops[top if slash else ""].append(path)
    return tops


def _labelled_paths(paths: tuple[str, ...], prefix: str) -> Iterator[str]:
    for path in paths:
        if path.startswith(prefix) and not is_unlabelled(path.partition("/")[0]):
            yield path


def _require_splits_on_top(
    root: Path, tops: Mapping[str, list[str]], splits: Mapping[str, Split], kind: FileKind
) -> None:
    found = roles(tops)
    if not splits and len(set(found.values())) > 1 and len(found) == len(tops):
        trained = Split.TRAIN in found.values()
        raise InputError(
            f"{kind.place}: {root} holds the splits {', '.join(found)}, "
            + ("but no class folders in them" if trained else "but none for training")
            + f". Put the {kind.many} of each class into a folder of its own, as "
            f"train/cat/1{kind.suffix}, or list them in a table (dataset.manifest)."
        )
    for top, paths in tops.items():
        inner = {path.split("/")[1] for path in paths if path.count("/") >= 3}
        below = roles(inner)
        if top and not splits and Split.TRAIN in below.values() and len(below) > 1:
            raise InputError(
                f"{kind.place}: the splits {', '.join(sorted(below))} lie in {root / top}. Give "
                "that folder with --data."
            )


def _require_one_each(root: Path, splits: Mapping[str, Split], kind: FileKind) -> None:
    for role in Split:
        names = [name for name, given in splits.items() if given is role]
        if len(names) > 1:
            raise InputError(
                f"{kind.place}: {root} has several folders for the split '{role}': "
                f"{', '.join(names)}. Keep one, or put their {kind.many} together."
            )


def _require_labels(
    root: Path,
    entries: list[Entry],
    loose: list[str],
    splits: Mapping[str, Split],
    kind: FileKind,
) -> None:
    with_labels = {entry.split for entry in entries}
    for name, role in splits.items():
        if role not in with_labels:
            raise InputError(
                f"{kind.place}: the {kind.many} in {root / name} lie in no class folders, so they "
                f"have no labels. Sort them into class folders; {kind.many} without labels belong "
                f"into {root / 'unlabelled'}."
            )
    if loose and not entries:
        raise InputError(
            f"{kind.place}: the {len(loose)} {kind.many} in {root} lie in no class folders and no "
            f"table gives their labels. Put the {kind.many} of each class into a folder of its "
            "own, or list them in a .csv file with the columns path and label (dataset.manifest)."
        )


def _empty(tree: Tree, prefixes: tuple[str, ...]) -> Iterator[str]:
    """Top folders, or class folders of a split, below which no file of the kind lies."""
    used = {path[: at + 1] for path in tree.files for at, c in enumerate(path) if c == "/"}
    for folder in tree.folders:
        prefix = next((p for p in prefixes if folder.startswith(p) and folder + "/" != p), None)
        if prefix is not None and f"{folder}/" not in used:
            parent = folder.rpartition("/")[0]
            if not parent or f"{parent}/" in used:
                yield folder


def _of_empty(folders: list[str], kind: FileKind) -> list[str]:
    return [f"No class, as no {kind.one} is in it: {listed(folders)}."] if folders else []


def _notes(
    tops: Mapping[str, list[str]], splits: Mapping[str, Split], loose: list[str], kind: FileKind
) -> Iterator[str]:
    if loose:
        yield (
            f"{len(loose):,} {kind.many} lie in no class folder and are left out: {listed(loose)}."
        )
    if splits:
        for top in sorted(tops.keys() - splits.keys() - {""}, key=natural):
            count = len(tops[top])
            yield f"{printable(top)} is none of the splits; its {count:,} {kind.many} are left out."

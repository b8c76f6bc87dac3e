"""From a folder to its inventory: class folders, or the pictures of a table."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.datasets.class_names import natural
from pipeline.datasets.files.roles import is_unlabelled, roles
from pipeline.datasets.folder.class_folders import Labelled, in_class_folders
from pipeline.datasets.folder.enough import require_pictures
from pipeline.datasets.folder.inventory import Entry, Inventory, twins
from pipeline.datasets.folder.manifest import in_table, obvious, usable
from pipeline.datasets.folder.settings import Settings
from pipeline.datasets.folder.spellings import counted_as, one_name, renamed
from pipeline.datasets.folder.tree import Tree, tree
from pipeline.datasets.splits import Split
from targets.errors import InputError, listed, printable


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The labelled pictures, before they are known to be a data set."""

    tree: Tree
    table: str | None
    """The table that gives the labels; None: class folders do."""
    labelled: Labelled
    names: Mapping[str, str]
    """Label in the folder -> its name in `labelled`, where that is another one."""


def listing(root: Path, settings: Settings, *, training: bool = True) -> Listing:
    """Raises `InputError` for a folder without labelled pictures.

    Splits need one for training, unless `training` is False.
    """
    if not root.is_dir():
        why = "is not a folder" if root.exists() else "does not exist"
        raise InputError(f"data set folder: {root} {why}. Give a folder of pictures with --data.")
    found = tree(root)
    if not found.pictures:
        raise InputError(
            f"data set folder: {root} holds no picture files ({len(found.others):,} others). "
            "Give a folder with the pictures of each class in a folder of its own, with --data."
        )
    table = settings.manifest or _obvious_manifest(root, found)
    labelled = (
        in_table(root, table, found, settings)
        if table
        else in_class_folders(root, found, settings.depth, training=training)
    )
    names = one_name(labelled.entries, merge=settings.merge_labels)
    labelled = replace(labelled, entries=renamed(labelled.entries, names))
    return Listing(tree=found, table=table, labelled=labelled, names=names)


def scan(root: Path, settings: Settings) -> Inventory:
    """What lies in `root`. Raises `InputError` for what no data set is."""
    made = listing(root, settings)
    found, table, labelled = made.tree, made.table, made.labelled
    classes = _classes(root, labelled)
    unread = [] if table else usable(root, found)
    notes = [f"{listed(unread)} is not read, as there are class folders."] if unread else []
    others = [path for path in found.others if path != table]
    if others:
        what = "file is no picture" if len(others) == 1 else "files are no pictures"
        notes.append(f"{len(others):,} {what}: {listed(others, most=5)}.")
    return Inventory(
        root=root,
        entries=(*labelled.entries, *_unlabelled(found, labelled)),
        classes=classes,
        notes=(
            *labelled.notes,
            *notes,
            *counted_as(made.names),
            *_notes(labelled.entries, classes),
        ),
    )


def _obvious_manifest(root: Path, found: Tree) -> str | None:
    """A table in the folder, if there are no class folders: one folder of pictures at most."""
    folders = {path.rpartition("/")[0] for path in found.pictures}
    tops = {folder for folder in folders if not is_unlabelled(folder.partition("/")[0])} - {""}
    classes = tops - roles(tops).keys()
    return obvious(root, found) if len(classes) <= 1 else None


def _unlabelled(found: Tree, labelled: Labelled) -> Iterable[Entry]:
    known = {entry.path for entry in labelled.entries}
    for path in found.pictures:
        top, slash, _ = path.partition("/")
        if slash and is_unlabelled(top) and path not in known:
            yield Entry(path=path, label=None)


def _classes(root: Path, labelled: Labelled) -> tuple[str, ...]:
    counts = Counter(entry.label for entry in labelled.entries if entry.label is not None)
    classes = tuple(sorted(counts, key=natural))
    broken = [name for name in classes if len(name.splitlines()) != 1 or not _is_text(name)]
    if broken:
        raise InputError(
            f"data set folder: labels.txt holds one class a line in UTF-8, and {listed(broken)} in "
            f"{root} cannot be such a line. Rename the class."
        )
    if not classes:
        raise InputError(
            f"data set folder: all pictures in {root} are without a label, as they lie in a folder "
            "for unlabelled ones. Give labelled pictures too, each class in a folder of its own."
        )
    if len(classes) < 2:
        raise InputError(
            f"data set folder: {root} has only the class {listed(list(classes))}. Give the "
            "pictures of two classes at least, each class in a folder of its own."
        )
    _require_training(root, labelled.entries)
    _require_divisible(root, labelled.entries, classes)
    return classes


def _is_text(name: str) -> bool:
    """Whether UTF-8 can hold a name; the bytes of one that was not in it become surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name) and bool(name.strip())


def _require_training(root: Path, entries: Iterable[Entry]) -> None:
    given = {entry.split for entry in entries}
    if given != {None} and Split.TRAIN not in given:
        raise InputError(
            f"data set folder: no picture in {root} is for training; the splits are "
            f"{', '.join(sorted(map(str, given)))}. Give some of them to the split train."
        )


def _require_divisible(root: Path, entries: Iterable[Entry], classes: tuple[str, ...]) -> None:
    """Enough files of each class for the splits that are not given."""
    given = {entry.split for entry in entries}
    divided = None if given == {None} else Split.TRAIN
    least = 3 if divided is None else 1 + len(set(Split) - given)
    counts = Counter(entry.label for entry in entries if entry.split is divided)
    require_pictures(root, {name: counts[name] for name in classes if counts[name]}, least)


def _notes(entries: Iterable[Entry], classes: tuple[str, ...]) -> Iterator[str]:
    given = {entry.split for entry in entries}
    if given == {None}:
        return
    for split in (Split.VAL, Split.TEST):
        if split not in given:
            yield f"There is no {split} split: a share of the training split is held out for it."
    trained = {entry.label for entry in entries if entry.split is Split.TRAIN}
    for name in classes:
        if name not in trained:
            yield f"There is no training picture of {printable(name)}{twins(name, classes)}."

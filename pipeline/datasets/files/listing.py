"""The labelled files of a folder: of its class folders, or of a table in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.datasets.files.class_folders import Labelled, in_class_folders
from pipeline.datasets.files.inventory import Entry
from pipeline.datasets.files.kind import FileKind
from pipeline.datasets.files.manifest import in_table, obvious, usable
from pipeline.datasets.files.roles import is_unlabelled, roles
from pipeline.datasets.files.settings import FileSettings
from pipeline.datasets.files.spellings import counted_as, one_name, renamed
from pipeline.datasets.files.tree import Tree, tree
from targets.errors import InputError, listed


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The labelled files, before they are known to be a data set."""

    tree: Tree
    table: str | None
    """The table that gives the labels; None: class folders do."""
    labelled: Labelled
    names: Mapping[str, str]
    """Label in the folder -> its name in `labelled`, where that is another one."""
    no_table: str = "there are class folders"
    """Why no table gives the labels."""

    def notes(self, root: Path) -> Iterator[str]:
        """What is left out and what was decided, a sentence each."""
        yield from self.labelled.notes
        if not self.table and (unread := usable(root, self.tree)):
            yield f"{listed(unread)} is not read, as {self.no_table}."
        others = [path for path in self.tree.others if path != self.table]
        if others:
            one, many = self.tree.kind.one, self.tree.kind.many
            what = f"file is no {one}" if len(others) == 1 else f"files are no {many}"
            yield f"{len(others):,} {what}: {listed(others, most=5)}."
        yield from counted_as(self.names)

    def unlabelled(self) -> Iterator[Entry]:
        """The files in a folder for those without a label."""
        known = {entry.path for entry in self.labelled.entries}
        for path in self.tree.files:
            top, slash, _ = path.partition("/")
            if slash and is_unlabelled(top) and path not in known:
                yield Entry(path=path, label=None)


def found_in(root: Path, kind: FileKind) -> Tree:
    """What lies below `root`. Raises `InputError` if there is no file of the kind."""
    if not root.is_dir():
        why = "is not a folder" if root.exists() else "does not exist"
        raise InputError(f"{kind.place}: {root} {why}. Give a folder of {kind.many} with --data.")
    found = tree(root, kind)
    if not found.files:
        raise InputError(
            f"{kind.place}: {root} holds no {kind.one} files ({len(found.others):,} others). "
            f"Give a folder with the {kind.many} of each class in a folder of its own, with --data."
        )
    return found


def listing(root: Path, found: Tree, settings: FileSettings, *, training: bool = True) -> Listing:
    """Raises `InputError` for a folder without labelled files.

    Splits need one for training, unless `training` is False.
    """
    table = settings.manifest or _obvious_manifest(root, found)
    labelled = (
        in_table(root, table, found, settings)
        if table
        else in_class_folders(root, found, settings.depth, training=training)
    )
    return named(Listing(tree=found, table=table, labelled=labelled, names={}), settings)


def named(made: Listing, settings: FileSettings) -> Listing:
    """With one name for each class."""
    names = one_name(made.labelled.entries, merge=settings.merge_labels)
    labelled = replace(made.labelled, entries=renamed(made.labelled.entries, names))
    return replace(made, labelled=labelled, names=names)


def _obvious_manifest(root: Path, found: Tree) -> str | None:
    """A table in the folder, if there are no class folders: one folder of files at most."""
    folders = {path.rpartition("/")[0] for path in found.files}
    tops = {folder for folder in folders if not is_unlabelled(folder.partition("/")[0])} - {""}
    classes = tops - roles(tops).keys()
    return obvious(root, found) if len(classes) <= 1 else None

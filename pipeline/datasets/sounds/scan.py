"""From a folder to its inventory: class folders, a table, or names that hold the class."""

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.datasets.files.class_folders import Labelled
from pipeline.datasets.files.classes import classes_of, split_notes
from pipeline.datasets.files.inventory import Inventory
from pipeline.datasets.files.listing import Listing, found_in, listing, named
from pipeline.datasets.files.tree import Tree
from pipeline.datasets.sounds.clips import SOUNDS
from pipeline.datasets.sounds.lists import LISTS, by_lists
from pipeline.datasets.sounds.pattern import by_names, gives_labels, in_names
from pipeline.datasets.sounds.settings import Settings
from pipeline.datasets.sounds.vocabulary import merged
from targets.errors import InputError

BACKGROUND = "_background_noise_"


@dataclass(frozen=True, kw_only=True)
class Found:
    inventory: Inventory
    recordings: tuple[str, ...]
    """Paths of the background recordings, relative to the root."""


def scan(root: Path, settings: Settings) -> Found:
    """What lies in `root`. Raises `InputError` for what no data set is."""
    recordings, tree = apart(root, found_in(root, SOUNDS), settings.noise)
    made = _labelled(root, tree, settings)
    listed = by_lists(root, tree, made.labelled.entries)
    entries = merged(root, listed.entries, settings)
    classes = classes_of(root, entries, SOUNDS)
    inventory = Inventory(
        kind=SOUNDS,
        root=root,
        entries=(*entries, *made.unlabelled()),
        classes=classes,
        notes=(*made.notes(root), *listed.notes, *split_notes(entries, classes, SOUNDS)),
    )
    return Found(inventory=inventory, recordings=recordings)


def apart(root: Path, tree: Tree, noise: str | None) -> tuple[tuple[str, ...], Tree]:
    """The background recordings, and the tree without them."""
    folder = (noise or BACKGROUND).strip("/")

    def inside(path: str) -> bool:
        return path == folder or path.startswith(f"{folder}/")

    recordings = tuple(path for path in tree.files if inside(path))
    if noise is not None and not recordings:
        raise InputError(
            f"dataset.noise: there is no sound in {root / folder}. Give the folder of background "
            f"recordings, relative to {root}, or leave it out."
        )
    rest = replace(
        tree,
        files=tuple(path for path in tree.files if not inside(path)),
        folders=tuple(path for path in tree.folders if not inside(path)),
        others=tuple(path for path in tree.others if not inside(path)),
    )
    return recordings, rest


def _labelled(root: Path, tree: Tree, settings: Settings) -> Listing:
    pattern, skip = settings.pattern, settings.skip_bad
    others = tuple(path for path in tree.others if path not in LISTS.values())
    plain = replace(tree, others=others)
    if pattern is None:
        return listing(root, plain, settings)
    if gives_labels(pattern):
        labelled = in_names(root, plain, pattern, skip=skip)
        why = "dataset.pattern gives the labels"
        made = Listing(tree=plain, table=None, labelled=labelled, names={}, no_table=why)
        return named(made, settings)
    made = listing(root, plain, settings)
    speakers = by_names(root, made.labelled.entries, pattern, skip=skip)
    notes = (*made.labelled.notes, *speakers.notes)
    return replace(made, labelled=Labelled(entries=speakers.entries, notes=notes))

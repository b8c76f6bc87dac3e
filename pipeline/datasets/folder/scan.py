"""From a folder to its inventory: class folders, or the pictures of a table."""

from pathlib import Path

from pipeline.datasets.files.classes import classes_of, split_notes
from pipeline.datasets.files.inventory import Inventory
from pipeline.datasets.files.listing import found_in, listing
from pipeline.datasets.folder.pictures import PICTURES
from pipeline.datasets.folder.settings import Settings


def scan(root: Path, settings: Settings) -> Inventory:
    """What lies in `root`. Raises `InputError` for what no data set is."""
    made = listing(root, found_in(root, PICTURES), settings)
    entries = made.labelled.entries
    classes = classes_of(root, entries, PICTURES)
    return Inventory(
        kind=PICTURES,
        root=root,
        entries=(*entries, *made.unlabelled()),
        classes=classes,
        notes=(*made.notes(root), *split_notes(entries, classes, PICTURES)),
    )

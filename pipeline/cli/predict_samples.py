"""What `pipeline predict` is given, as the samples of a model of its kind."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from targets.errors import listed

if TYPE_CHECKING:
    from pipeline.datasets.texts.settings import Settings
    from targets.prediction.classifier import Classifier
    from targets.prediction.sample import Sample

STDIN = Path("-")


def samples_of(
    sources: Sequence[Path], classifier: "Classifier", reading: "Settings | None"
) -> "tuple[list[Sample], list[str]]":
    """The samples, and what a user should know of them; `reading` is of files of texts.

    Raises `InputError` where there are none, and for files of another kind.
    """
    from targets.prediction import files

    there = [source for source in sources if reading is None or source != STDIN]
    listing = files.Listing()
    if there:
        listing = files.listed(there, classifier.preparation.kind)
    if reading is None:
        samples, notes = files.samples(listing, classifier.classes), list[str]()
    else:
        contents = _contents([one.path for one in listing.files], stdin=STDIN in sources)
        samples, notes = _of_texts(contents, classifier.classes, reading)
    if listing.skipped:
        notes.append(f"other files in the folders, skipped: {listing.skipped:,}")
    return samples, notes


def _of_texts(
    contents: Iterable[tuple[Path, bytes]], classes: Sequence[str], reading: "Settings"
) -> "tuple[list[Sample], list[str]]":
    from pipeline.datasets.texts.given import texts_in
    from targets.prediction.sample import Sample

    samples: list[Sample] = []
    foreign, notes = Counter[str](), list[str]()
    index = {normalize("NFC", name): number for number, name in enumerate(classes)}
    for path, content in contents:
        given = texts_in(content, path, reading)
        notes += [_about_splits(path)] if given.has_splits else []
        for one in given.texts:
            label = None if one.label is None else index.get(normalize("NFC", one.label))
            if one.label is not None and label is None:
                foreign[one.label] += 1
            samples.append(
                Sample(file=path, line=one.line, text=one.text, label=label, problem=one.problem)
            )
    return samples, notes + ([_about_labels(foreign)] if foreign else [])


def _about_splits(path: Path) -> str:
    return (
        f"{path} has a column of splits, of which all are shown: texts that the model was trained "
        "on may be among them."
    )


def _about_labels(foreign: Counter[str]) -> str:
    named = [f"{label} {count:,}" for label, count in foreign.most_common()]
    return f"labels that are no class of the model, and not counted: {listed(named, most=10)}"


def _contents(paths: Sequence[Path], *, stdin: bool) -> Iterator[tuple[Path, bytes]]:
    from pipeline.datasets.texts.given import contents

    yield from ((path, contents(path)) for path in paths)
    if stdin:
        yield STDIN, sys.stdin.buffer.read()

"""What `pipeline predict` is given, as the samples of a model of its kind."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from targets.errors import UnreadableError, listed

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
    paths = [one.path for one in listing.files]
    if reading is not None:
        contents = _contents(paths, stdin=STDIN in sources)
        samples, notes = _of_texts(contents, classifier.classes, reading)
    elif classifier.preparation.kind == "array":
        samples, notes = _of_arrays(paths, classifier)
    else:
        samples, notes = files.samples(listing, classifier.classes), list[str]()
    if listing.skipped:
        notes.append(f"other files in the folders, skipped: {listing.skipped:,}")
    return samples, notes


def _of_texts(
    contents: Iterable[tuple[Path, bytes]], classes: Sequence[str], reading: "Settings"
) -> "tuple[list[Sample], list[str]]":
    from pipeline.datasets.texts.given import texts_in
    from targets.prediction.sample import Sample

    samples: list[Sample] = []
    known, notes = Labels(classes), list[str]()
    for path, content in contents:
        given = texts_in(content, path, reading)
        notes += [_about_splits(path, "a column of splits", "texts")] if given.has_splits else []
        for one in given.texts:
            label = known.number(one.label)
            samples.append(
                Sample(file=path, line=one.line, text=one.text, label=label, problem=one.problem)
            )
    return samples, notes + known.notes


def _of_arrays(paths: Iterable[Path], classifier: "Classifier") -> "tuple[list[Sample], list[str]]":
    from pipeline.datasets.arrays.given import samples_in
    from targets.prediction.sample import Sample

    samples: list[Sample] = []
    known, notes = Labels(classifier.classes), list[str]()
    shape = classifier.preparation.blank.shape
    for path in paths:
        try:
            given = samples_in(path, shape)
        except UnreadableError as error:
            samples.append(Sample(file=path, problem=str(error)))
            continue
        notes += [_about_splits(path, "splits", "samples")] if given.has_splits else []
        samples += [
            Sample(file=path, row=one.row, values=one.values, label=known.number(one.label))
            for one in given.samples
        ]
    return samples, notes + known.notes


class Labels:
    """The numbers of the classes that labels name, and the labels that name none."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._index = {normalize("NFC", name): number for number, name in enumerate(classes)}
        self._foreign = Counter[str]()

    def number(self, label: str | None) -> int | None:
        found = None if label is None else self._index.get(normalize("NFC", label))
        if label is not None and found is None:
            self._foreign[label] += 1
        return found

    @property
    def notes(self) -> list[str]:
        return [_about_labels(self._foreign)] if self._foreign else []


def _about_splits(path: Path, what: str, many: str) -> str:
    return (
        f"{path} has {what}, of which all are shown: {many} that the model was trained on may be "
        "among them."
    )


def _about_labels(foreign: Counter[str]) -> str:
    named = [f"{label} {count:,}" for label, count in foreign.most_common()]
    return f"labels that are no class of the model, and not counted: {listed(named, most=10)}"


def _contents(paths: Sequence[Path], *, stdin: bool) -> Iterator[tuple[Path, bytes]]:
    from pipeline.datasets.texts.given import contents

    yield from ((path, contents(path)) for path in paths)
    if stdin:
        yield STDIN, sys.stdin.buffer.read()

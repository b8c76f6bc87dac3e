"""`pipeline predict --stream`: the words in long sound files, with their times."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from targets.errors import InputError, UnreadableError, printable

if TYPE_CHECKING:
    from targets.evaluation.streaming import Detection
    from targets.prediction.classifier import Classifier


def detect(
    classifier: "Classifier", sources: Sequence[Path], *, threshold: float | None, as_json: bool
) -> int:
    """A line, or with `as_json` a document, for each detection; then the files that cannot be read.

    Without a `threshold`, the sidecar's, and it is said which one. Raises `InputError` for a model
    of something else than sounds.
    """
    from targets.prediction import files, listening

    how = listening.listening(classifier)
    if threshold is None:
        threshold, origin = listening.threshold_of(classifier)
        click.echo(f"threshold {threshold:g}: {origin}", err=True)
    unreadable = []
    for found in files.listed(sources, classifier.preparation.kind).files:
        try:
            words = listening.heard(classifier, found.path, how, threshold=threshold)
        except UnreadableError as error:
            unreadable.append(f"  {printable(str(found.path))}: {printable(str(error))}")
            continue
        for one in words:
            name = classifier.classes[one.index]
            click.echo(_json(found.path, one, name) if as_json else _line(found.path, one, name))
    if unreadable:
        what = f"Error: {len(unreadable):,} files cannot be read as sounds. Mend or remove them:"
        click.echo("\n".join([what, *unreadable]), err=True)
    return InputError.exit_code if unreadable else 0


def _line(file: Path, one: "Detection", name: str) -> str:
    minutes, seconds = divmod(one.time_s, 60)
    time = f"{int(minutes):3d}:{seconds:05.2f}"
    return f"{printable(str(file))}  {time}  {printable(name)}  {100 * one.probability:.2f} %"


def _json(file: Path, one: "Detection", name: str) -> str:
    return json.dumps(
        {"file": str(file), "time_s": one.time_s, "class": name, "index": one.index,
         "probability": one.probability}
    )  # fmt: skip

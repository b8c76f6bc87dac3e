"""`pipeline predict --microphone`: a line for each window that is heard, until Ctrl-C."""

import json
from datetime import datetime
from typing import TYPE_CHECKING

import click

from targets.errors import InputError, printable

if TYPE_CHECKING:
    from targets.prediction.classifier import Classifier, Prediction


def listen(classifier: "Classifier", *, top: int, as_json: bool) -> int:
    """Raises `InputError` for a model that takes no sounds, and as `microphone.windows`."""
    from targets.prediction.preparation.sounds import OfSounds
    from targets.sounds import microphone

    how = classifier.preparation
    if not isinstance(how, OfSounds):
        raise InputError(
            f"--microphone: the model takes {classifier.words.many}, and no sounds. Leave it out, "
            "or give a model of sounds."
        )
    windows = microphone.windows(how.how)
    click.echo(f"listening, {how.how.samples / how.how.rate:g} s at a time: Ctrl-C ends", err=True)
    try:
        for window in windows:
            found = classifier.classified(window, top=top)
            click.echo(json.dumps(_as_json(found)) if as_json else _line(found))
    except KeyboardInterrupt:
        click.echo("", err=True)
    return 0


def _line(found: "Prediction") -> str:
    shares = "  ".join(f"{printable(one.name)} {100 * one.probability:.2f} %" for one in found.top)
    return f"{datetime.now():%H:%M:%S}  {shares}{'  unknown' if found.unknown else ''}"


def _as_json(found: "Prediction") -> dict[str, object]:
    return {
        "time": datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "unknown": found.unknown,
        "top": [
            {"class": one.name, "index": one.index, "probability": one.probability}
            for one in found.top
        ],
    }

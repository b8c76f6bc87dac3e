"""The options that say how pictures become the input of a model, and the `Classifier` they make."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pipeline.cli.options import PATH
from targets.errors import InputError

if TYPE_CHECKING:
    from targets.prediction.classifier import Classifier

LABELS = click.option(
    "--labels", type=PATH, help="File with the names of the classes, one per line."
)
SIZE = click.option(
    "--size", metavar="N|HxW", help="Size of the input, where the model leaves it open."
)
CHANNELS = click.option(
    "--channels",
    type=click.Choice(["1", "3"]),
    help="Channels of the input: 3 for RGB, 1 for grey, where the model leaves them open.",
)
FIT = click.option(
    "--fit",
    type=click.Choice(["crop", "pad", "stretch"]),
    help="How a picture is fitted into the input [default: crop].",
)


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """These options as the command line gives them; None: the model file or its sidecar says it."""

    labels: Path | None = None
    size: str | None = None
    channels: str | None = None
    fit: Literal["crop", "pad", "stretch"] | None = None
    scale: str | None = None
    offset: str | None = None
    output: Literal["logits", "probabilities"] | None = None
    output_name: str | None = None

    def classifier(self, model: Path) -> "Classifier":
        from targets import Classifier

        return Classifier(
            model,
            classes=None if self.labels is None else _names(self.labels),
            size=None if self.size is None else _size(self.size),
            channels=None if self.channels is None else (1 if self.channels == "1" else 3),
            fit=self.fit,
            scale=factor(self.scale, "--scale"),
            offset=factor(self.offset, "--offset"),
            output=self.output,
            output_name=self.output_name,
        )


def factor(text: str | None, option: str) -> float | tuple[float, ...] | None:
    """One number, or one per channel divided by commas; each may be a fraction."""
    if text is None:
        return None
    try:
        values = tuple(_number(part) for part in text.split(","))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(
            f"{option} {text}: is a number or a fraction such as 1/255, or one per channel as in "
            "0.017,0.018,0.017."
        ) from error
    return values[0] if len(values) == 1 else values


def _number(text: str) -> float:
    above, slash, below = text.partition("/")
    return float(above) / (float(below) if slash else 1.0)


def _names(path: Path) -> list[str]:
    try:
        names = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no UTF-8 text"
        raise InputError(
            f"--labels {path}: cannot be read: {reason}. Give a text file, one class per line."
        ) from error
    while names and not names[-1].strip():
        names.pop()
    return names


def _size(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise InputError(
            f"--size {text}: is a whole number above 0, or height and width as in --size 96x128."
        )
    return int(sides[0]), int(sides[-1])

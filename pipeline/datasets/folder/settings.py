"""The keys of `[dataset]` that a folder of pictures has."""

from typing import Literal

from pipeline.datasets.files.settings import FileSettings
from pipeline.recipe.section import PositiveInt
from targets.images.preprocessing import Fit


class Settings(FileSettings):
    """Beside them, `size` is the side of the square input in pixels: null takes the pictures' own
    size if all are square, equal and of 64 pixels at most, and else 96."""

    fit: Fit = "crop"
    """How a picture becomes square: `crop` takes the centre, `pad` adds grey bars, `stretch`
    changes the aspect."""
    channels: Literal["auto", 1, 3] = "auto"
    """3 is RGB, 1 brightness; `auto` is 1 if every file is grey."""
    canvas: PositiveInt | None = None
    """Shorter side in pixels of the pictures that random crops are taken from; larger ones are
    scaled down to it. Null is 1.25 times `size`."""

"""What every kind of input offers to a `Classifier`."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from targets.formats.input_kinds import Words
from targets.formats.input_spec import Kind

if TYPE_CHECKING:
    from PIL.Image import Image

Item: TypeAlias = "str | os.PathLike[str] | bytes | npt.NDArray[np.generic] | Image"
"""A picture: a file, its contents, pixels uint8 [height, width] or [height, width, channels], or
Pillow's image. A sound: a file, its contents, or [samples] at the model's rate, int16 or floats
from -1 to 1. A text: a `str`. An array: an .npy file, its contents, or numbers [*shape]."""
Raw = npt.NDArray[Any]

NOUNS: Mapping[Kind, Words] = MappingProxyType(
    {
        "image": Words("picture", "pictures"),
        "waveform": Words("sound", "sounds"),
        "tokens": Words("text", "texts"),
        "array": Words("sample", "samples"),
    }
)
"""What a person calls the items, before they are the samples of a model."""


class Preparation(Protocol):
    """How the items of one kind become raw inputs. Equal ones give equal bytes."""

    @property
    def kind(self) -> Kind: ...

    @property
    def how(self) -> BaseModel:
        """As the sidecar says it."""
        ...

    @property
    def blank(self) -> Raw:
        """The raw input [*shape] of what shows nothing: grey, silence, no word."""
        ...

    def __call__(self, item: Item) -> Raw:
        """The raw input [*shape]. Raises `UnreadableError`. Any thread may call it."""
        ...

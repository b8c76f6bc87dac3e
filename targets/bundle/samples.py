"""Test samples that a run keeps in `samples/`, so that the receiver of its files can check them.

`samples/1`: each with the class that every file gave it. They are the input as it is: pixels as a
PNG, anything else as an .npy.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from targets.errors import InputError

SCHEMA: Final = "samples/1"
FOLDER = "samples"
FILE = "samples.json"
MOST = 32
CLEAR = 0.6
"""A sample whose class has this probability in every file comes first: its margin is 0.2."""

Raw = npt.NDArray[np.generic]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class KeptSample(Section):
    file: str = Field(pattern=r"^\w+\.(png|npy)$")
    """Name in the folder."""
    index: int
    """Place in the test split."""
    label: str
    predicted: dict[str, str]
    """Name of a model file -> the class that it gave, on every device."""


class Samples(Section):
    schema_: Literal["samples/1"] = Field(default=SCHEMA, alias="schema")
    samples: tuple[KeptSample, ...]


def choose(
    labels: Sequence[int], lowest: npt.NDArray[np.float64], *, most: int = MOST
) -> list[int]:
    """Indices of samples, from every class in turn, so that any number of the first is spread.

    `lowest`: the lowest confidence that a file has in its class, [samples]; a sample with NaN is
    left out. In a class the clear samples come first, in their order, then the clearest.
    """

    def rank(index: int) -> tuple[float, int]:
        return max(0.0, CLEAR - float(lowest[index])), index

    usable = [index for index in range(len(labels)) if not np.isnan(lowest[index])]
    present = sorted({labels[index] for index in usable})
    places = np.linspace(0, len(present) - 1, min(most, len(present))).round().astype(int)
    by_class = [
        sorted((i for i in usable if labels[i] == present[place]), key=rank)[:most]
        for place in places
    ]
    turns = chain.from_iterable(zip_longest(*by_class))
    return [index for index in turns if index is not None][:most]


def write(folder: Path, images: Raw, chosen: Mapping[int, KeptSample]) -> None:
    """Write the folder; `chosen`: index -> its sample, whose file is written here."""
    folder.mkdir()
    for index, sample in chosen.items():
        write_input(folder / sample.file, np.asarray(images[index]))
    kept = Samples(samples=tuple(chosen.values()))
    (folder / FILE).write_text(kept.model_dump_json(by_alias=True, indent=1) + "\n", "utf-8")


def suffix(images: Raw) -> str:
    """Of the files of samples [n, ...]."""
    is_picture = images.dtype == np.uint8 and images.ndim == 4 and images.shape[-1] in (1, 3)
    return "png" if is_picture else "npy"


def write_input(path: Path, raw: Raw) -> None:
    if path.suffix == ".npy":
        np.save(path, raw, allow_pickle=False)
        return
    from PIL import Image

    Image.fromarray(raw[..., 0] if raw.shape[-1] == 1 else raw).save(path, optimize=True)


def read_input(path: Path, *, shape: Sequence[int]) -> Raw:
    """The raw input of this shape. Raises `InputError` where the file holds another one."""
    from PIL import Image

    try:
        if path.suffix == ".npy":
            raw: Raw = np.load(path, allow_pickle=False)
        else:
            with Image.open(path, formats=["PNG"]) as image:
                raw = np.asarray(image).reshape(shape)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(
            f"{path}: cannot be read as an input of {list(shape)}: {error}. Run the recipe again."
        ) from error
    if raw.shape != tuple(shape):
        raise InputError(
            f"{path}: is an input of {list(raw.shape)}, not of {list(shape)}. Run the recipe again."
        )
    return raw


def read(run: Path) -> Samples:
    """The samples that the run in `run` kept."""
    path = run / FOLDER / FILE
    try:
        return Samples.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror}. A bundle needs the samples that a run "
            "keeps when it measures: run the recipe again, with bench.enabled = true."
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: is no {SCHEMA} document: {key}: {first['msg']}. Run the recipe again."
        ) from error

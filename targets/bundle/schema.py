"""`bundle.json`, schema `bundle/1`: what a bundle holds, and what its receiver can check."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = "bundle/1"
NAME = "bundle.json"
SUMS = "SHA256SUMS"
SIGNATURE = "model.sig"
"""Written by OpenSSF model-signing, over all other files."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class BundledModel(Section):
    """A model file; its sidecar `<file>.json` holds classes, input and preprocessing."""

    name: str
    file: str
    """Path in the bundle, with `/`."""
    sha256: str
    measured_sha256: str
    """Digest of the file that the run measured: the same network, without the metadata of the
    bundle."""


class Sample(Section):
    """A test sample, with the classes that the run recorded."""

    file: str
    """Path in the bundle: a PNG with the pixels of the input, or an .npy of the raw input."""
    label: str
    predicted: dict[str, str]
    """The class that each model file gave, by its path in the bundle."""


class Bundle(Section):
    schema_: Literal["bundle/1"] = Field(default="bundle/1", alias="schema")
    name: str
    version: str
    created_utc: str
    """Of the run: the same run gives the same bytes."""
    recommended: str
    """Path of the model file to deploy."""
    models: tuple[BundledModel, ...] = Field(min_length=1)
    samples: tuple[Sample, ...]

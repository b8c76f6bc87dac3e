"""A network as data: what it is built from, its weights in a file, its size."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue

from pipeline.models import STUDENTS, TEACHERS
from targets.files.npy_file import zipped
from targets.formats.input_spec import InputSpec
from targets.untyped import KerasModel


class NetworkSpec(BaseModel):
    """Everything that rebuilds the layers of a network."""

    model_config = ConfigDict(frozen=True)

    role: Literal["teacher", "student"]
    family: str
    settings: dict[str, JsonValue]
    """The family's `Settings`, as JSON."""
    input: InputSpec
    classes: int


def build(spec: NetworkSpec) -> KerasModel:
    """A tf_keras functional model: [batch, *input.features] to logits [batch, classes]."""
    family = (TEACHERS if spec.role == "teacher" else STUDENTS)[spec.family]
    settings = family.Settings.model_validate(spec.settings)
    shape = spec.input.features
    if spec.input.vocabulary is not None:
        shape = *shape, spec.input.vocabulary
    return family.build(shape, spec.classes, name=spec.role, settings=settings)


def features(model: KerasModel) -> KerasModel:
    """The same network without its classifier: the input to features [batch, channels]."""
    from tf_keras import Model

    return Model(model.input, model.layers[-1].input, name="features")


def save_weights(model: KerasModel, path: Path) -> None:
    """All weights, in the model's order, as `.npz`: a `.keras` file holds a date, this does not."""
    arrays = {f"{i:04d}:{w.name}": w.numpy() for i, w in enumerate(model.weights)}
    path.write_bytes(zipped(arrays))


def load_weights(model: KerasModel, path: Path) -> None:
    """Read a file of `save_weights` into a model of the same layers."""
    with np.load(path) as file:
        model.set_weights([file[name] for name in sorted(file.files)])


def count_parameters(model: KerasModel) -> int:
    """Trainable and batch-norm statistics, as Keras counts them."""
    return int(model.count_params())

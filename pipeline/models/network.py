"""A network as data: what it is built from, its weights in a file, its size."""

from collections.abc import Sequence
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
    members: int = 1
    """More than one: as many networks, and the mean of their logits."""


def build(spec: NetworkSpec) -> KerasModel:
    """A tf_keras functional model: [batch, *input.features] to logits [batch, classes]."""
    if spec.members > 1:
        return mean_of([member(spec, number) for number in range(spec.members)], name=spec.role)
    return _built(spec, name=spec.role)


def member(spec: NetworkSpec, number: int) -> KerasModel:
    """One of the networks of `spec`, the only one included."""
    return _built(spec, name=spec.role if spec.members == 1 else f"{spec.role}_{number}")


def mean_of(models: Sequence[KerasModel], *, name: str) -> KerasModel:
    """A model of the same input that gives the mean of the outputs of `models`."""
    from tf_keras import Model, layers

    (first, *_) = models
    source = layers.Input(first.input_shape[1:], dtype=first.input.dtype, name=first.input.name)
    outputs = [model(source) for model in models]
    return Model(source, layers.Average(name="logits", dtype="float32")(outputs), name=name)


def _built(spec: NetworkSpec, *, name: str) -> KerasModel:
    family = (TEACHERS if spec.role == "teacher" else STUDENTS)[spec.family]
    settings = family.Settings.model_validate(spec.settings)
    shape = spec.input.features
    if spec.input.vocabulary is not None:
        shape = *shape, spec.input.vocabulary
    return family.build(shape, spec.classes, name=name, settings=settings)


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

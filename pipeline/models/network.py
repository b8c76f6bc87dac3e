"""A network as data: what it is built from, its weights in a file, its size."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue

from pipeline.models import STUDENTS, TEACHERS
from targets.files.npy_file import zipped
from targets.formats.input_spec import InputSpec
from targets.untyped import KerasLayer, KerasModel


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
    """A tf_keras functional model: images [batch, *input.shape] to logits [batch, classes]."""
    family = (TEACHERS if spec.role == "teacher" else STUDENTS)[spec.family]
    settings = family.Settings.model_validate(spec.settings)
    return family.build(spec.input.shape, spec.classes, name=spec.role, settings=settings)


def features(model: KerasModel) -> KerasModel:
    """The same network without its classifier: images to features [batch, channels]."""
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


def count_macs(model: KerasModel) -> int:
    """Multiply-accumulates of the convolutions and dense layers for one sample."""
    return sum(_layer_macs(layer) for layer in model.layers)


def _layer_macs(layer: KerasLayer) -> int:
    kind = type(layer).__name__
    if kind in ("Conv2D", "DepthwiseConv2D"):
        _, height, width, _ = layer.output_shape
        kernel = layer.depthwise_kernel if kind == "DepthwiseConv2D" else layer.kernel
        return int(height * width * np.prod(kernel.shape))
    if kind == "Dense":
        return int(np.prod(layer.kernel.shape))
    return 0

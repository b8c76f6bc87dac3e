"""A network as data: what it is built from, its weights in a file, its size."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.engine import plugins
from pipeline.models import STUDENTS, TEACHERS
from targets.formats.input_spec import InputSpec

Keras = Any  # tf_keras has no types; the alias says what is meant


class NetworkSpec(BaseModel):
    """Everything that rebuilds the layers of a network: family, its arguments, input, classes."""

    model_config = ConfigDict(frozen=True)

    role: str
    family: str
    arguments: dict[str, Any]
    input: InputSpec
    classes: int


def build(spec: NetworkSpec) -> Keras:
    """A tf_keras functional model: normalised images [batch, h, w, c] to logits [batch, classes].

    Every layer is named by its family: automatic names count up with each model that a process
    builds, and would change the bytes of the exported file.
    """
    kind: plugins.Kind = "teachers" if spec.role == "teacher" else "students"
    built_in = TEACHERS if spec.role == "teacher" else {**TEACHERS, **STUDENTS}
    module = import_module(plugins.require(kind, spec.family, built_in, word="network family"))
    return module.build(spec.input.shape, spec.classes, name=spec.role, **spec.arguments)


def save_weights(model: Keras, path: Path) -> None:
    """All weights, in the model's order, as `.npz`: a `.keras` file holds a date, this does not."""
    arrays = {f"{i:04d}:{w.name}": w.numpy() for i, w in enumerate(model.weights)}
    np.savez(path, **arrays)


def load_weights(model: Keras, path: Path) -> None:
    """What `save_weights` wrote, into a model of the same layers."""
    with np.load(path) as file:
        model.set_weights([file[name] for name in sorted(file.files)])


def count_parameters(model: Keras) -> int:
    """Trainable and batch-norm statistics, as Keras counts them."""
    return int(model.count_params())


def count_macs(model: Keras) -> int:
    """Multiply-accumulates of the convolutions and dense layers for one sample."""
    return sum(_layer_macs(layer) for layer in model.layers)


def _layer_macs(layer: Keras) -> int:
    kind = type(layer).__name__
    if kind in ("Conv2D", "DepthwiseConv2D"):
        _, height, width, _ = layer.output_shape
        kernel = layer.depthwise_kernel if kind == "DepthwiseConv2D" else layer.kernel
        return int(height * width * np.prod(kernel.shape))
    if kind == "Dense":
        return int(np.prod(layer.kernel.shape))
    return 0

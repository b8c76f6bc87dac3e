"""Layers that quantization-aware training cannot handle, found before anything trains.

tfmot finds them only when the trained network is wrapped, and then names one layer. Its own
registry decides what it supports; what it accepts and gets wrong is listed here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.models import STUDENTS, TEACHERS
from pipeline.models.contract import why_no_int8
from pipeline.models.layers import LOOP
from targets.errors import InputError
from targets.formats.precisions import PRECISIONS
from targets.untyped import KerasLayer, KerasModel, KerasNode

if TYPE_CHECKING:
    from pipeline.quantization.scheme import PerChannelRegistry

FOLDED = ("Conv2D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "Dense")
"""What a batch norm is folded into."""
NORMS = ("BatchNormalization", "SyncBatchNormalization")
SPLIT = ("SeparableConv1D", "SeparableConv2D")
"""Not in the registry: tfmot splits them into layers that are."""

FLATTEN = "build the network of layers of its own"
NO_QAT = "leave it out, or ask for the precision dynamic or float16, which need no retraining"
REMEDIES = {
    "Rescaling": "leave it out: raw pixels are normalised in front of the network",
    "Normalization": "leave it out: raw pixels are normalised in front of the network",
    "Multiply": "leave it out (squeeze-and-excite), or scale by a convolution",
    "Lambda": "write it with layers that tfmot knows",
    "TFOpLambda": "write it with layers that tfmot knows",
    "SlicingOpLambda": "write it with layers that tfmot knows",
    "Conv1D": "take Conv2D over [steps, 1, channels] with a kernel of [n, 1]",
    "LayerNormalization": "take BatchNormalization behind each convolution",
}
"""Kind of layer -> what to do instead; `NO_QAT` for any other."""


def need_samples(precisions: Iterable[str]) -> bool:
    return any(PRECISIONS[name].needs_samples for name in precisions)


def need_calibration(precisions: Iterable[str]) -> bool:
    """Whether the converter reads ranges of activations for any file."""
    return any(PRECISIONS[name].calibrated for name in precisions)


def need_quantization(precisions: Iterable[str]) -> bool:
    """Whether any file is made by quantization-aware training."""
    return any(PRECISIONS[name].quantization_aware for name in precisions)


@dataclass(frozen=True, kw_only=True)
class Problem:
    layer: str
    kind: str
    why: str
    remedy: str


def problems(model: KerasModel) -> tuple[Problem, ...]:
    """The layers of a tf_keras `model` that cannot be quantized, or would be wrong, in order."""
    import tf_keras

    functional = isinstance(model, tf_keras.Sequential) or model._is_graph_network
    if not functional:
        why = "only functional and sequential models can be quantized"
        return (_problem(model, why=why, remedy="build it with tf_keras.Model(inputs, outputs)"),)
    return tuple(problem for layer in model.layers for problem in _of(layer, model))


def require_quantizable(model: KerasModel, *, family: str) -> None:
    """Raise one `InputError` that names every layer of `problems`, with its remedy."""
    found = sorted(problems(model), key=_message)
    if not found:
        return
    parts = []
    for (kind, why, remedy), group in groupby(found, key=_message):
        names = ", ".join(f"'{problem.layer}'" for problem in group)
        parts.append(f"{kind} {names}: {why}; {remedy}.")
    raise InputError(
        f"family {family}: cannot be quantized to int8 as it is. {' '.join(parts)} Families that "
        f"can: {', '.join(_quantizable(but=family))}."
    )


def _quantizable(*, but: str) -> list[str]:
    """The other built-in students with int8 forms that take all kinds of data that `but` takes, or
    else one of them."""
    taken = {*(STUDENTS if but in STUDENTS else TEACHERS)[but].TAKES}
    others = {
        name: {*family.TAKES}
        for name, family in zip(STUDENTS, STUDENTS.values(), strict=True)
        if name != but and not why_no_int8(family)
    }
    whole = [name for name in others if taken <= others[name]]
    return whole or [name for name in others if taken & others[name]]


def require_calibratable(model: KerasModel, *, family: str) -> None:
    """Raise `InputError` for layers with a loop, on which TFLite's calibration ends the process."""
    from tf_keras import layers

    loops = [
        f"{type(one).__name__} '{one.name}'"
        for one in model._flatten_layers(include_self=False)
        if isinstance(one, layers.RNN)
    ]
    if loops:
        remedy = """--set 'convert.precisions=["float32", "dynamic"]'"""
        raise InputError(
            f"family {family}: cannot be int8_ptq or int16x8: {', '.join(loops)}: {LOOP}. "
            f"It can be float32, float16 or dynamic: give {remedy}."
        )


def _message(problem: Problem) -> tuple[str, str, str]:
    return problem.kind, problem.why, problem.remedy


def _problem(layer: KerasLayer, *, why: str, remedy: str, kind: str | None = None) -> Problem:
    kind = kind or type(layer).__name__
    return Problem(layer=layer.name, kind=kind, why=why, remedy=remedy)


def _of(layer: KerasLayer, model: KerasModel) -> Iterator[Problem]:
    import tf_keras

    kind = type(layer).__name__
    if layer.compute_dtype != layer.dtype:
        policy = layer.dtype_policy.name
        remedy = "build it under the policy float32"
        yield _problem(layer, why=f"its policy is {policy}, which fails in training", remedy=remedy)
    if isinstance(layer, tf_keras.layers.InputLayer):
        return
    if isinstance(layer, tf_keras.Model):
        yield _problem(layer, why="a model inside a model is not flattened", remedy=FLATTEN)
    elif kind in NORMS:
        yield from _batch_norm(layer, model)
    elif kind not in SPLIT and not _registry().supports(layer):
        remedy = REMEDIES.get(kind, NO_QAT)
        yield _problem(layer, why="tfmot has no quantization for it", remedy=remedy)
    else:
        yield from _activation(layer)


@cache
def _registry() -> "PerChannelRegistry":
    from pipeline.quantization.scheme import PerChannelRegistry

    return PerChannelRegistry()


def _batch_norm(layer: KerasLayer, model: KerasModel) -> Iterator[Problem]:
    """tfmot supports a batch norm only at the end of a pattern that it can be folded into."""
    before = [source for node in layer.inbound_nodes for source in _sources(node)]
    if len(before) == 1 and _feeds_only_one(before[0], model):
        source = before[0]
        if type(source).__name__ in FOLDED and _name(source.activation) == "linear":
            return
    yield _problem(
        layer,
        why="it can be folded only into a convolution or dense layer directly in front of it that "
        "has no activation and feeds nothing else",
        remedy="put it there, as in Conv-BN-ReLU",
    )


def _sources(node: KerasNode) -> list[KerasLayer]:
    inbound = node.inbound_layers
    return list(inbound) if isinstance(inbound, list) else [inbound]


def _feeds_only_one(layer: KerasLayer, model: KerasModel) -> bool:
    inside = {id(other) for other in model.layers}
    consumers = [node for node in layer.outbound_nodes if id(node.outbound_layer) in inside]
    is_output = any(layer.output is output for output in model.outputs)
    return len(layer.inbound_nodes) == 1 and len(consumers) == 1 and not is_output


def _activation(layer: KerasLayer) -> Iterator[Problem]:
    """Activations that tfmot refuses, and relu6 as a function, which it accepts and gets wrong."""
    name = _name(getattr(layer, "activation", None))
    kind = f"{type(layer).__name__}({name})"
    behind = "a linear activation and a layer tf_keras.layers.ReLU(6.0) or ReLU() behind it"
    if name == "relu6" and type(layer).__name__ == "Activation":
        why = "it is quantized a second time in front, and int8 runtimes cannot fuse it"
        yield _problem(layer, kind=kind, why=why, remedy="take the layer tf_keras.layers.ReLU(6.0)")
    elif not _accepted(layer):
        yield _problem(
            layer, kind=kind, why="tfmot refuses this activation", remedy=f"take {behind}"
        )


def _accepted(layer: KerasLayer) -> bool:
    """Whether tfmot finds quantizers for the activations of a layer."""
    from tensorflow_model_optimization.python.core.quantization.keras import (
        quantize_aware_activation as activations,
    )

    aware = activations.QuantizeAwareActivation
    known = aware._PRE_QUANT_ACTIVATIONS | aware._POST_QUANT_ACTIVATIONS
    if type(layer).__name__ in SPLIT:
        return _name(layer.activation) in known
    config = _registry().get_quantize_config(layer)
    try:
        config.get_output_quantizers(layer)
    except ValueError:  # raised for an Activation that it does not know
        return False
    return all(_name(used) in known for used, _ in config.get_activations_and_quantizers(layer))


def _name(activation: object) -> str:
    """tfmot's name of an activation."""
    return str(getattr(activation, "__name__", type(activation).__name__))

"""The layers of a file as those of a network, whatever the names of the file."""

from collections.abc import Iterator

from pipeline.models.pretrained.files import Layers
from pipeline.models.pretrained.state_dict import Array
from targets.errors import InputError
from targets.untyped import KerasLayer, KerasModel

SHOWN = 3
"""Layers in an error."""


def fit(model: KerasModel, layers: Layers, *, source: str) -> bool:
    """Set all weights of `model`, the classifier's only if it has the same classes: whether it has.

    Layers are matched by name, or in order where the file has other names. Raises `InputError` that
    names the first layers that do not fit, and leaves the model as it was.
    """
    *body, classifier = (layer for layer in model.layers if layer.weights)
    pairs = list(_pairs(body, layers))
    problems = [text for layer, name in pairs if (text := _problem(layer, layers.get(name), name))]
    extra = [name for name in layers if name not in {name for _, name in pairs}]
    if len(extra) > 1:
        problems.append(f"the file has further layers: {', '.join(extra[:SHOWN])}")
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise InputError(
            f"weights {source}: do not fit the {model.name}: {'; '.join(problems[:SHOWN])}{more}. "
            "Give a file of the same family, width, depth and number of colours."
        )
    for layer, name in pairs:
        layer.set_weights(_turned(layer, layers[name]))
    same = bool(extra) and not _problem(classifier, layers[extra[0]], extra[0])
    if same:
        classifier.set_weights(_turned(classifier, layers[extra[0]]))
    return same


def _pairs(body: list[KerasLayer], layers: Layers) -> Iterator[tuple[KerasLayer, str]]:
    names = [layer.name for layer in body]
    if not any(name in layers for name in names):
        theirs = list(layers)[: len(body)]
        names = [*theirs, *[""] * (len(body) - len(theirs))]
    yield from zip(body, names, strict=True)


def _problem(layer: KerasLayer, arrays: list[Array] | None, name: str) -> str:
    """Why the arrays are not those of `layer`; empty where they are."""
    if arrays is None:
        return f"the file has no layer {layer.name}"
    ours = [tuple(weight.shape) for weight in layer.weights]
    theirs = [array.shape for array in _turned(layer, arrays)]
    if ours == theirs:
        return ""
    return f"layer {layer.name} is {_shown(ours)}, '{name}' in the file {_shown(theirs)}"


def _turned(layer: KerasLayer, arrays: list[Array]) -> list[Array]:
    """PyTorch has the channels of a depthwise kernel last, [height, width, 1, channels]."""
    kernel, depthwise = arrays[0], type(layer).__name__ == "DepthwiseConv2D"
    if depthwise and kernel.ndim == 4 and kernel.shape[2] == 1:
        return [kernel.swapaxes(2, 3), *arrays[1:]]
    return arrays


def _shown(shapes: list[tuple[int, ...]]) -> str:
    return " + ".join("x".join(map(str, shape)) for shape in shapes)

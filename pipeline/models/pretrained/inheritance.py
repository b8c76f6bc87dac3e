"""A student that starts with a subset of its teacher's weights: Xu et al. 2024, arXiv 2311.18823.

Each layer takes evenly spaced channels of the teacher's layer of the same name; a shorter stage
has its teacher's first blocks. A set of channels depends on the two widths alone, so that it is the
same at both ends of every connection, sums included. An encoder of half the depth takes every
second layer of its teacher's (DistilBERT: Sanh et al. 2019, arXiv 1910.01108).
"""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipeline.models.pretrained.state_dict import Array
from pipeline.models.transformer import LAYER
from targets.errors import InputError
from targets.untyped import KerasLayer, KerasModel

SHOWN = 3
NUMBERED = re.compile(rf"^{LAYER}(\d+)_")
WHOLE = ("Bidirectional", "GRU", "LSTM")
"""Layers whose gates are beside each other in one array, so that no units of it can be picked."""


def inherit(*, student: KerasModel, teacher: KerasModel) -> None:
    """Set all weights of `student`; raise `InputError` where the teacher has no such layer, or a
    narrower one."""
    theirs = {layer.name: layer for layer in teacher.layers}
    names = taken_from([layer.name for layer in student.layers], theirs)
    pairs = [(layer, theirs.get(names[layer.name])) for layer in student.layers]
    problems = [text for own, other in pairs if (text := _problem(own, other))]
    if problems:
        raise InputError(
            f"distill.init = teacher: {'; '.join(problems[:SHOWN])}. The student must be of its "
            "teacher's family and form, in no part wider or deeper."
        )
    for own, other in pairs:
        if own.weights and other is not None:
            shapes = [tuple(weight.shape) for weight in own.weights]
            own.set_weights(selected(own, other.get_weights(), shapes))


def taken_from(student: Iterable[str], teacher: Iterable[str]) -> dict[str, str]:
    """Each layer of a student -> the teacher's layer that it takes weights of, by name.

    Of the teacher's layers of an encoder, those that are spaced evenly, from the first on.
    """
    own, others = list(student), list(teacher)
    depth, available = _depth(own), _depth(others)

    def source(found: re.Match[str]) -> str:
        return f"{LAYER}{int(found[1]) * max(depth, available) // depth}_"

    return {name: NUMBERED.sub(source, name) for name in own}


def _depth(names: Iterable[str]) -> int:
    """The number of layers of the encoder that the names of a network's layers show."""
    return len({found[1] for name in names if (found := NUMBERED.match(name))})


def evenly_spaced(channels: int, kept: int) -> npt.NDArray[np.intp]:
    """Indices of `kept` out of `channels`, the first and the last among them."""
    return np.linspace(0, channels - 1, kept).round().astype(np.intp)


def selected(layer: KerasLayer, arrays: list[Array], shapes: list[tuple[int, ...]]) -> list[Array]:
    """The part of a teacher's `arrays` that has `shapes`.

    The kernels of sums over input channels are scaled by all / kept, for sums of the same size.
    """
    chosen = [_subset(array, shape) for array, shape in zip(arrays, shapes, strict=True)]
    if type(layer).__name__ in ("Conv2D", "Dense"):
        chosen[0] = chosen[0] * np.float32(arrays[0].shape[-2] / shapes[0][-2])
    return chosen


def _subset(array: Array, shape: tuple[int, ...]) -> Array:
    axes = (evenly_spaced(all_, kept) for all_, kept in zip(array.shape, shape, strict=True))
    chosen: Array = array[np.ix_(*axes)]
    return chosen


def _problem(own: KerasLayer, theirs: KerasLayer | None) -> str:
    if theirs is None:
        return f"the teacher has no layer {own.name}" if own.weights else ""
    heads, all_heads = (getattr(layer, "heads", None) for layer in (own, theirs))
    if heads != all_heads:
        return f"layer {own.name} has {heads} heads, the teacher's {all_heads}"
    for mine, other in zip(own.weights, theirs.weights, strict=True):
        if type(own).__name__ in WHOLE and mine.shape != other.shape:
            return f"layer {own.name} is recurrent, and has another size than the teacher's"
        if any(small > large for small, large in zip(mine.shape, other.shape, strict=True)):
            return f"layer {own.name} has {mine.shape[-1]} channels, the teacher's fewer"
    return ""

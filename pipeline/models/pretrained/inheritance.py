"""A student that starts with a subset of its teacher's weights: Xu et al. 2024, arXiv 2311.18823.

Each layer takes evenly spaced channels of the teacher's layer of the same name; a shorter stage
has its teacher's first blocks. A set of channels depends on the two widths alone, so that it is the
same at both ends of every connection, sums included.
"""

import numpy as np
import numpy.typing as npt

from pipeline.models.pretrained.state_dict import Array
from targets.errors import InputError
from targets.untyped import KerasLayer, KerasModel

SHOWN = 3


def inherit(*, student: KerasModel, teacher: KerasModel) -> None:
    """Set all weights of `student`; raise `InputError` where the teacher has no such layer, or a
    narrower one."""
    theirs = {layer.name: layer for layer in teacher.layers}
    layers = [layer for layer in student.layers if layer.weights]
    problems = [text for own in layers if (text := _problem(own, theirs.get(own.name)))]
    if problems:
        raise InputError(
            f"distill.init = teacher: {'; '.join(problems[:SHOWN])}. The student must be of its "
            "teacher's family and form, in no part wider or deeper."
        )
    for own in layers:
        shapes = [tuple(weight.shape) for weight in own.weights]
        own.set_weights(selected(own, theirs[own.name].get_weights(), shapes))


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
        return f"the teacher has no layer {own.name}"
    for mine, other in zip(own.weights, theirs.weights, strict=True):
        if any(small > large for small, large in zip(mine.shape, other.shape, strict=True)):
            return f"layer {own.name} has {mine.shape[-1]} channels, the teacher's fewer"
    return ""

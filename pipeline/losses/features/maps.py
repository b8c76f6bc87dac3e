"""Feature maps of two networks that have the same size."""

from targets.errors import InputError
from targets.untyped import KerasModel, Tensor

Maps = dict[tuple[int, int], Tensor]


def matching(*, student: KerasModel, teacher: KerasModel, loss: str) -> list[tuple[Tensor, Tensor]]:
    """(student's, teacher's) last map of each (height, width) that both have, largest first.

    Raises `InputError`, which names `loss`, where they share no size.
    """
    own, other = _maps(student), _maps(teacher)
    sizes = [size for size in own if size in other]
    if not sizes:
        raise InputError(
            f"distill.features: {loss} compares feature maps of equal size, and student "
            f'({_show(own)}) and teacher ({_show(other)}) have none. Use features = "rkd".'
        )
    return [(own[size], other[size]) for size in sizes]


def _maps(model: KerasModel) -> Maps:
    """The last feature map of every size, largest first."""
    maps: Maps = {}
    for layer in model.layers[1:]:
        shape = layer.output.shape
        if len(shape) == 4 and shape[1] > 1:
            maps[shape[1], shape[2]] = layer.output
    return maps


def _show(maps: Maps) -> str:
    return ", ".join(f"{height}x{width}" for height, width in maps)

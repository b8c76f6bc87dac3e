"""What every source of logits gives, and what they share in opening a file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.size import scaled_sides
from pipeline.datasets.splits import Dataset, Images, Split
from targets.errors import InputError, unknown
from targets.formats.input_spec import InputSpec
from targets.formats.model_io import ModelIO, Quantization

if TYPE_CHECKING:
    from pipeline.recipe.schema import TeacherConfig

Logits = npt.NDArray[np.float32]
Tensor = Any

BATCH = 256


@dataclass(frozen=True, kw_only=True)
class OpenTeacher:
    """A network that answers for raw images."""

    kind: str
    path: Path
    """Named in errors; of the network trained here its weights."""
    logits: Callable[[Images], Logits]
    """Raw images [n, height, width, channels] to [n, classes], in the data set's class order."""
    parameters: int | None = None
    """Null where the file does not say: precomputed logits, quantized weights."""
    cfg: "TeacherConfig | None" = None
    """What was said about the file; null for the network trained here."""
    scalable: bool = False
    """Whether it would take the pixels with another scale and offset."""
    adapter: ModelIO | None = None
    """Of a file that a runtime executes: what lies between it and raw images."""
    serve: Callable[[Tensor], Tensor] | None = None
    """Of a TensorFlow network: normalised images (`InputSpec`) to logits, can be traced."""
    serve_raw: Callable[[Tensor], Tensor] | None = None
    """The same from raw images as float32. Export this with `raw_input`: the file then holds no
    normalisation that the teacher would have to undo first."""
    splits: Mapping[Split, Logits] | None = None
    """Of precomputed logits: those that there are."""


def split_logits(teacher: OpenTeacher, data: Dataset, split: Split) -> Logits | None:
    """For the images of a split as they are; None where logits were precomputed without it."""
    if teacher.splits is not None:
        return teacher.splits.get(split)
    return teacher.logits(data[split].images)


def raw_input(spec: InputSpec) -> InputSpec:
    """`spec` without a normalisation: what `OpenTeacher.serve_raw` is exported with."""
    return spec.model_copy(update={"scale": 1.0, "zero_point": 0})


def in_batches(compute: Callable[[Any], Any], size: int) -> Callable[[Images], Any]:
    """`compute` over any number of images, at most `size` at once."""

    def over_all(raw: Images) -> Any:
        return np.concatenate([compute(raw[i : i + size]) for i in range(0, len(raw), size)])

    return over_all


def batch_size(batch: int | None, path: Path) -> int:
    """How many images a file takes at once: any number (None or -1), or one."""
    if batch in (None, -1):
        return BATCH
    if batch != 1:
        raise InputError(
            f"teacher {path}: takes {batch} images at once. Export it with an open batch "
            "dimension, or with one of 1."
        )
    return 1


def make_adapter(
    dims: Sequence[int | None],
    cfg: "TeacherConfig",
    data: Dataset,
    path: Path,
    *,
    quantization: Quantization | None = None,
) -> ModelIO:
    """What lies between raw images and a file that takes `dims` (without the batch)."""
    channels_first, shape = layout_of(dims, data.input.shape, path)
    for key in ("scale", "offset"):
        values = getattr(cfg, key)
        if isinstance(values, tuple) and len(values) not in (1, data.input.shape[-1]):
            raise InputError(
                f"teacher.{key}: {len(values)} values for images of {data.input.shape[-1]} "
                "channels; give one, or one per channel."
            )
    return ModelIO(
        scale=cfg.scale,
        offset=cfg.offset,
        channels_first=channels_first,
        shape=shape,
        input_quantization=quantization,
        output=cfg.output,
        order=class_order(cfg.classes, data.classes),
    )


def is_raw(cfg: "TeacherConfig") -> bool:
    """Whether the file is to be given the pixels as they are."""
    return set(np.ravel(cfg.scale)) == {1.0} and set(np.ravel(cfg.offset)) == {0.0}


def layout_of(
    dims: Sequence[int | None], image: tuple[int, ...], path: Path
) -> tuple[bool, tuple[int, ...]]:
    """(channels first, shape of one sample) of a file for images [height, width, channels]."""
    height, width, channels = image
    layouts: list[tuple[bool, tuple[int, ...]]] = [
        (False, (height, width, channels)),
        (True, (channels, height, width)),
    ]
    if channels == 1:  # one channel is in no order
        layouts += [(False, (height, width)), (False, (height * width,))]
    fitting = [
        layout
        for layout in layouts
        if len(layout[1]) == len(dims)
        and all(dim in (None, size) for dim, size in zip(dims, layout[1], strict=True))
    ]
    shown = f"[{', '.join('?' if dim is None else str(dim) for dim in dims)}]"
    if not fitting:
        raise InputError(
            f"teacher {path}: takes images of {shown}, and the data set's are {list(image)} "
            f"[height, width, channels]. {_ways_to_fit(dims, image)}"
        )
    if len(fitting) > 1:
        raise InputError(
            f"teacher {path}: takes images of {shown}, which can be channels first or last. Export "
            f"it with the sizes of {list(image)} filled in."
        )
    return fitting[0]


LOGITS_WAY = "save its logits as .npz (pipeline.teachers.logits_file.save_logits)"
"""For whatever a person can compute themselves, in any framework and with any preparation."""


def _ways_to_fit(dims: Sequence[int | None], image: tuple[int, ...]) -> str:
    """What brings the images and the network together."""
    height, width, channels = image
    ways = []
    for high, wide, depth in ([*dims], [*dims[1:], *dims[:1]]) if len(dims) == 3 else ():
        if high and wide and depth == channels:
            if (high, wide) == scaled_sides(height, width, max(high, wide)):
                ways.append(f"scale the images to its size (dataset.size = {max(high, wide)})")
        elif (high, wide, channels) == (height, width, 1):
            line = f"np.repeat(images.reshape(-1, {height}, {width}, 1), {depth}, axis=3)"
            ways.append(f"save the grey images with {depth} channels (`images = {line}`)")
    ways.append(LOGITS_WAY)
    return f"Give a network for this size, channels first or last; or {', or '.join(ways)}."


def class_order(given: tuple[str, ...] | None, wanted: tuple[str, ...]) -> tuple[int, ...] | None:
    """For each class of the data set its place in the teacher's outputs; None: the same."""
    if given is None:
        return None
    for name in given:
        if name not in wanted:
            raise unknown("class", name, wanted, place="teacher.classes")
    if len(given) != len(wanted) or len(set(given)) != len(given):
        left_out = ", ".join(name for name in wanted if name not in given) or "none"
        raise InputError(
            f"teacher.classes: {len(given)} names, and the data set has {len(wanted)} classes; "
            f"each must be there once. Left out: {left_out}."
        )
    order = tuple(given.index(name) for name in wanted)
    return None if order == tuple(range(len(order))) else order


def class_output(outputs: Sequence[npt.NDArray[Any]], data: Dataset, path: Path) -> int:
    """Which of a file's outputs for one image is [1, classes]: the first, or the first other.

    Of two classes it may also be [1, 1], where there is no [1, 2].
    """
    scores = {i: o.shape[1] for i, o in enumerate(outputs) if o.ndim == 2 and o.dtype != np.int64}
    for index in sorted(scores, key=lambda i: scores[i] != len(data.classes)):
        if are_scores(scores[index], data):
            return index
    shapes = ", ".join(str(list(output.shape)) for output in outputs)
    raise wrong_scores(shapes, next(iter(scores.values()), None), data, path)


def are_scores(count: int, data: Dataset) -> bool:
    """Whether `count` scores are of the data set's classes: one each, or one for two classes."""
    return count == len(data.classes) or (count, len(data.classes)) == (1, 2)


def wrong_scores(given: str, count: int | None, data: Dataset, path: Path) -> InputError:
    """The error for a network of other classes, with the way to use it."""
    classes = len(data.classes)
    said = (
        f"teacher {path}: gives {given} for one image, and the data set has {classes} classes "
        f"({', '.join(data.classes[:8])}{', …' if classes > 8 else ''}): an output [1, {classes}] "
        "is needed."
    )
    if count is None or count < classes:
        return InputError(f"{said} Give a network that was trained on these classes.")
    background = (
        " (`scores[:, 1:]` where the first is a background)" if count == classes + 1 else ""
    )
    return InputError(
        f"{said} If it knows these classes among others, keep their columns{background}: export a "
        f"network that gives only those, or {LOGITS_WAY}. Else train its last layer on these "
        "classes."
    )


def cannot_open(path: Path, error: BaseException) -> InputError:
    said = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return InputError(
        f"teacher {path}: cannot be opened: {shorten(said, 400, placeholder=' …').rstrip('.')}."
    )

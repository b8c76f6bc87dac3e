"""What the kinds of teacher files share: their input and output matched with the data set's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import shorten
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Images
from pipeline.datasets.size import scaled_sides
from pipeline.datasets.splits import Dataset
from pipeline.teachers.contract import TeacherFileConfig
from targets.errors import InputError, unknown
from targets.formats.model_io import ModelIO, Quantization

BATCH = 256

Scores = npt.NDArray[np.generic]
"""What a file gives for a batch, of any type and scale, [batch, classes]."""
S = TypeVar("S", bound=Scores)


def in_batches(compute: Callable[[Images], S], size: int) -> Callable[[Images], S]:
    """`compute` over any number of images, at most `size` at once."""

    def over_all(raw: Images) -> S:
        parts = [compute(raw[i : i + size]) for i in range(0, len(raw), size)]
        return cast(S, np.concatenate(parts))

    return over_all


def batch_size(batch: int | None, path: Path) -> int:
    """Samples per call of a file: `BATCH` for an open batch dimension (None or -1), or 1."""
    if batch in (None, -1):
        return BATCH
    if batch != 1:
        raise InputError(
            f"teacher {path}: takes {batch} samples at once. Export it with an open batch "
            "dimension, or with one of 1."
        )
    return 1


def make_adapter(
    dims: Sequence[int | None],
    cfg: TeacherFileConfig,
    data: Dataset,
    path: Path,
    *,
    quantization: Quantization | None = None,
) -> ModelIO:
    """The conversion from raw samples to the input `dims` of a file, without the batch."""
    is_image = data.input.kind == "image"
    layout = (
        layout_of(dims, data.input.shape, path) if is_image else (False, as_it_is(dims, data, path))
    )
    channels_first, shape = layout
    if data.input.kind == "tokens" and not is_raw(cfg):
        raise InputError(
            f"teacher {path}: teacher.scale and teacher.offset are for values, and the data set's "
            "texts are numbers of tokens; leave them out."
        )
    for key in ("scale", "offset"):
        values = getattr(cfg, key)
        if isinstance(values, tuple) and len(values) not in (1, data.input.shape[-1]):
            raise InputError(
                f"teacher.{key}: {len(values)} values for {data.words.many} of "
                f"{data.input.shape[-1]} channels; give one, or one per channel."
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


def is_raw(cfg: TeacherFileConfig) -> bool:
    """Whether the file's input is the raw pixels."""
    return set(np.ravel(cfg.scale)) == {1.0} and set(np.ravel(cfg.offset)) == {0.0}


def as_it_is(dims: Sequence[int | None], data: Dataset, path: Path) -> tuple[int, ...]:
    """The shape of samples that are no images, which a file takes as they are."""
    shape = data.input.shape
    pairs = zip(dims, shape, strict=False)
    if len(dims) != len(shape) or not all(have in (None, want) for have, want in pairs):
        shown = f"[{', '.join('?' if dim is None else str(dim) for dim in dims)}]"
        raise InputError(
            f"teacher {path}: takes samples of {shown}, and the data set's {data.words.many} are "
            f"{RAW[data.input.kind]} {list(shape)}. Give a network that takes these, with what "
            f"makes its own features of them inside; or {LOGITS_WAY}."
        )
    return shape


RAW = {
    "waveform": "values from -32768 to 32767",
    "tokens": "numbers of tokens, as vocab.txt of a run counts them,",
    "array": "values as they were measured,",
}
"""Kind -> what a file gets of samples that are no images."""


def layout_of(
    dims: Sequence[int | None], image: tuple[int, ...], path: Path
) -> tuple[bool, tuple[int, ...]]:
    """(channels first, shape of one sample) of a file for images [height, width, channels]."""
    height, width, channels = image
    layouts: list[tuple[bool, tuple[int, ...]]] = [
        (False, (height, width, channels)),
        (True, (channels, height, width)),
    ]
    if channels == 1:  # the order of one channel does not matter
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
            f"teacher {path}: takes images of {shown}, which fits channels first and last. "
            f"Export it with the sizes {list(image)}."
        )
    return fitting[0]


LOGITS_WAY = "save its logits as .npz (pipeline.teachers.logits_file.save_logits)"
"""The remedy for any framework and preprocessing."""


def _ways_to_fit(dims: Sequence[int | None], image: tuple[int, ...]) -> str:
    """The changes that make the images and the network fit."""
    height, width, channels = image
    ways = []
    for high, wide, depth in ([*dims], [*dims[1:], *dims[:1]]) if len(dims) == 3 else ():
        if high and wide and depth == channels:
            if (high, wide) == scaled_sides(height, width, max(high, wide)):
                side = max(high, wide)
                ways.append(
                    f"scale the images to its size (--set teacher.size={side}, or "
                    f"dataset.size={side} for the student too)"
                )
        elif (high, wide, channels) == (height, width, 1):
            line = f"np.repeat(images.reshape(-1, {height}, {width}, 1), {depth}, axis=3)"
            ways.append(f"save the grey images with {depth} channels (`images = {line}`)")
    ways.append(LOGITS_WAY)
    return f"Give a network for this size, channels first or last; or {', or '.join(ways)}."


def class_order(names: tuple[str, ...] | None, wanted: tuple[str, ...]) -> tuple[int, ...] | None:
    """The index in the teacher's outputs of each class of the data set; None for the same order."""
    if names is None:
        return None
    for name in names:
        if name not in wanted:
            raise unknown("class", name, wanted, place="teacher.classes")
    if len(names) != len(wanted) or len(set(names)) != len(names):
        left_out = ", ".join(name for name in wanted if name not in names) or "none"
        raise InputError(
            f"teacher.classes: {len(names)} names, and the data set has {len(wanted)} classes; "
            f"each must be listed once. Left out: {left_out}."
        )
    order = tuple(names.index(name) for name in wanted)
    return None if order == tuple(range(len(order))) else order


def class_output(outputs: Sequence[Scores], data: Dataset, path: Path) -> int:
    """The index of the first output for one image that is [1, classes].

    For two classes also that of an output [1, 1], if none is [1, 2].
    """
    scores = {i: o.shape[1] for i, o in enumerate(outputs) if o.ndim == 2 and o.dtype != np.int64}
    for index in sorted(scores, key=lambda i: scores[i] != len(data.classes)):
        if are_scores(scores[index], data):
            return index
    shapes = ", ".join(str(list(output.shape)) for output in outputs)
    raise wrong_scores(shapes, next(iter(scores.values()), None), data, path)


def are_scores(count: int, data: Dataset) -> bool:
    """Whether `count` scores fit the data set: one per class, or one for two classes."""
    return count == len(data.classes) or (count, len(data.classes)) == (1, 2)


def wrong_scores(shapes: str, count: int | None, data: Dataset, path: Path) -> InputError:
    """The error for a network of other classes, with a way to use it."""
    classes = len(data.classes)
    problem = (
        f"teacher {path}: gives {shapes} for one {data.words.one}, and the data set has {classes} "
        f"classes ({', '.join(data.classes[:8])}{', …' if classes > 8 else ''}): an output "
        f"[1, {classes}] is needed."
    )
    if count is None or count < classes:
        return InputError(f"{problem} Give a network that was trained on these classes.")
    background = (
        " (`scores[:, 1:]` where the first is a background)" if count == classes + 1 else ""
    )
    return InputError(
        f"{problem} If it has these classes among others, keep their columns{background}: export a "
        f"network that gives only those, or {LOGITS_WAY}. Else train its last layer on these "
        "classes."
    )


def cannot_open(path: Path, error: BaseException) -> InputError:
    cause = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return InputError(
        f"teacher {path}: cannot be opened: {shorten(cause, 400, placeholder=' …').rstrip('.')}."
    )

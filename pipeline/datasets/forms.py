"""Problems of arrays of images, labels or names, with the line of Python that solves each.

Pure functions: None for an array that can be used, else sentences that follow the file's name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

OBJECTS: Array = np.array(None, object)
"""Placeholder for an array of Python objects, which is never read: that could run code."""

FEW_CHANNELS = 4
"""Grey, grey with alpha, RGB, RGB with alpha. More are accepted too, as the last dimension."""

UNIQUE = "`classes, labels = np.unique(labels, return_inverse=True)`"


def images_problem(images: Array) -> str | None:
    """Training images must be uint8 [samples, height, width(, channels)]."""
    if images.dtype.hasobject:
        return different_sizes("images")
    found = [text for text in (pixels_problem(images), layout_problem(images)) if text]
    if not found:
        return None
    return (
        "images must be uint8 [samples, height, width(, channels)] with raw pixels 0-255, not "
        f"{images.dtype} {list(images.shape)}. {' '.join(found)}"
    )


def different_sizes(name: str) -> str:
    return (
        f"'{name}' is an array of Python objects, which is what numpy makes of images of different "
        "sizes. All must have one size: `from PIL import Image; "
        f"{name} = np.stack([np.asarray(Image.fromarray(image).resize((width, height))) "
        f"for image in {name}])`."
    )


def pixels_problem(images: Array) -> str | None:
    """The type of the pixels and their range."""
    if images.dtype == np.uint8:
        return None
    if images.dtype.kind not in "biuf":
        return "They must be numbers: read the image files as pixels first."
    if images.size == 0:
        return None
    low, high = float(images.min()), float(images.max())
    if not np.isfinite([low, high]).all():
        return "They hold NaN or infinity: find out where it comes from."
    return f"Their values are {low:g} to {high:g}: {pixels_line(images.dtype, low, high)}."


def pixels_line(dtype: "np.dtype[np.generic]", low: float, high: float) -> str:
    """How values from `low` to `high` become raw pixels."""
    if dtype.kind != "f" and low >= 0 and high <= 1:
        return '`images = images.astype("uint8") * 255`'
    if low >= 0 and high <= 1:
        return '`images = (images * 255).round().astype("uint8")`'
    if low >= 0 and high <= 255:
        return f'`images = images{".round()" * (dtype.kind == "f")}.astype("uint8")`'
    if low >= 0 and dtype.kind != "f":
        # As many bits as the largest value needs: cameras have 10, 12, 14 or 16.
        full = 2 ** int(high).bit_length() - 1
        scale = "/ 257" if full == 65535 else f"* (255 / {full})"
        return f'`images = (images {scale}).round().astype("uint8")`'
    if dtype.kind == "f" and -1 <= low < 0 and high <= 1:
        return '`images = ((images + 1) * 127.5).round().astype("uint8")`'
    return (
        "undo the normalisation, if there was one (`images * std + mean`), or bring this range to "
        f'pixels: `images = ((images - {low:g}) * (255 / {high - low:g})).round().astype("uint8")`'
    )


def layout_problem(images: Array) -> str | None:
    """The order and number of the dimensions."""
    if 0 in images.shape:
        return "There is no pixel in them."
    if images.ndim == 2:
        return _flat(images.shape[1])
    if images.ndim not in (3, 4):
        return f"They have {images.ndim} dimensions."
    if images.ndim == 3 or not channels_first(images.shape[1:]):
        return None
    _, first, second, last = images.shape
    problem = "The channels come last: `images = images.transpose(0, 2, 3, 1)`."
    if not channels_first((second, first, last)):
        problem += (
            f" If they really are {first} high and {second} wide with {last} channels, turn them: "
            "`images = images.transpose(0, 2, 1, 3)`."
        )
    return problem


def _flat(pixels: int) -> str:
    """Images as rows of numbers: the square shapes that fit."""
    lines = []
    for channels, order in ((1, ""), (3, ", 3")):
        side = round((pixels / channels) ** 0.5)
        if side * side * channels == pixels:
            lines.append(f"`images = images.reshape(-1, {side}, {side}{order})`")
            if channels > 1:
                turned = f"reshape(-1, {channels}, {side}, {side}).transpose(0, 2, 3, 1)"
                lines.append(f"`images = images.{turned}` (red, green and blue apart, as CIFAR's)")
    return (
        f"Give them their sides: {' or '.join(lines or ['`images.reshape(-1, height, width)`'])}."
    )


def channels_first(image: Sequence[int]) -> bool:
    """Whether [a, b, c] is more likely [channels, height, width] than [height, width, channels].

    Few channels stand in front of a larger last dimension, or any number in front of a square. An
    image of a square with many channels ([3, 3, 200], a patch of a spectral image) is neither.
    """
    first, second, last = image
    if last <= FEW_CHANNELS or (first == second and first > 1):
        return False
    return first <= FEW_CHANNELS or second == last


def held(arrays: Mapping[str, Array]) -> str:
    """The arrays of an archive without `images` or `labels`, and the line that renames them."""
    contents = f"it holds {', '.join(sorted(arrays)) or 'nothing'}."
    joined = _joined(arrays)
    if joined is None:
        return f"{contents} Write it with `np.savez(path, images=..., labels=...)`."
    return f"{contents} Write them under these names (they are split anew): `{joined}`."


PARTS = ("train", "training", "val", "valid", "validation", "test", "testing")
IMAGES = ("images", "image", "imgs", "x", "data", "pixels")
LABELS = ("labels", "label", "y", "targets", "target")


def _joined(arrays: Mapping[str, Array]) -> str | None:
    """The line that joins arrays per split (x_train, train_images, …) to `images` and `labels`."""
    images, labels = (_by_part(arrays, kind) for kind in (IMAGES, LABELS))
    if not images or images.keys() != labels.keys():
        return None
    column = all(arrays[name].shape[1:] == (1,) for name in labels.values())
    return (
        f"old = np.load(path); np.savez(new, images={_concatenated(images.values())}, "
        f"labels={_concatenated(labels.values())}{'.reshape(-1)' * column})"
    )


def _by_part(arrays: Mapping[str, Array], kind: Sequence[str]) -> dict[str, str]:
    """Split ("" for a name without one) -> name of the array."""
    found = {}
    for name in arrays:
        words = re.split(r"[_\-. ]", name.lower())
        part = next((word for word in words if word in PARTS), "")
        if [word for word in words if word != part] in [[word] for word in kind]:
            found[part] = name
    return found


def _concatenated(names: Iterable[str]) -> str:
    parts = [f'old["{name}"]' for name in names]
    return parts[0] if len(parts) == 1 else f"np.concatenate([{', '.join(parts)}])"


def labels_problem(labels: Array, *, images: int) -> str | None:
    """The form of labels: one integer per image."""
    remedy = _labels_line(labels, images)
    if remedy is None:
        return None
    form = "Python objects" if labels.dtype.hasobject else f"{labels.dtype} {list(labels.shape)}"
    return f"labels must be integers, one per image ({images}), not {form}. {remedy}"


def _labels_line(labels: Array, images: int) -> str | None:
    if labels.dtype.hasobject:
        return (
            '`labels = labels.astype("int64")` where they are numbers; where they are text, '
            f"`labels = labels.astype(str)`, then {UNIQUE}, and save both."
        )
    if labels.ndim == 2 and len(labels) == images and labels.shape[1] > 1:
        return _columns_line(labels)
    if labels.ndim != 1 and labels.size == images:
        return "`labels = labels.reshape(-1)`."
    if labels.shape != (images,):
        return "Give each image its label, in the same order."
    return _values_line(labels)


def _columns_line(labels: Array) -> str:
    """[images, classes]: one-hot, several classes at once, or scores."""
    if labels.dtype.kind not in "biuf":
        return "Only one class per image can be learned: choose one column."
    if not np.isin(labels, (0, 1)).all():
        return "If they are scores of classes, name the largest: `labels = labels.argmax(axis=1)`."
    ones = labels.sum(axis=1)
    if (ones == 1).all():
        return "They are one-hot: `labels = labels.argmax(axis=1)`."
    return (
        f"{int((ones != 1).sum())} images have several classes or none, and only one class per "
        "image can be learned. Choose one column (`labels = labels[:, 0]`), or keep the images of "
        "one class: `keep = labels.sum(axis=1) == 1; images, labels = images[keep], "
        "labels[keep].argmax(axis=1)`."
    )


def _values_line(labels: Array) -> str | None:
    kind = labels.dtype.kind
    if kind in "SU":
        text = 'np.char.decode(labels, "utf-8")' if kind == "S" else "labels"
        line = UNIQUE.replace("(labels", f"({text}")
        return f"Number the names, and save both: {line}."
    if kind == "f" and not np.isfinite(labels).all():
        return (
            f"{int((~np.isfinite(labels)).sum())} are NaN or infinite: leave those images out: "
            "`keep = np.isfinite(labels); images, labels = images[keep], labels[keep]`."
        )
    if kind == "f" and (labels != labels.round()).any():
        return "They are not whole: a quantity is not a class. Sort it into classes first."
    if kind in "fb":
        return '`labels = labels.astype("int64")`.'
    return None if kind in "iu" else "Give each class its number."


def numbering_problem(labels: Array, names: Sequence[str] | None) -> str | None:
    """Integer training labels: at least two classes, numbered from 0, each with an image."""
    present = np.unique(labels)
    count = len(present)
    if count >= 2 and present[0] == 0 and present[-1] == count - 1:
        return None
    shown = ", ".join(map(str, present[:8])) or "none"
    rule = (
        "labels must be at least two classes, numbered from 0 without gaps; they are "
        f"{shown}{', …' if count > 8 else ''}."
    )
    if count and present[0] < 0:
        return f"{rule} {unlabelled(labels)}"
    if count < 2:
        return f"{rule} Add images of a second class."
    if present[0] == 1 and present[-1] == count and len(names or present) == count:
        return f"{rule} Number them from 0: `labels = labels - 1`."
    return f"{rule} {_gaps(present, names)}"


def unlabelled(labels: Array) -> str:
    """Negative labels, which mean that there is none."""
    return (
        f"{int(np.less(labels, 0).sum())} are below 0; leave images without a label out: `keep = "
        "labels >= 0; images, labels = images[keep], labels[keep]`."
    )


def _gaps(present: Array, names: Sequence[str] | None) -> str:
    """The first class numbers without an image, and the line that removes the gaps."""
    known = set(present.tolist())
    missing = [number for number in range(len(known) + 8) if number not in known]
    first = [f"{n} ('{names[n]}')" if names and n < len(names) else str(n) for n in missing[:8]]
    line = "present, labels = np.unique(labels, return_inverse=True)"
    line += "; classes = classes[present]" if names and len(names) > present[-1] else ""
    below = [text for text, number in zip(first, missing, strict=False) if number < present[-1]]
    return f"There is no image of {', '.join(below)}. Add some, or number anew: `{line}`."


def names_problem(classes: Array) -> str | None:
    """Class names: text, or bytes in UTF-8, one per class."""
    if classes.dtype.hasobject:
        return "'classes' is an array of Python objects: `classes = classes.astype(str)`."
    if classes.ndim > 1:
        return (
            f"'classes' is {list(classes.shape)}, not one name per class: "
            "`classes = classes.reshape(-1)`."
        )
    try:
        if classes.dtype.kind == "S":
            np.char.decode(classes.astype(np.bytes_), "utf-8")
    except UnicodeDecodeError:
        return (
            "'classes' holds bytes that are not UTF-8: `classes = np.char.decode(classes, "
            '"latin-1")`, or whichever encoding they are in.'
        )
    return None

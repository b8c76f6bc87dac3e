"""The class of each sample: from integers or text, with names of the classes or without."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.class_names import natural
from targets.errors import InputError, listed

Array = npt.NDArray[np.generic]
Label = int | str


@dataclass(frozen=True, kw_only=True)
class Labelled:
    names: tuple[str, ...]
    """Of the class of each sample, [samples]."""
    classes: tuple[str, ...]
    """All of them, in their order."""


def labelled(
    labels: Array, name: str, classes: Array | None, *, samples: int, place: str
) -> Labelled:
    """The classes of `labels`, the array called `name`: integers are numbers of `classes`, and text
    is their names; without `classes` they are what there is. Raises `InputError`."""
    problem = _form_problem(labels, name, samples)
    if problem is not None:
        raise InputError(f"{place}: {problem}")
    given = None if classes is None else _class_names(classes, place)
    is_number = labels.dtype.kind in "iu"
    found: Sequence[Label] = labels.tolist() if is_number else texts(labels, name)
    known = _known(found, given)
    foreign = sorted({*map(str, found)} - {*map(str, known)}, key=natural)
    if foreign:
        raise InputError(
            f"{place}: '{name}' holds {listed(foreign, most=5)}, which 'classes' does not have. "
            f"Labels are its names ({listed(list(known.values()), most=5)}), or their numbers "
            "from 0."
        )
    made = tuple(known[label] for label in found)
    _require_classes(made, tuple(known.values()), place)
    return Labelled(names=made, classes=tuple(known.values()))


def texts(array: Array, name: str) -> list[str]:
    """Text, or bytes in UTF-8. Raises `InputError`."""
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array.astype(np.bytes_), "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"'{name}' holds bytes that are not UTF-8: `{name} = np.char.decode({name}, "
                '"latin-1")`, or whichever encoding they are in.'
            ) from error
    return [str(one) for one in array.tolist()]


def _known(found: Sequence[Label], given: Sequence[str] | None) -> Mapping[Label, str]:
    """A label -> the name of its class, in the order of the classes."""
    if given is None:
        numbers = sorted({one for one in found if isinstance(one, int)})
        names = sorted({one for one in found if isinstance(one, str)}, key=natural)
        return {**{one: str(one) for one in numbers}, **{one: one for one in names}}
    if found and isinstance(found[0], int):
        return dict(enumerate(given))
    return {name: name for name in given}


def _class_names(classes: Array, place: str) -> list[str]:
    if classes.dtype.hasobject or classes.ndim != 1:
        raise InputError(f"{place}: 'classes' must be text, a name for each class.")
    return texts(classes, "classes")


def _require_classes(made: Sequence[str], classes: Sequence[str], place: str) -> None:
    present = {*made}
    odd = [name for name in classes if not name.strip() or len(name.splitlines()) != 1]
    if odd:
        raise InputError(
            f"{place}: {listed([*map(repr, odd)], most=5)} names no class: a name is a line."
        )
    if len(present) < 2:
        raise InputError(
            f"{place}: all {len(made):,} samples are of one class, {listed(sorted(present))}. Add "
            "samples of another class."
        )
    missing = [name for name in classes if name not in present]
    if missing:
        raise InputError(
            f"{place}: no sample is of the class {listed(missing, most=5)}. Add some, or leave the "
            "name out of 'classes' and number the others anew."
        )


def _form_problem(labels: Array, name: str, samples: int) -> str | None:
    form = "Python objects" if labels.dtype.hasobject else f"{labels.dtype} {list(labels.shape)}"
    rule = f"'{name}' must be integers or text, one for each sample ({samples:,}), not {form}."
    if labels.dtype.hasobject:
        return f"{rule} `{name} = {name}.astype(str)`."
    if labels.shape == (samples, 1):
        return f"{rule} `{name} = {name}.reshape(-1)`."
    if labels.ndim == 2 and len(labels) == samples:
        return f"{rule} If they are one-hot: `{name} = {name}.argmax(axis=1)`."
    if labels.shape != (samples,):
        return f"{rule} Give each sample its label, in the same order."
    if labels.dtype.kind == "f" and not (labels == labels.round()).all():
        return f"{rule} A quantity is no class: sort it into classes first."
    if labels.dtype.kind not in "iuSU":
        return f'{rule} `{name} = {name}.astype("int64")`.'
    return None

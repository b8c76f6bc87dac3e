"""The values of a file as float32: what cannot be one, and the line of Python that mends it."""

import numpy as np
import numpy.typing as npt

from targets.errors import InputError

Values = npt.NDArray[np.float32]
MOST_DIMENSIONS = 4
CHUNK = 2**22
"""Values that are looked at in one go."""


def values_of(array: npt.NDArray[np.generic], name: str, *, place: str) -> Values:
    """float32 [samples, ...], all of them finite. Raises `InputError`."""
    problem = _form_problem(array, name)
    if problem is None:
        with np.errstate(over="ignore"):  # what float32 does not hold is found as infinite
            values = array.astype(np.float32, copy=False)
        problem = _gap(array, values, name)
    if problem is not None:
        raise InputError(f"{place}: {problem}")
    return values


def _form_problem(array: npt.NDArray[np.generic], name: str) -> str | None:
    if array.dtype.hasobject:
        return (
            f"'{name}' is an array of Python objects, which is what numpy makes of samples of "
            f"different lengths. All must have one: `{name} = np.stack([np.asarray(one, "
            f'"float32")[:length] for one in {name}])`.'
        )
    if array.dtype.kind == "c":
        return (
            f"'{name}' holds complex numbers. Take their size, `{name} = np.abs({name})`, or both "
            f"parts as channels, `{name} = np.stack([{name}.real, {name}.imag], axis=-1)`."
        )
    if array.dtype.kind not in "biuf":
        return f"'{name}' is {array.dtype}, and values are numbers: `{name}.astype(float)`."
    shape = list(array.shape)
    if array.ndim == 1:
        return (
            f"'{name}' is {shape}, a single number for each sample: give each sample its values, "
            f"[samples, time, channels], or `{name} = {name}.reshape(-1, 1)`."
        )
    if not 1 < array.ndim <= MOST_DIMENSIONS or 0 in shape:
        return (
            f"'{name}' is {shape}, and must be [samples, length], [samples, time, channels] or "
            "[samples, height, width, channels], none of them 0."
        )
    return None


def _gap(array: npt.NDArray[np.generic], values: Values, name: str) -> str | None:
    """The first value that is no number, and how many there are."""
    rows = max(1, CHUNK // max(1, values[0].size))
    first, count, samples = None, 0, 0
    for start in range(0, len(values), rows):
        bad = ~np.isfinite(values[start : start + rows])
        if bad.any():
            row, *place = np.argwhere(bad)[0].tolist()
            first = first or (start + row, *place)
            count += int(bad.sum())
            samples += int(bad.reshape(len(bad), -1).any(axis=1).sum())
    if first is None:
        return None
    axes = ", ".join(map(str, range(1, values.ndim)))
    more = f" (and {count - 1:,} more)" if count > 1 else ""
    what = array[first].item()
    large = " is larger than float32 holds" if np.isfinite(what) else ""
    return (
        f"{name}[{', '.join(map(str, first))}] is {what}{large}{more}, in {samples:,} of "
        f"{len(values):,} samples. Fill the gaps, or leave these samples out: `keep = "
        f'np.isfinite({name}.astype("float32")).all(axis=({axes}{"," if values.ndim == 2 else ""}'
        f"))`, then `[keep]` of each array."
    )

"""Values of one sample, from a file or an array."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.errors import UnreadableError

Values = npt.NDArray[np.float32]
UNREADABLE = (ValueError, OSError, EOFError, TypeError)
"""What numpy raises for a file of another format, or cut short."""


class UnreadableValuesError(UnreadableError):
    """Why an array is no sample."""


def read(source: Path | bytes) -> npt.NDArray[np.generic]:
    """The array of an .npy file. Raises `UnreadableValuesError`."""
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        found = np.load(io.BytesIO(content), allow_pickle=False)
    except UNREADABLE as error:
        said = error.strerror if isinstance(error, OSError) else None
        raise UnreadableValuesError(said or "it is no .npy file of numbers") from error
    if not isinstance(found, np.ndarray):
        raise UnreadableValuesError("it is an .npz of several arrays; give one of them")
    return found


def values_of(array: npt.NDArray[np.generic], shape: tuple[int, ...]) -> Values:
    """float32 of this shape, all of them finite. Raises `UnreadableValuesError`."""
    if array.shape != shape or array.dtype.kind not in "biuf":
        raise UnreadableValuesError(
            f"it is {array.dtype} {list(array.shape)}, and must be numbers {list(shape)}"
        )
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    bad = np.argwhere(~np.isfinite(values)).tolist()
    if bad:
        more = f", and {len(bad) - 1:,} more are not finite" if len(bad) > 1 else ""
        raise UnreadableValuesError(f"its value at {bad[0]} is {array[tuple(bad[0])].item()}{more}")
    return values

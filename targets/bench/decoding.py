"""What a device sent, decoded where it arrives: malformed bytes are that device's failure."""

import json
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from targets.bench.record import AccuracyPass, Block, MemoryPass, ProfilePass
from targets.errors import DeviceError, printable

Array = npt.NDArray[Any]
Document = dict[str, Any]
LARGEST = 2**63
NUMPY_RAISES = (ValueError, EOFError, OSError, MemoryError, TypeError, KeyError, SyntaxError,
                RecursionError, tokenize.TokenError)  # fmt: skip
"""What the reader of .npy raises for broken files."""


class Failure(BaseModel):
    """What the agent reports in place of a result."""

    phase: str
    type: str
    message: str


class _Tensor(BaseModel):
    name: str
    shape: list[int | None]
    dtype: str
    quantization: tuple[float, int] | None


class _Description(BaseModel):
    inputs: list[_Tensor]
    outputs: list[_Tensor]
    operators: dict[str, int] | None


RECORDS: dict[str, type[BaseModel]] = {
    "describe": _Description,
    "latency": Block,
    "memory": MemoryPass,
    "profile": ProfilePass,
    "accuracy": AccuracyPass,
}
"""Mode of the agent -> what it answers with."""
OURS = {"model": "", "index": 0, "order": 0, "attempt": 0, "counted": True, "valid": True}
"""What this machine adds to a record."""


def document(content: bytes) -> Document:
    """The JSON object that a job wrote, with integers of 64 bits. Raises `ValueError`."""
    try:
        found = json.loads(content.decode("utf-8"), parse_int=_limited)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    if "error" in found:
        found["error"] = Failure.model_validate(found["error"]).model_dump()
    return found


def _limited(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) >= LARGEST:
        raise ValueError("an integer of more than 64 bits")
    return number


def require(result: Document, mode: str, *, place: str) -> None:
    """Raise `DeviceError` unless `result` is the answer of a job of this mode."""
    kind = RECORDS[mode]
    added = {key: value for key, value in OURS.items() if key in kind.model_fields}
    try:
        if added.keys() & result:
            raise ValueError(f"{min(added.keys() & result)} is not for the device to say")
        kind.model_validate({**added, **result})
    except ValueError as error:
        raise DeviceError(
            f"{place}: sent a result that cannot be read: {_first(error)}. Remove our folder there "
            "(pipeline devices clean), and measure again."
        ) from error


def _first(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return printable(str(error))
    first = error.errors(include_url=False, include_input=False)[0]
    return printable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def array(path: Path) -> Array:
    """The numbers in a .npy. Raises `ValueError`."""
    try:
        with path.open("rb") as file:
            npy: Any = np.lib.format
            values: Array = npy.read_array(file, allow_pickle=False)
    except NUMPY_RAISES as error:
        raise ValueError(printable(str(error)) or type(error).__name__) from error
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{values.dtype} are no numbers")
    return values

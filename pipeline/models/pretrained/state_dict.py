"""PyTorch's state dict without PyTorch: a pickle that may name tensors and nothing else.

`torch.save` writes a zip archive, and wrote three pickles, the tensors, their keys and the raw
storages one behind the other before version 1.6.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from targets.errors import InputError

Array: TypeAlias = npt.NDArray[np.float32]

STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}
"""Type of a storage -> that of its elements."""
PREAMBLE = 3
"""Pickles in front of the tensors in the old form: a magic number, a version, the system."""
PARTS = ("weight", "bias", "running_mean", "running_var")
"""Tensors of a layer in Keras' order; the counter of batches is left out."""


class Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]
    elements: int


class Tensor(NamedTuple):
    """A view of a storage, in elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def read(path: Path) -> dict[str, list[Array]]:
    """The tensors of each layer, in the order in which the network registered them."""
    try:
        tensors, content = _zipped(path) if zipfile.is_zipfile(path) else _legacy(path)
        arrays = {name: _array(tensor, content) for name, tensor in _named(tensors).items()}
    except (pickle.UnpicklingError, AttributeError, IndexError, EOFError) as error:
        raise InputError(
            f"weights {path}: not a state dict: {error}. Save "
            "torch.save(network.state_dict(), 'network.pth')."
        ) from error
    layers: dict[str, list[Array]] = {}
    for name in arrays:
        layer, _, part = name.rpartition(".")
        if part in PARTS and layer not in layers:
            own = (arrays.get(f"{layer}.{part}") for part in PARTS)
            layers[layer] = [_in_keras_order(array) for array in own if array is not None]
    return layers


def _in_keras_order(array: Array) -> Array:
    """Kernels out, in, height, width become height, width, in, out; matrices are transposed."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def _named(tensors: object) -> Mapping[str, Tensor]:
    """The state dict, which training programs put into a checkpoint under these names."""
    for key in ("state_dict", "model"):
        if isinstance(tensors, dict) and isinstance(inner := tensors.get(key), dict):
            tensors = inner
    if not isinstance(tensors, dict):
        raise pickle.UnpicklingError(f"it holds a {type(tensors).__name__}")
    return {str(name): value for name, value in tensors.items() if isinstance(value, Tensor)}


def _zipped(path: Path) -> tuple[object, Callable[[Storage], bytes]]:
    archive = zipfile.ZipFile(path)
    (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
    folder = index.removesuffix("data.pkl")
    with archive.open(index) as file:
        tensors = _Unpickler(file).load()
    return tensors, lambda storage: archive.read(f"{folder}data/{storage.key}")


def _legacy(path: Path) -> tuple[object, Callable[[Storage], bytes]]:
    with path.open("rb") as file:
        for _ in range(PREAMBLE):
            _Unpickler(file).load()
        unpickler = _Unpickler(file)
        tensors = unpickler.load()
        contents = {}
        for key in _Unpickler(file).load():
            (elements,) = np.frombuffer(file.read(8), "<i8")
            contents[key] = file.read(int(elements) * unpickler.storages[key].dtype.itemsize)
    return tensors, lambda storage: contents[storage.key]


def _array(tensor: Tensor, content: Callable[[Storage], bytes]) -> Array:
    """A copy in float32 of the view, whose strides need not be those of a contiguous array."""
    flat = np.frombuffer(content(tensor.storage), tensor.storage.dtype)
    steps = [(n - 1) * step for n, step in zip(tensor.size, tensor.stride, strict=True)]
    numbers = (tensor.offset, *tensor.size, *tensor.stride)
    if min(numbers) < 0 or (0 not in tensor.size and tensor.offset + sum(steps) >= len(flat)):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    strides = [step * flat.itemsize for step in tensor.stride]
    view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.size, strides)
    return np.array(view, np.float32)


class _Unpickler(pickle.Unpickler):
    """Builds tensors, and refuses every other name."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in STORAGES:
            return name
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no tensor of numbers")

    def persistent_load(self, pid: tuple[str, str, str, str, int]) -> Storage:
        _, kind, key, _, elements = pid[:5]
        return self.storages.setdefault(key, Storage(key, STORAGES[kind], elements))


def _rebuild(
    storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> Tensor:
    return Tensor(storage, offset, size, stride)

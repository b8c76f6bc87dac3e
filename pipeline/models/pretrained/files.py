"""Weights in a file, by layer: of Keras, of `pipeline.models.network.save_weights`, of PyTorch.

Arrays only: no network is built and no code of a file runs.
"""

import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.models.pretrained import state_dict
from pipeline.models.pretrained.state_dict import Array
from targets.errors import InputError

if TYPE_CHECKING:
    import h5py

Layers = dict[str, list[Array]]
"""Name of every layer that has weights -> these, both in the network's order."""

SUFFIXES = (".keras", ".h5", ".hdf5", ".npz", ".pth", ".pt")
BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


def read(path: Path) -> Layers:
    """The layers of `path`; kernels in Keras' order of axes, height, width, in, out."""
    try:
        match path.suffix.lower():
            case ".keras":
                layers = _keras(path)
            case ".h5" | ".hdf5":
                layers = _hdf5(path)
            case ".npz":
                layers = _arrays(path)
            case ".pth" | ".pt":
                layers = state_dict.read(path)
            case _:
                raise InputError(f"weights {path}: give a file of {', '.join(SUFFIXES)}.")
    except BROKEN as error:
        raise InputError(f"weights {path}: cannot be read: {error}.") from error
    if not layers:
        raise InputError(
            f"weights {path}: no layer with weights was found. Save the whole network with "
            "model.save('network.keras')."
        )
    return layers


def _arrays(path: Path) -> Layers:
    """Members are named `0012:stem_conv/kernel:0`."""
    layers: Layers = {}
    with np.load(path) as file:
        for name in sorted(file.files):
            layers.setdefault(_layer(name.partition(":")[2]), []).append(
                np.asarray(file[name], np.float32)
            )
    return layers


def _layer(weight: str) -> str:
    """`stem_conv` of `stem_conv/kernel:0`, and of `base/stem_conv/kernel:0`."""
    return weight.rpartition("/")[0].rpartition("/")[2]


def _hdf5(path: Path) -> Layers:
    """A network or its weights, as Keras 2 writes them and Keras 3 still does."""
    import h5py

    layers: Layers = {}
    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        for layer in root.attrs.get("layer_names", ()):
            for weight in root[layer].attrs["weight_names"]:
                name = weight.decode() if isinstance(weight, bytes) else str(weight)
                layers.setdefault(_layer(name), []).append(
                    np.asarray(root[layer][name], np.float32)
                )
    return layers


def _keras(path: Path) -> Layers:
    """The configuration has the layers' order and names, the archive numbers them by class."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        weights = BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights, "r") as file:
        found = {name: _variables(file.get(place)) for name, place in _places(config["config"])}
    return {name: arrays for name, arrays in found.items() if arrays}


def _places(
    config: dict[str, list[dict[str, object]]], prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """Name and group of every layer, those of networks inside the network included."""
    counted: Counter[str] = Counter()
    for layer in config["layers"]:
        kind, inner = _snake_case(str(layer["class_name"])), layer["config"]
        number, counted[kind] = counted[kind], counted[kind] + 1
        place = f"{prefix}layers/{kind}" + (f"_{number}" if number else "")
        assert isinstance(inner, dict)
        if "layers" in inner:
            yield from _places(inner, f"{place}/")
        else:
            yield str(inner["name"]), place


def _snake_case(class_name: str) -> str:
    """As `keras.src.utils.naming.to_snake_case`, which names the groups."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _variables(group: "h5py.Group | None") -> list[Array]:
    """Empty where the archive leaves a layer out, as it does a Sequential's input."""
    variables = {} if group is None else group.get("vars", {})
    return [np.asarray(variables[number], np.float32) for number in sorted(variables, key=int)]

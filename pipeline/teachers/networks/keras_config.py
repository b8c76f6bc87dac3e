"""The configuration in a Keras file, and changes to it that keep the network the same."""

import json
import shutil
import zipfile
from pathlib import Path

from pipeline.teachers.networks.untrusted import WRONG_FILE, unreadable
from targets.errors import InputError

OTHER_POLICIES = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64")
SHAPES = ("batch_shape", "batch_input_shape")


def is_zip(path: Path) -> bool:
    """Decide as the loaders do: a file can be zip and HDF5, and what is checked must be loaded."""
    return path.name.endswith(".keras") and zipfile.is_zipfile(path)


def is_hdf5(path: Path) -> bool:
    import h5py

    return bool(h5py.is_hdf5(path))


def read(path: Path) -> tuple[str, object]:
    """The version of Keras that wrote the file, and the network's configuration."""
    try:
        return _read_zip(path) if is_zip(path) else _read_hdf5(path)
    except WRONG_FILE as error:
        raise unreadable(path, error) from error


def _read_zip(path: Path) -> tuple[str, object]:
    with zipfile.ZipFile(path) as file:
        version = json.loads(file.read("metadata.json"))["keras_version"]
        return str(version), json.loads(file.read("config.json"))


def _read_hdf5(path: Path) -> tuple[str, object]:
    import h5py

    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
        version = file.attrs.get("keras_version", "2")
        if config is None:
            raise InputError(
                f"model {path}: holds weights only. Save the whole network: "
                "model.save('model.keras')."
            )
        return version.decode() if isinstance(version, bytes) else str(version), json.loads(config)


def write(path: Path, config: object, copy: Path) -> None:
    """Copy the file at `path` with another configuration."""
    if is_zip(path):
        _write_zip(path, json.dumps(config), copy)
        return
    import h5py

    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        file.attrs["model_config"] = json.dumps(config)


def _write_zip(path: Path, config: str, copy: Path) -> None:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            if name == "config.json":
                new.writestr(name, config)
                continue
            with old.open(name) as source, new.open(name, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


def in_float32(config: object) -> object:
    """`config` in float32 throughout; the weights of mixed precision are stored as float32."""
    if isinstance(config, list):
        return [in_float32(value) for value in config]
    if not isinstance(config, dict):
        return config
    if _is_other_policy(config):
        return "float32"
    changed = {key: in_float32(value) for key, value in config.items()}
    if config.get("dtype") in OTHER_POLICIES:
        changed["dtype"] = "float32"
    return changed


def _is_other_policy(config: dict[str, object]) -> bool:
    inner = config.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return "Policy" in str(config.get("class_name")) and name in OTHER_POLICIES


def opened(config: object) -> object:
    """`config` with float32 inputs of any batch size."""
    if isinstance(config, list):
        return [opened(value) for value in config]
    if not isinstance(config, dict):
        return config
    changed = {key: opened(value) for key, value in config.items()}
    for key in SHAPES:
        if isinstance(config.get(key), list):
            changed[key] = [None, *config[key][1:]]
    inner = changed.get("config")
    is_input = config.get("class_name") == "InputLayer"
    if is_input and isinstance(inner, dict) and "int" in str(inner.get("dtype")):
        inner["dtype"] = "float32"
    return changed

"""Networks that somebody else trained: `.keras`, `.h5` and SavedModel, as functions of a batch.

Loading runs no code of the file: `untrusted` reads and checks it before any loader sees it.
"""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.teachers.untrusted import (
    WRONG_FILE,
    refuse_code,
    refuse_outside_operators,
    unreadable,
)
from targets.errors import InputError

Tensor = Any


@dataclass(frozen=True, kw_only=True)
class LoadedNetwork:
    """A function of one float32 batch [batch, *input_shape] to float32 [batch, classes]."""

    kind: str
    """`tf_keras`, `keras` or `saved_model`."""
    call: Callable[[Tensor], Tensor]
    batch: int | None
    """The one batch size that it takes, or None for any."""
    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...]
    """Both without the batch dimension; None where the file leaves it open."""
    owner: Any
    """Holds the variables."""

    def __call__(self, image: Tensor) -> Tensor:
        import tensorflow as tf

        return tf.cast(self.call(image), tf.float32)


def load_network(path: Path) -> LoadedNetwork:
    """The network in a `.keras` or `.h5` file or a SavedModel folder, ready to be called.

    Raises `InputError` for what is not there, is no such file, holds code, or has not exactly one
    input and one output [batch, classes].
    """
    require_there(path)
    if path.is_dir():
        return _saved_model(path)
    # As the loaders choose: a file can be both, and what was checked must be what is loaded.
    if path.name.endswith(".keras") and zipfile.is_zipfile(path):
        return _keras(path, *_keras_zip(path))
    if _is_hdf5(path):
        return _keras(path, *_keras_h5(path))
    raise InputError(
        f"model {path}: neither a .keras nor a .h5 file nor a SavedModel folder. Save the trained "
        "network with model.save('model.keras')."
    )


def require_there(path: Path) -> None:
    """The check that needs no TensorFlow, for before it is imported."""
    if not path.exists():
        raise InputError(f"model {path}: not there; give a .keras or .h5 file or a SavedModel.")


def _is_hdf5(path: Path) -> bool:
    import h5py

    return bool(h5py.is_hdf5(path))


def _keras_zip(path: Path) -> tuple[str, Any]:
    """The version of Keras that wrote the file, and the network's configuration."""
    try:
        with zipfile.ZipFile(path) as file:
            version = json.loads(file.read("metadata.json"))["keras_version"]
            return str(version), json.loads(file.read("config.json"))
    except WRONG_FILE as error:
        raise unreadable(path, error) from error


def _keras_h5(path: Path) -> tuple[str, Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
            version = str(file.attrs.get("keras_version", "2"))
            if config is None:
                raise InputError(
                    f"model {path}: holds weights only. Save the whole network: "
                    "model.save('model.keras')."
                )
            return version, json.loads(config)
    except WRONG_FILE as error:
        raise unreadable(path, error) from error


def _keras(path: Path, version: str, config: Any) -> LoadedNetwork:
    refuse_code(config, path)
    kind = "keras" if version.startswith("3") else "tf_keras"
    keras = _library(kind, path)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except WRONG_FILE as error:
        raise unreadable(path, error) from error
    _require_one("inputs", len(model.inputs or ()), path)
    _require_one("outputs", len(model.outputs or ()), path)
    batch, *shape = model.inputs[0].shape
    return LoadedNetwork(
        kind=kind,
        call=lambda image: model(image, training=False),
        batch=batch,
        input_shape=tuple(shape),
        output_shape=_class_scores(tuple(model.outputs[0].shape)[1:], path),
        owner=model,
    )


def _library(kind: str, path: Path) -> Any:
    import os

    if kind == "tf_keras":
        import tf_keras

        return tf_keras
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"model {path}: Keras runs on {keras.backend.backend()} here; set KERAS_BACKEND to "
            "tensorflow."
        )
    return keras


def _saved_model(path: Path) -> LoadedNetwork:
    import tensorflow as tf

    refuse_outside_operators(path)
    try:
        loaded = tf.saved_model.load(str(path))
    except (*WRONG_FILE, tf.errors.OpError) as error:
        raise unreadable(path, error) from error
    signatures = loaded.signatures
    name = "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
    if name is None:
        raise InputError(
            f"model {path}: the SavedModel has no signature. Write it with model.export(folder), "
            "or tf.saved_model.save(model, folder, signatures=...)."
        )
    serve = signatures[name]
    taken = serve.structured_input_signature[1]
    _require_one("inputs", len(taken), path)
    _require_one("outputs", len(serve.structured_outputs), path)
    ((argument, source),) = taken.items()
    ((output, target),) = serve.structured_outputs.items()
    batch, *shape = _known_rank(source.shape, path)
    return LoadedNetwork(
        kind="saved_model",
        call=lambda image: serve(**{argument: tf.cast(image, source.dtype)})[output],
        batch=batch,
        input_shape=tuple(shape),
        output_shape=_class_scores(_known_rank(target.shape, path)[1:], path),
        owner=loaded,
    )


def _known_rank(shape: Any, path: Path) -> tuple[int | None, ...]:
    if shape.rank is None:
        raise InputError(f"model {path}: its signature leaves the number of dimensions open.")
    return tuple(shape.as_list())


def _require_one(what: str, count: int, path: Path) -> None:
    if count != 1:
        raise InputError(
            f"model {path}: has {count} {what}; a classifier with one input and one output is "
            "needed. Save the part that classifies as a network of its own."
        )


def _class_scores(shape: tuple[int | None, ...], path: Path) -> tuple[int | None, ...]:
    if len(shape) != 1:
        raise InputError(
            f"model {path}: its output is [batch, {', '.join(map(str, shape))}], not "
            "[batch, classes]: no classifier."
        )
    return shape

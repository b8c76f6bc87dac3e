"""Networks as people have them, small, in the formats of both libraries."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from targets.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (256, 8, 8, 1), np.uint8)
RAW = {"scale": 1.0, "offset": 0.0}
NAMES = ("keras", "tf_keras")


def library(name: str) -> Any:
    import keras
    import tf_keras

    return {"keras": keras, "tf_keras": tf_keras}[name]


def layers_of(k: Any) -> list[Any]:
    """A small classifier of raw pixels, whose first layer rescales them."""
    k.utils.set_random_seed(0)
    return [
        k.layers.Rescaling(1 / 127.5, offset=-1.0),
        k.layers.Conv2D(4, 3, activation="relu"),
        k.layers.Flatten(),
        k.layers.Dense(3),
    ]


def classifier(k: Any, *, first: Any = (), **options: Any) -> Any:
    return k.Sequential([k.Input((8, 8, 1), **options), *first, *layers_of(k)])


def exported(model: Any, folder: Path) -> Path:
    """As Keras 3 writes a SavedModel."""
    model.export(folder, verbose=False)
    return folder


def signatures(folder: Path, made: dict[str, Any], module: Any = None) -> Path:
    """A SavedModel with these functions, each of its own `TensorSpec`."""
    import tensorflow as tf

    module = module or tf.Module()
    concrete = {
        name: tf.function(function, input_signature=[spec]).get_concrete_function()
        for name, (function, spec) in made.items()
    }
    module.kept = list(concrete.values())
    tf.saved_model.save(module, str(folder), signatures=concrete)
    return folder


def pixels(dtype: str = "float32", batch: int | None = None) -> Any:
    import tensorflow as tf

    return tf.TensorSpec([batch, 8, 8, 1], dtype, name="pixels")


def linear(images: Any) -> Any:
    import tensorflow as tf

    flat = tf.reshape(tf.cast(images, tf.float32), [-1, 64])
    return {"scores": flat @ (np.arange(192, dtype=np.float32).reshape(64, 3) % 7 - 3)}


def refused(call: Callable[[], Any], *parts: str) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)

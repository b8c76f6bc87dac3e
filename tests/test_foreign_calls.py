"""Networks that train, draw random numbers or fail when called."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.datasets.splits import Dataset
from pipeline.recipe.training import TeacherConfig
from pipeline.teachers import open_teacher
from pipeline.teachers.loading import load_network
from tests.conftest import Command
from tests.foreign import (
    NAMES,
    RAW,
    classifier,
    exported,
    library,
    linear,
    pixels,
    refused,
    signatures,
)
from tests.test_convert_command import convert

# Training mode


def assigning(folder: Path) -> Path:
    import tensorflow as tf

    module = tf.Module()
    module.count = tf.Variable(0.0)

    def serve(images: Any) -> Any:
        module.count.assign_add(1.0)
        return linear(images)

    return signatures(folder, {"serving_default": (serve, pixels())}, module)


def drawing(folder: Path) -> Path:
    import tensorflow as tf

    def serve(images: Any) -> Any:
        return linear(images + tf.random.uniform([8, 8, 1]))

    return signatures(folder, {"serving_default": (serve, pixels())})


def augmenting(folder: Path) -> Path:
    """What Keras 3 exports for a network with random layers."""
    k = library("keras")
    return exported(classifier(k, first=[k.layers.RandomFlip("horizontal")]), folder)


def dropping(folder: Path) -> Path:
    k = library("tf_keras")
    image = k.Input((8, 8, 1))
    flat = k.layers.Dropout(0.5)(k.layers.Flatten()(image), training=True)
    k.Model(image, k.layers.Dense(3)(flat)).save(folder.with_suffix(".keras"))
    return folder.with_suffix(".keras")


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (assigning, ("assigns its variables", "AssignAddVariableOp", "training=False")),
        (drawing, ("draws random numbers", "RandomUniform", "training=False")),
        (augmenting, ("assigns its variables", "random_flip", "Save the network as .kera")),
        (dropping, ("draws random numbers", "dropout", "without training=True")),
    ],
)
def test_a_network_in_training_mode_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], parts: tuple[str, ...]
) -> None:
    path = make(tmp_path / "net")
    refused(lambda: load_network(path), "gives other outputs in every call", *parts)


def test_a_random_number_that_reaches_no_output_is_not_minded(tmp_path: Path) -> None:
    import tensorflow as tf

    def serve(images: Any) -> Any:
        tf.random.uniform([])
        return linear(images)

    path = signatures(tmp_path / "net", {"serving_default": (serve, pixels())})
    assert convert(path, tmp_path / "out", **RAW)["files"][0]["agreement"] == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_augmentation_in_a_keras_file_is_left_out(tmp_path: Path, name: str) -> None:
    k = library(name)
    classifier(k, first=[k.layers.RandomFlip("horizontal")]).save(tmp_path / "net.keras")
    document = convert(tmp_path / "net.keras", tmp_path / "out", **RAW)
    assert document["files"][0]["agreement"] == 1.0


# Networks that fail when they run


def failing(images: Any) -> Any:
    import tensorflow as tf

    beyond = tf.where(tf.reduce_max(images) > 1.0, 9, 0)
    return {"scores": tf.gather(linear(images)["scores"], [beyond, 0], axis=1)}


def test_a_network_that_fails_when_run_is_refused(tmp_path: Path) -> None:
    path = signatures(tmp_path / "net", {"serving_default": (failing, pixels())})
    refused(lambda: convert(path, tmp_path / "out", **RAW), "cannot be run: indices[0] = 9 is not")


def test_a_teacher_that_fails_when_run_is_refused(tmp_path: Path, stripes_data: Dataset) -> None:
    import tensorflow as tf

    wanted = tf.TensorSpec([None, 12, 12, 1], tf.float32)

    def serve(images: Any) -> Any:
        return {
            "scores": tf.gather(images[:, :4, 0, 0], tf.cast(images[0, 0, :3, 0], tf.int32), axis=1)
        }

    path = signatures(tmp_path / "net", {"serving_default": (serve, wanted)})
    teacher = open_teacher(path, TeacherConfig(), stripes_data)
    refused(lambda: teacher.logits(np.full((4, 12, 12, 1), 99, np.uint8)), "cannot be run: indices")


def test_channels_first_is_named_where_the_processor_has_no_kernels(
    command: Command, tmp_path: Path
) -> None:
    k = library("keras")
    first = {"data_format": "channels_first"}
    net = [
        k.Input((1, 8, 8)),
        k.layers.Conv2D(4, 3, **first),
        k.layers.Flatten(),
        k.layers.Dense(3),
    ]
    k.Sequential(net).save(tmp_path / "net.keras")
    done = command("convert", "net.keras", env={"TF_ENABLE_ONEDNN_OPTS": "0"})
    assert done.returncode == 2
    assert "it is channels first (NCHW)" in done.stderr
    assert 'data_format="channels_last"' in done.stderr

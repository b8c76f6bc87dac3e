"""The three ways to train one student that `distill_step.py` compares, each over steps of noise.

The same student (MobileNetV1-style, 1.0 wide), batch, optimizer and data; for the two that distil,
the same loss and teacher (ResNet 32, 64, 128, two blocks per stage). The product's loop renders a
view of every batch with deterministic kernels; Keras runs with its defaults on an array that was
normalised beforehand.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from contestants import (
    CLASSES,
    LEARNING_RATE,
    Settings,
    Stopwatch,
    dataset,
    noise,
    student,
    train,
)

from pipeline.datasets.splits import Dataset, Split
from pipeline.training.augmentation.images import ImageViews
from targets.formats.input_spec import image_input

FAMILY = "mobilenet_v1"
TEACHER = {"widths": [32, 64, 128], "blocks": 2}
TEMPERATURE, ALPHA = 4.0, 0.9

Loss = Callable[..., Any]


def kd() -> Loss:
    from pipeline.losses.objectives import distillation

    return distillation("kd", temperature=TEMPERATURE, alpha=ALPHA, parameters={})


def alone(cfg: Settings, watch: Stopwatch) -> int:
    """The product's loop on labels."""
    return _train(cfg, watch, dataset(noise(cfg), cfg))


def cached(cfg: Settings, watch: Stopwatch) -> int:
    """The product's loop on the logits of every view, from a memory-mapped float16 cache."""
    data = dataset(noise(cfg), cfg)
    logits = np.random.default_rng(0).normal(size=(1, len(data[Split.TRAIN]), len(CLASSES)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "logits.npy"
        np.save(path, logits.astype(np.float16))
        cache = np.load(path, mmap_mode="r")

        def targets(*, view: int, index: Any, raw: Any) -> list[Any]:
            return [cache[view, index].astype(np.float32)]

        return _train(cfg, watch, data, objective=kd(), targets=targets, cycle=1)


def _train(cfg: Settings, watch: Stopwatch, data: Dataset, **changes: Any) -> int:
    views = ImageViews(shift=2, flip=True)
    network = partial(student, FAMILY, cfg)
    return train(cfg, watch, model=network, data=data, augmentation=views, **changes)


def keras_live(cfg: Settings, watch: Stopwatch) -> int:
    """The usual pattern: a model whose `train_step` runs the teacher on every batch, in `fit`."""
    import tensorflow as tf
    from tf_keras import Model, callbacks, optimizers

    tf.config.threading.set_intra_op_parallelism_threads(cfg.threads)
    tf.config.threading.set_inter_op_parallelism_threads(cfg.threads)
    samples, network, loss = noise(cfg), student(FAMILY, cfg), kd()
    teacher = _teacher(cfg)

    class Distiller(Model):  # type: ignore[misc]
        def train_step(self, data: Any) -> dict[str, Any]:
            images, labels = data
            logits = teacher(images, training=False)
            with tf.GradientTape() as tape:
                value = loss(student=network(images, training=True), teacher=logits, labels=labels)
            variables = network.trainable_variables
            self.optimizer.apply_gradients(
                zip(tape.gradient(value, variables), variables, strict=True)
            )
            return {"loss": value}

    model = Distiller()
    model.compile(
        optimizer=optimizers.SGD(LEARNING_RATE, momentum=0.9, nesterov=True), jit_compile=False
    )
    images = (samples.raw.astype(np.float32) - 128) / 128
    tick = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    model.fit(images, samples.labels, batch_size=cfg.batch_size, verbose=0, callbacks=[tick])
    return int(network.count_params())


def _teacher(cfg: Settings) -> Any:
    from pipeline.models.network import NetworkSpec, build

    spec = NetworkSpec(
        role="teacher",
        family="resnet",
        settings=TEACHER,
        input=image_input(cfg.side, cfg.side, 1),
        classes=len(CLASSES),
    )
    return build(spec)


CONTESTANTS: dict[str, Callable[[Settings, Stopwatch], int]] = {
    "cached": cached,
    "alone": alone,
    "keras_live": keras_live,
}
"""Each trains the student, calls `watch.step` and returns the student's number of parameters."""

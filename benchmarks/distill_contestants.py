"""The three ways to train one student that `distill_step.py` compares, each over steps of noise.

The same student (MobileNetV1-style, 1.0 wide), batch, optimizer and data; for the two that distil,
the same loss and teacher (ResNet 32, 64, 128, two blocks per stage). Ours render a view of every
batch and have deterministic kernels; Keras runs with its defaults on an array that was normalised
beforehand.
"""

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from contestants import CLASSES, LEARNING_RATE, Settings, Stopwatch, noise, student

from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.recipe import TrainingConfig, ViewsConfig
from targets.inputs import image_input

FAMILY = "mobilenet_v1"
TEACHER = {"widths": (32, 64, 128), "blocks": 2}
TEMPERATURE, ALPHA = 4.0, 0.9

Loss = Callable[..., Any]


def kd() -> Loss:
    from pipeline.training import losses

    return partial(losses.distillation, temperature=TEMPERATURE, alpha=ALPHA)


def alone(cfg: Settings, watch: Stopwatch) -> int:
    """Our loop on labels."""
    from pipeline.stages.training import hard_labels
    from pipeline.training.loop import fit

    task = _task(cfg, hard_labels)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.npz"
        fit(task, checkpoint=checkpoint, progress=lambda first, total: nullcontext(watch))
    return int(task.model.count_params())


def cached(cfg: Settings, watch: Stopwatch) -> int:
    """Our loop on the logits that a memory-mapped float16 cache holds of every view."""
    task = _task(cfg, kd())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "logits.npy"
        images = len(task.data[Split.TRAIN])
        logits = np.random.default_rng(0).normal(size=(1, images, len(CLASSES)))
        np.save(path, logits.astype(np.float16))
        cache = np.load(path, mmap_mode="r")

        def targets(*, view: int, index: Any, raw: Any) -> list[Any]:
            return [cache[view, index].astype(np.float32)]

        _epoch(task, targets, watch)
    return int(task.model.count_params())


def _task(cfg: Settings, objective: Loss) -> Any:
    from pipeline.training import session
    from pipeline.training.loop import Task, one_cycle, sgd

    session.start(seed=0, threads=cfg.threads)
    samples = noise(cfg)
    training = TrainingConfig(epochs=1, batch_size=cfg.batch_size, learning_rate=LEARNING_RATE)
    return Task(
        stage="benchmark",
        model=student(FAMILY, cfg),
        objective=objective,
        optimizer=sgd(training),
        schedule=one_cycle,
        data=_data(samples, cfg),
        cfg=training,
        views=ViewsConfig(shift=2, flip=True),
        seed=0,
    )


def _data(samples: Samples, cfg: Settings) -> Dataset:
    splits = {Split.TRAIN: samples, Split.VAL: samples.take(np.arange(cfg.batch_size))}
    return Dataset(name="noise", classes=CLASSES, splits=splits, sha256="")


def _epoch(task: Any, targets: Callable[..., list[Any]], watch: Stopwatch) -> None:
    """`loop.fit` with `targets`, until its `Task` takes them: the same work, step by step."""
    import tensorflow as tf

    from pipeline.training.loop import normalise
    from pipeline.training.views import epoch_order, view_table

    train, spec = task.data[Split.TRAIN], task.data.input
    model, optimizer = task.model, task.optimizer
    optimizer.build(model.trainable_variables)
    order = epoch_order(len(train), seed=0, epoch=0)
    table = view_table(
        task.views, images=len(train), size=spec.shape[:2], seed=0, view=0, grey=spec.zero_point
    )

    @tf.function
    def step(raw: Any, labels: Any, teacher: Any, rate: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(normalise(raw, spec), training=True)
            loss = task.objective(student=logits, teacher=teacher, labels=labels)
        variables = model.trainable_variables
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    size = task.cfg.batch_size
    for number in range(len(train) // size):
        index = order[number * size : (number + 1) * size]
        raw = table.render(train.images, index)
        (logits,) = targets(view=0, index=index, raw=raw)
        rate = tf.constant(task.cfg.learning_rate * task.schedule(0.5), tf.float32)
        step(tf.constant(raw), tf.constant(train.labels[index]), tf.constant(logits), rate)
        watch.step()


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
            said = teacher(images, training=False)
            with tf.GradientTape() as tape:
                value = loss(student=network(images, training=True), teacher=said, labels=labels)
            variables = network.trainable_variables
            self.optimizer.apply_gradients(
                zip(tape.gradient(value, variables), variables, strict=True)
            )
            return {"loss": value}

    model = Distiller()
    model.compile(
        optimizer=optimizers.SGD(LEARNING_RATE, momentum=0.9, nesterov=True), jit_compile=False
    )
    images = (samples.images.astype(np.float32) - 128) / 128
    tick = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    model.fit(images, samples.labels, batch_size=cfg.batch_size, verbose=0, callbacks=[tick])
    return int(network.count_params())


def _teacher(cfg: Settings) -> Any:
    from pipeline.models.network import NetworkSpec, build

    spec = NetworkSpec(
        role="teacher",
        family="resnet",
        arguments=TEACHER,
        input=image_input(cfg.side, cfg.side, 1),
        classes=len(CLASSES),
    )
    return build(spec)


CONTESTANTS: dict[str, Callable[[Settings, Stopwatch], int]] = {
    "cached": cached,
    "alone": alone,
    "keras_live": keras_live,
}
"""Trains the student, tells the watch of every step, returns the student's parameters."""

"""The one training loop: teacher, student and quantization-aware fine-tuning use it.

A plain `tf.function` step over numpy batches: with deterministic kernels and rendered views 0.97
times the images per second of Keras `fit`, and 1.3 times those of a channels-last PyTorch loop, on
two CPU cores (`benchmarks/results/train_step.json`). Never `jit_compile`, which costs 8-14 times
the CPU time there. Everything random is a pure function of (seed, epoch, index), and each epoch
ends in a checkpoint, so that an interrupted run resumes to the bytes of an uninterrupted one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Dataset, Split
from pipeline.progress import EpochProgress
from pipeline.recipe import TrainingConfig, ViewsConfig
from pipeline.training.checkpoint import EpochRecord, TrainingState
from pipeline.training.views import epoch_order, require_fit, view_table
from targets import metrics
from targets.errors import EdgeDistillError
from targets.inputs import InputSpec

Tensor = Any
Schedule = Callable[[float], float]
Objective = Callable[..., Tensor]
"""Called with `student=`, `teacher=`, `labels=`; the teacher's logits are None without one."""


DIVERGED = 1e4
"""Batch norm keeps a network finite long after it is lost: this is far above any loss or logit of
a network that learns (chance is a loss of log(classes); distillation multiplies by T²)."""


class TrainingDivergedError(EdgeDistillError):
    """The loss is no number any more, or none that a network comes back from."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is trained on what, in which way."""

    stage: str
    model: Any
    objective: Objective
    optimizer: Any
    schedule: Schedule
    data: Dataset
    cfg: TrainingConfig
    views: ViewsConfig
    seed: int
    teacher: Any | None = None
    before_epoch: Callable[[int], None] = lambda epoch: None
    """Called with the number of the epoch, from 0; must depend on nothing else."""


def one_cycle(progress: float) -> float:
    """Factor on the peak rate: up in the first quarter, then down to 0 by a cosine.

    Source: Smith 2018, arXiv 1803.09820, with the cosine instead of the line.
    """
    if progress < 0.25:
        return 0.04 + 0.96 * progress / 0.25
    return 0.5 * (1 + math.cos(math.pi * (progress - 0.25) / 0.75))


def cosine(progress: float) -> float:
    """Factor on the first rate: down to 1 % of it, for fine-tuning."""
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


def sgd(cfg: TrainingConfig) -> Any:
    """Nesterov momentum 0.9 with decoupled decay on kernels only."""
    from tf_keras.optimizers import SGD

    optimizer = SGD(
        momentum=0.9, nesterov=True, weight_decay=cfg.weight_decay or None, jit_compile=False
    )
    if cfg.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def adam() -> Any:
    from tf_keras.optimizers import Adam

    return Adam(jit_compile=False)


def fit(task: Task, *, checkpoint: Path, progress: Callable[..., Any]) -> list[EpochRecord]:
    """Train `task.model` in place for `task.cfg.epochs`; the history, one record per epoch.

    Goes on after the last epoch that `checkpoint` holds. `progress(first=, total=)` is a context
    manager that gives an `EpochProgress`. Raises `TrainingDivergedError`.
    """
    height, width = task.data.input.shape[:2]
    require_fit(task.views, (height, width))
    task.optimizer.build(task.model.trainable_variables)
    state = TrainingState(path=checkpoint, model=task.model, optimizer=task.optimizer)
    history = state.restore()
    step = _make_step(task)
    predict = make_predict(task.model, task.data.input)
    with progress(first=len(history) + 1, total=task.cfg.epochs) as seen:
        for epoch in range(len(history), task.cfg.epochs):
            task.before_epoch(epoch)
            loss = _run_epoch(task, epoch, step, seen)
            logits = predict(task.data[Split.VAL].images)
            _require_converging(task, epoch, loss, logits)
            accuracy = metrics.top1(logits, task.data[Split.VAL].labels)
            history.append(EpochRecord(epoch=epoch + 1, loss=loss, validation_top1=accuracy))
            state.save(history)
            seen.epoch(epoch + 1, loss=loss, accuracy=accuracy)
    return history


def _run_epoch(task: Task, epoch: int, step: Callable[..., Tensor], seen: EpochProgress) -> float:
    train, spec = task.data[Split.TRAIN], task.data.input
    batch = min(task.cfg.batch_size, len(train))
    steps = len(train) // batch
    order = epoch_order(len(train), seed=task.seed, epoch=epoch)
    table = view_table(
        task.views,
        images=len(train),
        size=(spec.shape[0], spec.shape[1]),
        seed=task.seed,
        view=epoch,
        grey=spec.zero_point,
    )
    losses = []
    for number in range(steps):
        index = order[number * batch : (number + 1) * batch]
        rate = task.cfg.learning_rate * task.schedule((epoch + number / steps) / task.cfg.epochs)
        losses.append(step(table.render(train.images, index), train.labels[index], rate))
        seen.step(number + 1, steps)
    return float(np.mean([value.numpy() for value in losses]))


def _require_converging(
    task: Task, epoch: int, loss: float, logits: npt.NDArray[np.float32]
) -> None:
    """The losses were taken before each update; the logits on VAL are of the last one."""
    if not (loss <= DIVERGED and np.abs(logits).max() <= DIVERGED):  # NaN too
        raise TrainingDivergedError(
            f"{task.stage}: training diverged in epoch {epoch + 1} (loss {loss:.3g}). Lower "
            f"{task.stage}.learning_rate (now {task.cfg.learning_rate:g}); nothing was published."
        )


def _make_step(task: Task) -> Callable[..., Tensor]:
    import tensorflow as tf

    model, teacher, optimizer, spec = task.model, task.teacher, task.optimizer, task.data.input

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, *spec.shape], spec.dtype),
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([], tf.float32),
        ]
    )
    def step(raw: Tensor, labels: Tensor, rate: Tensor) -> Tensor:
        images = normalise(raw, spec)
        target = None if teacher is None else teacher(images, training=False)
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = task.objective(student=logits, teacher=target, labels=labels)
        variables = model.trainable_variables
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def call(raw: npt.NDArray[Any], labels: npt.NDArray[Any], rate: float) -> Tensor:
        return step(tf.constant(raw), tf.constant(labels), tf.constant(rate, tf.float32))

    return call


def normalise(raw: Tensor, spec: InputSpec) -> Tensor:
    """Raw samples as the network takes them: float32 `(raw - zero_point) * scale`."""
    import tensorflow as tf

    return (tf.cast(raw, tf.float32) - float(spec.zero_point)) * spec.scale


def make_predict(model: Any, spec: InputSpec) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    """A function from raw samples [n, ...] to logits [n, classes] in evaluation mode."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, *spec.shape], spec.dtype)])
    def predict(raw: Tensor) -> Tensor:
        return model(normalise(raw, spec), training=False)

    def in_batches(raw: npt.NDArray[Any], size: int = 256) -> npt.NDArray[Any]:
        parts = [predict(tf.constant(raw[i : i + size])).numpy() for i in range(0, len(raw), size)]
        return np.concatenate(parts)

    return in_batches

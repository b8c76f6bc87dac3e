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
from pipeline.engine.progress import EpochProgress
from pipeline.losses.objectives import Objective
from pipeline.recipe.schema import AugmentationConfig, TrainingConfig
from pipeline.training.augmentation import epoch_order, mixup, training_view
from pipeline.training.checkpoint import EpochRecord, TrainingState
from targets.errors import EdgeDistillError
from targets.evaluation import metrics
from targets.formats.input_spec import InputSpec

Tensor = Any
Schedule = Callable[[float], float]
Targets = Callable[..., list[npt.NDArray[np.float32]]]
"""What a teacher says of a batch: called with `view=`, `index=` (of the images in TRAIN) and `raw=`
(the views themselves); logits [batch, classes] first, then features."""


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
    views: AugmentationConfig
    seed: int
    """Of the order of the images."""
    view_seed: int
    """Of how they look."""
    targets: Targets | None = None
    cycle: int | None = None
    """Epoch e shows view e mod this; a new view in every epoch where it is None."""
    mixup: float = 0.0
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
    train = task.data[Split.TRAIN]
    batch = min(task.cfg.batch_size, len(train))
    steps = len(train) // batch
    order = epoch_order(len(train), seed=task.seed, epoch=epoch)
    view = epoch if task.cycle is None else epoch % task.cycle
    table = training_view(task.views, task.data, seed=task.view_seed, view=view)
    losses = []
    for number in range(steps):
        index = order[number * batch : (number + 1) * batch]
        rate = task.cfg.learning_rate * task.schedule((epoch + number / steps) / task.cfg.epochs)
        raw, labels = table.render(train.images, index), [train.labels[index]]
        share = 1.0
        if task.mixup:
            mixed = mixup(raw, alpha=task.mixup, seed=task.seed, epoch=epoch, number=number)
            raw, share = mixed.raw, mixed.share
            labels.append(train.labels[index[mixed.partner]])
        targets = [] if task.targets is None else task.targets(view=view, index=index, raw=raw)
        losses.append(step(raw, labels, share, targets, rate))
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
    """A step over host arrays, traced once: any size of batch is the same graph."""
    import tensorflow as tf

    model, optimizer, spec = task.model, task.optimizer, task.data.input

    def step(
        raw: Tensor, labels: list[Tensor], share: Tensor, targets: list[Tensor], rate: Tensor
    ) -> Tensor:
        teacher = _said(targets)
        with tf.GradientTape() as tape:
            student = model(normalise(raw, spec), training=True)
            loss = task.objective(student=student, teacher=teacher, labels=labels[0])
            if len(labels) == 2:
                other = task.objective(student=student, teacher=teacher, labels=labels[1])
                loss = share * loss + (1 - share) * other
        variables = model.trainable_variables
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    traced: Callable[..., Tensor] | None = None

    def call(*arguments: Any) -> Tensor:
        nonlocal traced
        tensors = tf.nest.map_structure(tf.constant, list(arguments))
        if traced is None:
            signature = tf.nest.map_structure(_any_batch, tensors)
            traced = tf.function(step, input_signature=signature)
        return traced(*tensors)

    return call


def _any_batch(tensor: Tensor) -> Any:
    import tensorflow as tf

    return tf.TensorSpec([None, *tensor.shape[1:]] if tensor.shape.rank else [], tensor.dtype)


def _said(targets: list[Tensor]) -> Any:
    """Nothing, logits, or logits and features, as the objective takes them."""
    if not targets:
        return None
    return targets[0] if len(targets) == 1 else targets


def normalise(raw: Tensor, spec: InputSpec) -> Tensor:
    """Raw samples as the network takes them: float32 `(raw - zero_point) * scale`."""
    import tensorflow as tf

    return (tf.cast(raw, tf.float32) - float(spec.zero_point)) * spec.scale


def make_predict(model: Any, spec: InputSpec) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    """A function from raw samples [n, ...] to logits [n, classes] in evaluation mode."""
    features = make_features(model, spec)

    def in_batches(raw: npt.NDArray[Any], size: int = 256) -> npt.NDArray[Any]:
        return np.concatenate([features(raw[i : i + size])[0] for i in range(0, len(raw), size)])

    return in_batches


def make_features(
    model: Any, spec: InputSpec
) -> Callable[[npt.NDArray[Any]], list[npt.NDArray[Any]]]:
    """A function from one batch of raw samples to all outputs of `model` in evaluation mode."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, *spec.shape], spec.dtype)])
    def predict(raw: Tensor) -> list[Tensor]:
        outputs: list[Tensor] = tf.nest.flatten(model(normalise(raw, spec), training=False))
        return outputs

    def call(raw: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        raw = np.asarray(raw)  # of memory-mapped images the batch alone is read
        return [output.numpy() for output in predict(tf.constant(raw))]

    return call

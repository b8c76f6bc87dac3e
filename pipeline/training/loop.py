"""The one training loop: teacher, student and quantization-aware fine-tuning use it.

A plain `tf.function` step over numpy batches. On two CPU cores, before batches were made ahead in
threads (2026-11-23, `benchmarks/results/train_step.json`), it had 0.97 times the images per second
of Keras `fit` and 1.3 times those of a channels-last PyTorch loop. Never `jit_compile`, which costs
8-14 times the CPU time there. Everything random is a pure function of (seed, epoch, index), and
each epoch ends in a checkpoint, so that an interrupted run resumes to the bytes of an uninterrupted
one.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Dataset, Labels, Split
from pipeline.engine.progress import EpochProgress
from pipeline.losses.objectives import Objective
from pipeline.recipe.training import TrainingConfig
from pipeline.training.ahead import background_threads, made_ahead
from pipeline.training.augmentation import (
    Each,
    Mix,
    ViewSettings,
    ViewTable,
    balanced_order,
    draw_mix,
    epoch_order,
    training_view,
)
from pipeline.training.checkpoint import EpochRecord, TrainingState, best_of
from pipeline.training.distribution import Alone, Distribution
from pipeline.training.freezing import frozen
from pipeline.training.inference import Outputs, forward, make_predict
from targets.errors import EdgeDistillError
from targets.evaluation import metrics
from targets.untyped import KerasModel, KerasOptimizer, Tensor

DIVERGED = 1e4
"""Batch norm keeps a network finite long after it is lost: this is far above any loss or logit of
a network that learns (chance is a loss of log(classes); distillation multiplies by T²)."""


class TrainingDivergedError(EdgeDistillError):
    """The loss is not finite, or so large that training cannot recover."""


class Targets(Protocol):
    """The teacher's outputs for a batch."""

    def __call__(self, *, view: int, index: npt.NDArray[np.int64], raw: Raw) -> list[Outputs]:
        """Logits [batch, classes], then features if the objective compares them.

        `index` are the samples' places in TRAIN, `raw` the batch as the student gets it, augmented
        and mixed, in the size of the teacher's samples. Called in a thread of its own.
        """


class Progress(Protocol):
    def __call__(self, *, first: int, total: int) -> AbstractContextManager[EpochProgress]: ...


@dataclass(frozen=True, kw_only=True)
class Task:
    """One training: the model, its data and teacher, and how it is trained."""

    stage: str
    model: KerasModel
    objective: Objective
    optimizer: KerasOptimizer
    schedule: Callable[[float], float]
    """Progress from 0 to 1 -> factor on `cfg.learning_rate`."""
    data: Dataset
    cfg: TrainingConfig
    augmentation: ViewSettings
    seed: int
    """Seed of the order of the samples."""
    view_seed: int
    """Seed of the augmentation of the samples."""
    targets: Targets | None = None
    cycle: int | None = None
    """Epoch e trains on view e modulo this; on a new view in every epoch if null."""
    mixup: float = 0.0
    """Both parameters of mixup's Beta distribution; 0 is off."""
    cutmix: float = 0.0
    """As `mixup`, for cutmix."""
    teacher_data: Dataset | None = None
    """The same samples in the size of a live teacher's; null is `data`."""
    before_epoch: Callable[[int], None] = lambda epoch: None
    """Called with the number of the epoch, from 0; must depend on nothing else."""
    waited: Callable[[float], None] = lambda seconds: None
    """Called with the seconds that each step waited for its batch."""
    distribution: Distribution = field(default_factory=Alone)
    """`cfg.batch_size` is that of all workers together."""

    def view(self, epoch: int) -> int:
        return epoch if self.cycle is None else epoch % self.cycle


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one training step takes, as host arrays."""

    raw: Raw
    labels: list[Labels]
    """Labels of the samples, and with mixup those of their partners."""
    lam: float
    """Weight of the first labels in the loss; 1 without mixup."""
    targets: list[Outputs]


Step = Callable[[Batch, float], Tensor]
"""Batch and learning rate to the loss before the update."""


def fit(task: Task, *, checkpoint: Path, progress: Progress) -> list[EpochRecord]:
    """Train `task.model` in place for `task.cfg.epochs`; one record per epoch.

    Continues after the last epoch that `checkpoint` holds. Raises `TrainingDivergedError`.
    """
    with frozen(task.model, task.cfg):
        task.optimizer.build(task.model.trainable_variables)
        state = TrainingState(path=checkpoint, model=task.model, optimizer=task.optimizer)
        history, best = state.restore()
        task.distribution.begin(state.variables(), epoch=len(history))
        step, evaluate = training_step(task), _evaluation(task)
        epochs = range(len(history), task.cfg.epochs)
        with (
            progress(first=len(history) + 1, total=task.cfg.epochs) as shown,
            _made_ahead(task, epochs) as ahead,
        ):
            for record in history:
                _tell(record, shown)
            for epoch in epochs:
                task.before_epoch(epoch)
                loss = _run_epoch(task, epoch, islice(ahead, _steps(task)), step, shown)
                accuracy = evaluate(epoch, loss)
                history.append(EpochRecord(epoch=epoch + 1, loss=loss, validation_top1=accuracy))
                if task.cfg.keep == "best" and best_of(history) is history[-1]:
                    best = task.model.get_weights()
                if task.distribution.is_chief:
                    state.save(history, best=best)
                _tell(history[-1], shown)
        if best is not None:
            task.model.set_weights(best)
    return history


def _tell(record: EpochRecord, shown: EpochProgress) -> None:
    shown.epoch(record.epoch, loss=record.loss, accuracy=record.validation_top1)


def _evaluation(task: Task) -> Callable[[int, float], float]:
    """A function from the epoch and its loss to the accuracy on the validation split."""
    predict, validation = make_predict(task.model, task.data.input), task.data[Split.VAL]

    def evaluate(epoch: int, loss: float) -> float:
        logits = predict(validation.raw)
        _require_converging(task, epoch, loss, logits)
        return metrics.top1(logits, validation.labels)

    return evaluate


@contextmanager
def _made_ahead(task: Task, epochs: range) -> Iterator[Iterator[Batch]]:
    """All batches of all epochs; the next ones are rendered during a step and an evaluation."""
    with background_threads() as pool:
        every = (batch for epoch in epochs for batch in batches(task, epoch, each=pool.map))
        with closing(made_ahead(every, waited=task.waited)) as ahead:
            yield ahead


def _run_epoch(
    task: Task, epoch: int, batches: Iterator[Batch], step: Step, shown: EpochProgress
) -> float:
    """Run one epoch and return its mean loss."""
    steps = _steps(task)
    losses = []
    for number, batch in enumerate(batches):
        factor = task.schedule((epoch + number / steps) / task.cfg.epochs)
        losses.append(step(batch, task.cfg.learning_rate * factor))
        shown.step(number + 1, steps)
    return float(np.mean([value.numpy() for value in losses]))


def batches(task: Task, epoch: int, *, each: Each = map) -> Iterator[Batch]:
    """The whole batches of an epoch: augmented, mixed if the task asks for it, with targets.

    Of several workers each gets its part of them.
    """
    train, view, share = task.data[Split.TRAIN], task.view(epoch), task.distribution.share
    order = _order(task, epoch)
    table = training_view(task.augmentation, task.data, seed=task.view_seed, view=view)
    for number in range(_steps(task)):
        index = order[number * _batch_size(task) :][: _batch_size(task)]
        mix = _mix(task, epoch, number)
        render = partial(_rendered, task, table, index, mix, each)
        raw = render(task.data)
        labels = [train.labels[share(index)]]
        labels += [train.labels[share(index[mix.partner])]] if mix else []
        targets = []
        if task.targets:
            theirs = task.teacher_data or task.data
            same = theirs.input == task.data.input
            shown = raw if same else render(theirs)
            targets = task.targets(view=view, index=share(index), raw=shown)
        yield Batch(raw=raw, labels=labels, lam=mix.lam if mix else 1.0, targets=targets)


def _order(task: Task, epoch: int) -> npt.NDArray[np.int64]:
    train = task.data[Split.TRAIN]
    if task.cfg.balance == "sampling":
        return balanced_order(train.labels, seed=task.seed, epoch=epoch)
    return epoch_order(len(train), seed=task.seed, epoch=epoch)


def _mix(task: Task, epoch: int, number: int) -> Mix | None:
    return draw_mix(
        _batch_size(task),
        mixup_alpha=task.mixup,
        cutmix_alpha=task.cutmix,
        seed=task.seed,
        epoch=epoch,
        number=number,
    )


def _rendered(
    task: Task,
    table: ViewTable,
    index: npt.NDArray[np.int64],
    mix: Mix | None,
    each: Each,
    data: Dataset,
) -> Raw:
    """This worker's part of a batch; a sample can be mixed with one of another part."""
    share, train = task.distribution.share, data[Split.TRAIN]
    if mix is None:
        return table.render(train, share(index), each=each)
    return share(mix(table.render(train, index, each=each)))


def _batch_size(task: Task) -> int:
    return min(task.cfg.batch_size, len(task.data[Split.TRAIN]))


def _steps(task: Task) -> int:
    return len(task.data[Split.TRAIN]) // _batch_size(task)


def _require_converging(task: Task, epoch: int, loss: float, logits: Outputs) -> None:
    """Raise if training diverged: losses precede each update, the logits on VAL follow the last."""
    if not (loss <= DIVERGED and np.abs(logits).max() <= DIVERGED):  # NaN too
        raise TrainingDivergedError(
            f"{task.stage}: training diverged in epoch {epoch + 1} (loss {loss:.3g}). Lower "
            f"{task.stage}.learning_rate (now {task.cfg.learning_rate:g}); nothing was published."
        )


def training_step(task: Task) -> Step:
    """A step over host arrays, traced once: any size of batch is the same graph."""
    import tensorflow as tf

    model, optimizer, spec = task.model, task.optimizer, task.data.input

    def step(
        raw: Tensor, labels: list[Tensor], lam: Tensor, targets: list[Tensor], rate: Tensor
    ) -> Tensor:
        teacher, variables = _for_objective(targets), model.trainable_variables

        def differentiate() -> tuple[Tensor, list[Tensor]]:
            with tf.GradientTape() as tape:
                student = forward(model, raw, spec, training=True)
                loss = task.objective(student=student, teacher=teacher, labels=labels[0])
                if len(labels) == 2:
                    other = task.objective(student=student, teacher=teacher, labels=labels[1])
                    loss = lam * loss + (1 - lam) * other
            return loss, tape.gradient(loss, variables)

        loss, gradients = task.distribution.averaged(model, differentiate)
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    traced: Callable[..., Tensor] | None = None

    def call(batch: Batch, rate: float) -> Tensor:
        nonlocal traced
        host = [batch.raw, batch.labels, batch.lam, batch.targets, rate]
        tensors = tf.nest.map_structure(tf.constant, host)
        if traced is None:
            traced = tf.function(step, input_signature=tf.nest.map_structure(_any_batch, tensors))
        return traced(*tensors)

    return call


def _any_batch(tensor: Tensor) -> Tensor:
    """The tensor's specification, of any batch size."""
    import tensorflow as tf

    return tf.TensorSpec([None, *tensor.shape[1:]] if tensor.shape.rank else [], tensor.dtype)


def _for_objective(targets: list[Tensor]) -> Tensor | list[Tensor] | None:
    """Nothing, logits, or logits and features, as the objective takes them."""
    if not targets:
        return None
    return targets[0] if len(targets) == 1 else targets

"""The three loops that `train_step.py` compares, each over one epoch of noise, and their stopwatch.

The same student (1.0 wide, grey images), batch, SGD with Nesterov momentum, cross-entropy, threads
and data; no teacher. `ours` is `pipeline.training.loop.fit` with all of its features: deterministic
kernels, rendered views, a learning rate per step. The peers run with their defaults.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil
from pydantic import BaseModel, ConfigDict

from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.engine.progress import SilentEpochs
from targets.formats.input_spec import image_input

CLASSES = tuple("abcdefghij")
LEARNING_RATE = 0.05
WARM_UP_STEPS = 10


class Settings(BaseModel):
    """Settings of all contestants."""

    model_config = ConfigDict(frozen=True)

    side: int
    batch_size: int
    steps: int
    threads: int


class Timing(BaseModel):
    """One measurement."""

    parameters: int
    images_per_s: float
    cores_taken_by_others: float
    """On average over the timed steps, by other processes and by other guests of the host."""
    waiting_share: float | None = None
    """Share of a step that is spent waiting for its batch, where the loop reports it."""


@dataclass
class Stopwatch(SilentEpochs):
    """Times the steps after warm-up; also a progress display for the product's loop."""

    cfg: Settings
    done: int = 0
    readings: list[tuple[float, float, float]] = field(default_factory=list)
    """Wall time, CPU time of this process, and all CPU time that is not idle; in seconds."""
    waits: list[float] = field(default_factory=list)
    """Seconds that each step waited for its batch."""

    def step(self, done: int = 0, of: int = 0) -> None:
        self.done += 1
        if self.done in (WARM_UP_STEPS, WARM_UP_STEPS + self.cfg.steps):
            cpu = psutil.cpu_times()
            busy = sum(cpu[:]) - cpu.idle - getattr(cpu, "iowait", 0.0)
            self.readings.append((time.perf_counter(), time.process_time(), busy))

    def timing(self, parameters: int) -> Timing:
        wall_s, own_s, busy_s = (end - start for start, end in zip(*self.readings, strict=True))
        return Timing(
            parameters=parameters,
            images_per_s=self.cfg.steps * self.cfg.batch_size / wall_s,
            cores_taken_by_others=max(0.0, (busy_s - own_s) / wall_s),
            waiting_share=sum(self.waits[WARM_UP_STEPS:]) / wall_s if self.waits else None,
        )


def measure(contestant: Callable[[Settings, Stopwatch], int], settings: str) -> None:
    """Print the timing of a contestant under `settings`, as JSON."""
    watch = Stopwatch(cfg=Settings.model_validate_json(settings))
    timing = watch.timing(contestant(watch.cfg, watch))
    click.echo(timing.model_dump_json(exclude_none=True))


def noise(cfg: Settings) -> Samples:
    """One epoch of random images: the time of a step does not depend on the pixels' values."""
    random, count = np.random.default_rng(0), (WARM_UP_STEPS + cfg.steps) * cfg.batch_size
    images = random.integers(0, 256, (count, cfg.side, cfg.side, 1), dtype=np.uint8)
    return Samples(raw=images, labels=random.integers(0, len(CLASSES), count))


def dataset(samples: Samples, cfg: Settings) -> Dataset:
    splits = {Split.TRAIN: samples, Split.VAL: samples.take(np.arange(cfg.batch_size))}
    return Dataset(name="noise", classes=CLASSES, splits=splits, sha256="")


def student(family: str, cfg: Settings, *, width: float = 1.0) -> Any:
    from pipeline.models.network import NetworkSpec, build

    spec = NetworkSpec(
        role="student",
        family=family,
        settings={"width_multiplier": width},
        input=image_input(cfg.side, cfg.side, 1),
        classes=len(CLASSES),
    )
    return build(spec)


def train(
    cfg: Settings, watch: SilentEpochs, *, model: Callable[[], Any], data: Dataset, **changes: Any
) -> int:
    """Train what `model` builds for an epoch in the product's loop, on the labels.

    `changes` are of the `Task`. Returns the number of parameters.
    """
    from pipeline.losses.formulas import cross_entropy
    from pipeline.losses.objectives import supervised
    from pipeline.recipe.training import TrainingConfig
    from pipeline.training import session
    from pipeline.training.augmentation.images import ImageViews
    from pipeline.training.loop import Task, fit
    from pipeline.training.optimizers import one_cycle, optimizer_of

    session.start(seed=0, threads=cfg.threads)
    training = TrainingConfig(epochs=1, batch_size=cfg.batch_size, learning_rate=LEARNING_RATE)
    task = Task(
        stage="benchmark",
        model=model(),
        objective=supervised(cross_entropy),
        optimizer=optimizer_of(training),
        schedule=one_cycle,
        data=data,
        cfg=training,
        augmentation=ImageViews(shift=0),
        seed=0,
        view_seed=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.npz"
        changed = replace(task, **changes)
        fit(changed, checkpoint=checkpoint, progress=lambda first, total: nullcontext(watch))
    return int(task.model.count_params())


def ours(family: str, cfg: Settings, watch: Stopwatch) -> int:
    return train(cfg, watch, model=lambda: student(family, cfg), data=dataset(noise(cfg), cfg))


def keras_fit(family: str, cfg: Settings, watch: Stopwatch) -> int:
    """As in the Keras tutorials: an array normalised beforehand, `compile`, `fit`."""
    import tensorflow as tf
    from tf_keras import callbacks, losses, optimizers

    tf.config.threading.set_intra_op_parallelism_threads(cfg.threads)
    tf.config.threading.set_inter_op_parallelism_threads(cfg.threads)
    samples, model = noise(cfg), student(family, cfg)
    model.compile(
        optimizer=optimizers.SGD(LEARNING_RATE, momentum=0.9, nesterov=True),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    images = (samples.raw.astype(np.float32) - 128) / 128
    tick = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    model.fit(images, samples.labels, batch_size=cfg.batch_size, verbose=0, callbacks=[tick])
    return int(model.count_params())


def torch_loop(family: str, cfg: Settings, watch: Stopwatch) -> int:
    """A plain eager loop, channels last."""
    import torch
    import torch_students

    torch.set_num_threads(cfg.threads)
    samples, model = noise(cfg), torch_students.BUILD[family](len(CLASSES))
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, momentum=0.9, nesterov=True)
    raw = torch.from_numpy(samples.raw).permute(0, 3, 1, 2)
    labels = torch.from_numpy(samples.labels)
    for index in torch.randperm(len(samples)).split(cfg.batch_size):
        images = (raw[index].float() - 128) / 128
        images = images.contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels[index]).backward()
        optimizer.step()
        watch.step()
    return torch_students.count_parameters(model)


CONTESTANTS: dict[str, Callable[[str, Settings, Stopwatch], int]] = {
    "ours": ours,
    "keras_fit": keras_fit,
    "torch_loop": torch_loop,
}
"""Each trains a network of a family, calls `watch.step` and returns the number of parameters."""

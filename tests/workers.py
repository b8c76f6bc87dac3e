"""Trainings that two processes of this module share: `python -m tests.workers NUMBER ADDRESSES OUT`
runs all of `TRAININGS` as one of them. And pieces of work for a gang."""

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.cluster.gang import Member
from pipeline.cluster.multi_worker import tf_config
from pipeline.cluster.worker import Sender
from pipeline.datasets.image_arrays import check
from pipeline.datasets.splits import Dataset, Split, three_way
from pipeline.engine.progress import SilentEpochs
from pipeline.quantization.qat import QuantizedNetwork
from pipeline.recipe.training import TrainingConfig
from pipeline.training import session
from pipeline.training.distribution import Distribution, MultiWorker
from pipeline.training.loop import Task, fit
from pipeline.training.optimizers import adam
from targets.errors import InputError
from targets.untyped import KerasModel
from tests.conftest import THREADS, stripes
from tests.tasks import small_task

CFG = TrainingConfig(epochs=4, batch_size=64, learning_rate=0.05)


@dataclass(frozen=True, kw_only=True)
class Trained:
    losses: list[float]
    weights: str
    """Digest of all of them."""


class Stop(Exception):
    """The training is interrupted."""


class Stopping(SilentEpochs):
    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        raise Stop


def data() -> Dataset:
    splits = three_way(
        check(stripes(), Path("s.npz")), validation=0.15, test=0.25, seed=0, name="s"
    )
    return Dataset(name="s", classes=("a", "b", "c"), splits=splits, sha256="0" * 64)


def trained(task: Task, checkpoint: Path, *, epochs: SilentEpochs | None = None) -> Trained:
    shown = epochs or SilentEpochs()
    records = fit(task, checkpoint=checkpoint, progress=lambda first, total: nullcontext(shown))
    return Trained(losses=[record.loss for record in records], weights=digest(task.model))


def digest(model: KerasModel) -> str:
    every = b"".join(np.ascontiguousarray(weights).data for weights in model.get_weights())
    return hashlib.sha256(every).hexdigest()


def plain(distribution: Distribution, checkpoint: Path) -> Trained:
    return trained(small_task(data(), CFG, distribution=distribution), checkpoint)


def resumed(distribution: Distribution, checkpoint: Path) -> Trained:
    """`plain`, interrupted behind its first epoch."""
    try:
        task = small_task(data(), CFG, distribution=distribution)
        trained(task, checkpoint, epochs=Stopping())
    except Stop:
        return plain(distribution, checkpoint)
    raise AssertionError("not interrupted")


def quantized(distribution: Distribution, checkpoint: Path) -> Trained:
    cfg = TrainingConfig(epochs=2, batch_size=32, learning_rate=1e-3)
    task = small_task(data(), cfg, distribution=distribution, optimizer=adam())
    network = QuantizedNetwork(task.model, task.data.input)
    network.calibrate(task.data[Split.TRAIN].raw)
    network.ranges_learn(True)
    changed = small_task(
        data(), cfg, model=network.model, distribution=distribution, optimizer=adam()
    )
    result = trained(changed, checkpoint)
    network.settle()
    return Trained(losses=result.losses, weights=digest(network.model))


TRAININGS: dict[str, Callable[[Distribution, Path], Trained]] = {
    "plain": plain,
    "resumed": resumed,
    "quantized": quantized,
}


def main(number: str, addresses: str, out: str) -> None:
    os.environ["TF_CONFIG"] = tf_config(int(number), addresses.split(","))
    session.start(seed=0, threads=THREADS)
    joined = MultiWorker.joined()
    made = {
        name: vars(training(joined, Path(out) / f"{name}.npz"))
        for name, training in TRAININGS.items()
    }
    print(json.dumps(made))


@dataclass(frozen=True)
class DyingOnce:
    """Worker 1 is killed at first, while worker 0 works on."""

    marker: Path
    """Beside it, each worker leaves one of its own."""

    def __call__(self, member: Member) -> int:
        own, first = (self.marker.with_suffix(f".{n}") for n in (member.number, 0))
        if not own.exists():
            own.touch()
            if member.number == 1:
                while not first.exists():  # it must be at work
                    time.sleep(0.05)
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
            self.marker.with_suffix(".woke").touch()
        sender = Sender(mailbox=member.mailbox, task=0)
        sender.say(f"worker {member.number} of {len(member.addresses)}")
        sender.flush()
        return member.number


def dying(member: Member) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def failing(member: Member) -> None:
    if member.number == 1:
        raise InputError("no such thing here")
    time.sleep(60)


@dataclass(frozen=True)
class Sleeping:
    """Each worker writes its process id, and sleeps."""

    folder: Path

    def __call__(self, member: Member) -> None:
        (self.folder / f"{member.number}.pid").write_text(str(os.getpid()))
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])

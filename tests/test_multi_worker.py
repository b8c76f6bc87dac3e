"""Several workers train one network together, each on its part of every batch."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from pipeline.cluster import gang
from pipeline.cluster.events import Event, Said
from pipeline.cluster.gang import Work, WorkersDiedError, together
from pipeline.engine.graph import STAGES
from pipeline.engine.progress import EpochProgress, SilentConsole
from pipeline.engine.store import Store
from pipeline.recipe.load import load, parse_override
from pipeline.training.distribution import Alone
from pipeline.training.loop import Batch, batches
from targets.errors import InputError
from tests import workers
from tests.conftest import Lane
from tests.tasks import small_task
from tests.test_fingerprint import key
from tests.workers import Trained

TRAINED = ("teacher", "distill", "quantize")
ONE_THREAD = ("threads", 1)
TWO = ("workers", 2)


# In the recipe


@pytest.mark.parametrize("stage", TRAINED)
def test_the_number_of_workers_is_in_the_keys_of_the_trainings(stage: str) -> None:
    assert key(stage, "workers=2")["recipe"]["workers"] == 2
    assert key(stage, "workers=2") != key(stage, "workers=4")


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES if stage.reusable])
def test_one_worker_has_the_keys_of_before(stage: str) -> None:
    assert "workers" not in key(stage)["recipe"]
    assert key(stage, "workers=1") == key(stage)


@pytest.mark.parametrize("stage", ["logits", "convert"])
def test_what_is_not_trained_is_made_in_one_process(stage: str) -> None:
    assert key(stage, "workers=2") == key(stage)


def test_a_teacher_of_a_file_is_not_trained_by_workers(lane: Lane) -> None:
    recipe = lane.recipe(TWO, ("teacher.file", "mine.onnx"), ("teacher.batch_size", 63))
    counts = {stage.name: stage.workers(recipe) for stage in STAGES}
    assert {name for name, count in counts.items() if count == 2} == {"distill", "quantize"}


@pytest.mark.parametrize("stage", TRAINED)
def test_a_batch_that_cannot_be_shared_is_refused(stage: str) -> None:
    with pytest.raises(InputError, match=rf"{stage}\.batch_size: 63 images .* among 2 workers"):
        load("digits", [parse_override("workers=2"), parse_override(f"{stage}.batch_size=63")])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("distill.loss=dist", "distill.loss: dist"),
        ("quantize.loss=dist", "quantize.loss: dist"),
        ("distill.features=rkd", "distill.features: rkd"),
    ],
)
def test_a_loss_that_compares_the_images_of_a_batch_is_refused(change: str, words: str) -> None:
    one = load("digits", [parse_override(change)])
    assert one.workers == 1
    with pytest.raises(InputError, match=f"{words} compares the images of a batch with each other"):
        load("digits", [parse_override("workers=2"), parse_override(change)])


def test_a_loss_without_weight_may_compare_what_it_likes() -> None:
    sets = ("workers=2", "distill.loss=dist", "distill.alpha=0", "distill.features=fitnet")
    assert load("digits", [parse_override(text) for text in sets]).workers == 2


def test_fewer_images_than_a_batch_must_be_shared_too(lane: Lane) -> None:
    from pipeline.training.preflight import require_trainable

    recipe = lane.recipe(("workers", 5), *((f"{name}.batch_size", 500) for name in TRAINED))
    data = distillation_data(lane)
    with pytest.raises(InputError, match=r"teacher\.batch_size: 500 is more than the 288 training"):
        require_trainable(recipe, data, teacher=data, seed=0)


def distillation_data(lane: Lane) -> Any:
    from pipeline import datasets

    return datasets.load(lane.recipe().dataset)


# The parts of a batch


@dataclass(frozen=True)
class Part(Alone):
    """The share of one of `workers`, without the others."""

    number: int
    workers: int

    def share(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.split(batch, self.workers)[self.number]


@pytest.mark.parametrize("mixing", [{}, {"mixup": 0.2}, {"cutmix": 1.0}])
def test_the_workers_batches_are_parts_of_the_batch_of_one(mixing: dict[str, float]) -> None:
    task = small_task(workers.data(), workers.CFG, targets=places, **mixing)
    whole = next(batches(task, 1))
    parts = [next(batches(replace(task, distribution=Part(number, 4)), 1)) for number in range(4)]
    assert len(parts[0].raw) == 16
    for name in ("raw", "labels", "targets"):
        together = zip(*(arrays(one, name) for one in parts), strict=True)
        for mine, one in zip(together, arrays(whole, name), strict=True):
            np.testing.assert_array_equal(np.concatenate(mine), one)
    assert {one.lam for one in parts} == {whole.lam}


def places(
    *, view: int, index: npt.NDArray[np.int64], raw: npt.NDArray[Any]
) -> list[npt.NDArray[np.float32]]:
    """In place of a teacher's outputs: which images they would be of."""
    return [index.astype(np.float32), raw.reshape(len(raw), -1).astype(np.float32)]


def arrays(batch: Batch, name: str) -> list[npt.NDArray[Any]]:
    found = getattr(batch, name)
    return found if isinstance(found, list) else [found]


# Two processes


Pair = list[dict[str, Trained]]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """What each of two processes has trained, by name."""
    addresses = ",".join(f"127.0.0.1:{free_port()}" for _ in range(2))
    out = str(tmp_path_factory.mktemp("pair"))
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.workers", str(number), addresses, out],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        said = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said
    return [
        {name: Trained(**one) for name, one in json.loads(stdout.splitlines()[-1]).items()}
        for stdout, _ in said
    ]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def alone(name: str, folder: Path) -> Trained:
    return workers.TRAININGS[name](Alone(), folder / "alone.npz")


def test_all_workers_end_with_the_same_bytes(pair: Pair) -> None:
    assert pair[0] == pair[1]


def test_two_workers_give_the_same_bytes_again_also_when_interrupted(pair: Pair) -> None:
    assert pair[0]["resumed"] == pair[0]["plain"]


LOCAL_BATCH_NORM = 0.03
"""Largest difference of an epoch's loss, in batches of 32 instead of 64."""


def test_two_workers_have_the_loss_curve_of_one(pair: Pair, tmp_path: Path) -> None:
    one, two = alone("plain", tmp_path), pair[0]["plain"]
    np.testing.assert_allclose(two.losses, one.losses, atol=LOCAL_BATCH_NORM)
    assert one.losses[0] - one.losses[-1] > 1  # it learns
    assert two.weights != one.weights


def test_without_statistics_of_the_batch_the_curve_is_that_of_one_but_for_rounding(
    pair: Pair, tmp_path: Path
) -> None:
    """Batch norm is frozen there, and the activation ranges move alike."""
    one = alone("quantized", tmp_path)
    np.testing.assert_allclose(pair[0]["quantized"].losses, one.losses, rtol=1e-3)


# Starting them


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    from pipeline.cluster.ray_session import LOCAL, connected

    with connected(LOCAL):
        yield


def run(work: Work[Any], folder: Path, *, show: Callable[[Event], None] = lambda event: None,
        say: Callable[[str], None] = lambda text: None) -> Any:  # fmt: skip
    return together(work, workers=2, threads=1, store=Store(folder), show=show, say=say)


def test_a_killed_worker_is_replaced(ray: None, tmp_path: Path) -> None:
    shown: list[Event] = []
    said: list[str] = []
    work = workers.DyingOnce(tmp_path / "marker")
    assert run(work, tmp_path, show=shown.append, say=said.append) == 0
    assert not (tmp_path / "marker.woke").exists(), "the other one was waited for"
    assert Said(text="worker 0 of 2") in shown
    assert said == ["workers   a worker has died; all start again behind the last finished epoch"]


def test_workers_that_always_die_are_not_started_for_ever(
    ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gang, "STARTS", 1)
    with pytest.raises(WorkersDiedError, match="one of 2 died in each of 1 starts"):
        run(workers.dying, tmp_path)


def test_the_error_of_a_worker_is_raised_at_once(ray: None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^no such thing here$"):
        run(workers.failing, tmp_path)


class Ended(Exception):
    pass


def test_a_signal_ends_the_workers_first(ray: None, tmp_path: Path) -> None:
    def end(number: int, frame: object) -> None:
        raise Ended

    before = signal.signal(signal.SIGTERM, end)
    threading.Thread(target=send_when_there, args=(tmp_path,), daemon=True).start()
    try:
        with pytest.raises(Ended):
            run(workers.Sleeping(tmp_path), tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)
    pids = [int(path.read_text()) for path in tmp_path.glob("*.pid")]
    assert len(pids) == 2
    assert gone(pids)


def gone(pids: list[int]) -> bool:
    """Whether the processes end within ten seconds."""
    for _ in range(100):
        if not any(psutil.pid_exists(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def send_when_there(folder: Path) -> None:
    while not all((folder / f"{number}.pid").exists() for number in range(2)):
        time.sleep(0.05)
    time.sleep(0.2)  # until it is written
    os.kill(os.getpid(), signal.SIGTERM)


def test_workers_that_no_machine_can_hold_are_refused() -> None:
    with pytest.raises(InputError, match=r"3 workers with 2 threads each .* with 4 and 1 CPUs"):
        gang._require_room(3, 2, [4, 1])
    gang._require_room(2, 2, [4, 1])


def test_a_missing_ray_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gang, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"workers = 2 needs .* pip install 'edge-distill\[ray\]'"):
        run(workers.dying, tmp_path)


# All of it


@dataclass
class Killing(SilentConsole):
    """Kills a worker behind the second epoch, once."""

    stage: str = ""
    killed: list[int] = field(default_factory=list)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        yield KillingEpochs(self, stage)


@dataclass
class KillingEpochs:
    console: Killing
    stage: str

    def step(self, done: int, of: int) -> None: ...

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        if number == 2 and self.stage == self.console.stage and not self.console.killed:
            family = psutil.Process().children(recursive=True)
            one = next(one for one in family if "Worker.work" in " ".join(one.cmdline()))
            self.console.killed.append(one.pid)
            one.kill()


@pytest.mark.slow
def test_a_training_whose_worker_was_killed_ends_with_the_same_bytes(ray: None, lane: Lane) -> None:
    plain = lane.runner(TWO, ONE_THREAD, store="plain").make(last="distill")
    console = Killing(stage="distill")
    killed = replace(lane, console=console).runner(TWO, ONE_THREAD, store="killed")
    made = killed.make(last="distill")
    assert len(console.killed) == 1
    assert made.digests == plain.digests
    assert any("a worker has died" in line for line in console.lines)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_and_every_worker(
    lane: Lane, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    argv = [str(lane.recipe_file), "--data", str(lane.data_file), "--out", str(tmp_path / "runs")]
    sets = ["--set", "workers=2", "--set", "threads=1", "--set", "teacher.epochs=1000"]
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", *argv, *sets],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            assert process.stderr is not None
            next(line for line in process.stderr if "epoch 2/" in line)
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(number)
            assert process.wait(timeout=60) == code
        finally:
            process.kill()
    assert len(family) > 2  # Ray's processes and the workers
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert list((tmp_path / "runs" / ".store" / "work").glob("teacher-*/teacher.npz"))
    assert not list((tmp_path / "runs" / ".store").glob("teacher-*"))

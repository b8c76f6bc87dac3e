"""Interrupted, racing, diverging or in the wrong place: the same bytes, or nothing."""

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets.splits import Samples, Split
from pipeline.engine.progress import EpochProgress, SilentConsole
from pipeline.training.loop import TrainingDivergedError
from targets.errors import InputError
from tests.conftest import Command, Lane
from tests.test_end_to_end import BOTH, TFLITE, digest


def test_two_fresh_runs_with_two_threads_give_the_same_bytes(
    command: Command, finished: Lane, tmp_path: Path
) -> None:
    """The second in a process of its own, with another hash seed: tf2onnx's names depend on it."""
    argv = ["run", str(finished.recipe_file), "--data", str(finished.data_file)]
    both = ["--target", "tflite", "--target", "onnx", "--set", "bench.enabled=false"]
    done = command(*argv, *both, env={"PYTHONHASHSEED": "4711"})
    assert done.returncode == 0, done.stderr
    for path in sorted((tmp_path / "runs" / "tiny" / "models").iterdir()):
        assert digest(path) == digest(finished.out / "tiny" / "models" / path.name), path.name


@pytest.mark.slow  # its twin: test_store, of racing runs one makes it
def test_two_racing_runs_share_the_work_and_both_end_well(
    recipe_file: Path, data_file: Path, tmp_path: Path
) -> None:
    argv = ["run", str(recipe_file), "--data", str(data_file), "--set", "bench.enabled=false"]
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "pipeline", *argv],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [run.communicate(timeout=300)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    for stage in ("teacher", "logits", "distill", "quantize", "convert"):
        made = sum(f"{stage:<9} done in" in text for text in said)
        assert made == 1, (stage, said)
    left = {path.name for path in (tmp_path / "runs").iterdir()}
    assert left == {"tiny", ".store", ".tiny.lock"}


def test_training_and_conversion_never_see_the_test_split(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stages up to convert, with a test split that raises when anything is read from it.

    But for its images without labels, on which the int8 files of both formats are compared.
    """
    closed = {"raw", "labels", "take"}

    class Sealed(Samples):
        def __getattribute__(self, name: str) -> Any:
            if name in closed:
                raise AssertionError(f"the test split's {name} were read")
            return object.__getattribute__(self, name)

        def __len__(self) -> int:
            return 120

    data = datasets.load(lane.recipe().dataset)
    sealed = Sealed(raw=data[Split.TEST].raw, labels=data[Split.TEST].labels)
    guarded = replace(data, splits={**data.splits, Split.TEST: sealed})
    monkeypatch.setattr(datasets, "load", lambda cfg: guarded)
    calibrated = ("convert.precisions", ["float32", "int8", "int8_ptq"])
    with pytest.raises(AssertionError, match=r"(raw|labels) were read"):
        lane.run(calibrated)  # by the bench, which is there to do so
    made = {path.name.rpartition("-")[0] for path in (lane.out / ".store").glob("*-*")}
    assert made == {"teacher", "logits", "distill", "quantize", "convert"}
    closed.remove("raw")
    with pytest.raises(AssertionError, match="labels were read"):
        lane.run(BOTH)
    assert len(list((lane.out / ".store").glob("convert-*"))) == 2


class Interrupted(Exception):
    pass


@dataclass
class InterruptingConsole(SilentConsole):
    """Counts the training steps of each stage, and raises at step `at` of `stage`."""

    stage: str = ""
    at: int = 0
    steps: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        yield _Counting(self, stage)


@dataclass
class _Counting:
    console: InterruptingConsole
    stage: str

    def step(self, done: int, of: int) -> None:
        self.console.steps[self.stage] += 1
        if self.stage == self.console.stage and self.console.steps[self.stage] == self.console.at:
            raise Interrupted

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None: ...


STEPS = {"teacher": 12, "distill": 144, "quantize": 18}
EPOCH = {"teacher": 4, "distill": 18, "quantize": 9}
"""Batches of the whole training and of an epoch."""


@pytest.mark.parametrize("seed", range(2))
def test_an_interrupted_run_ends_with_the_bytes_of_an_uninterrupted_one(
    lane: Lane, finished: Lane, seed: int
) -> None:
    """Once in each training stage, at a random step; at most one epoch is trained again."""
    random = np.random.default_rng(seed)
    off = ("bench.enabled", False)
    expected = dict(STEPS)
    for stage, steps in STEPS.items():
        epoch = EPOCH[stage]
        stop = int(random.integers(epoch + 1, steps + 1))
        stopped = InterruptingConsole(stage=stage, at=stop)
        with pytest.raises(Interrupted):
            replace(lane, console=stopped).run(off)
        assert stopped.steps == {**before(stage, expected), stage: stop}
        assert not (lane.out / "tiny").exists()
        expected = {**after(stage, expected), stage: steps - epoch * ((stop - 1) // epoch)}
    console = InterruptingConsole()
    results, _ = replace(lane, console=console).run(off)
    assert console.steps == expected
    assert digest(results / TFLITE) == digest(finished.out / "tiny" / TFLITE)


def before(stage: str, steps: dict[str, int]) -> dict[str, int]:
    """Of the stages that run before `stage`."""
    return {k: v for k, v in steps.items() if list(STEPS).index(k) < list(STEPS).index(stage)}


def after(stage: str, steps: dict[str, int]) -> dict[str, int]:
    return {k: v for k, v in steps.items() if list(STEPS).index(k) > list(STEPS).index(stage)}


def test_a_training_that_diverges_publishes_nothing(lane: Lane) -> None:
    with pytest.raises(TrainingDivergedError) as error:
        lane.run(("distill.learning_rate", 1e30))
    assert "distill: training diverged in epoch 1" in str(error.value)
    assert "Lower distill.learning_rate (now 1e+30)" in str(error.value)
    assert list((lane.out / ".store").glob("distill-*")) == []
    assert list((lane.out / ".store").glob("teacher-*")) != []
    assert not (lane.out / "tiny").exists()


def test_the_very_last_step_can_diverge_too(lane: Lane) -> None:
    """Its loss is never seen: there is no step behind it."""
    one_step = [("teacher.epochs", 1), ("teacher.batch_size", 288), ("teacher.learning_rate", 1e30)]
    with pytest.raises(TrainingDivergedError, match="teacher: training diverged in epoch 1"):
        lane.run(*one_step)


@pytest.mark.parametrize("key", ["augmentation.shift", "augmentation.cutout", "teacher.cutout"])
def test_views_that_show_nothing_are_told_by_their_key_before_anything_trains(
    lane: Lane, key: str
) -> None:
    with pytest.raises(InputError, match=rf"^{key}: 40 pixels leave nothing of images of 12x"):
        lane.run((key, 40))
    assert not list((lane.out / ".store").glob("teacher-*"))


def test_features_that_do_not_fit_are_told_before_the_teacher_trains(
    lane: Lane,
) -> None:
    one_pixel = (("dataset.size", 2), ("distill.family", "fused"))  # behind its stem
    with pytest.raises(InputError, match=r"^distill\.features: fitnet compares feature maps"):
        lane.run(*one_pixel, ("distill.features", "fitnet"))
    assert not list((lane.out / ".store").glob("teacher-*"))


def test_a_damaged_checkpoint_is_told_with_its_place(lane: Lane) -> None:
    with pytest.raises(Interrupted):
        replace(lane, console=InterruptingConsole(stage="teacher", at=6)).run()
    (checkpoint,) = (lane.out / ".store" / "work").glob("teacher-*/teacher.npz")
    checkpoint.write_bytes(b"")
    with pytest.raises(InputError, match="Delete it") as error:
        lane.run()
    assert str(checkpoint) in str(error.value)


def test_a_place_that_holds_something_else_is_never_replaced(lane: Lane) -> None:
    mine = lane.out / "tiny" / "my_dataset.txt"
    mine.parent.mkdir()
    mine.write_text("precious")
    with pytest.raises(InputError, match="holds no results of an earlier run"):
        lane.run()
    assert mine.read_text() == "precious"
    assert not (lane.out / ".store" / "work").exists()  # before anything was trained


@dataclass
class TakingConsole(SilentConsole):
    """A search takes the results folder while the run goes on."""

    document: Path = Path("search.json")

    def say(self, text: str) -> None:
        self.document.parent.mkdir(exist_ok=True)
        self.document.write_text("hours of work")


def test_a_place_that_something_else_takes_meanwhile_is_never_replaced(
    lane: Lane, finished: Lane
) -> None:
    shutil.copytree(finished.out / ".store", lane.out / ".store")
    document = lane.out / "tiny" / "search.json"
    with pytest.raises(InputError, match="holds no results of an earlier run"):
        replace(lane, console=TakingConsole(document=document)).run(BOTH, ("bench.enabled", False))
    assert document.read_text() == "hours of work"


@pytest.mark.parametrize("store", ["tiny", "tiny/store", ""])
def test_a_store_and_results_inside_one_another_are_refused(lane: Lane, store: str) -> None:
    with pytest.raises(InputError, match="inside one another"):
        lane.run(store=store)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second file system here")
def test_a_store_on_another_disk_works(lane: Lane, finished: Lane) -> None:
    with TemporaryDirectory(dir="/dev/shm") as other:
        shutil.copytree(finished.out / ".store", Path(other) / "store")
        for _ in range(2):  # the second replaces the first
            results, _ = lane.run(BOTH, ("bench.enabled", False), store=f"{other}/store")
        assert (results / TFLITE).exists()

"""Shared fixtures: tiny real data, and the whole pipeline on it in seconds."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.datasets.splits import Dataset, three_way
from pipeline.engine.job import Step
from pipeline.engine.progress import Console, SilentConsole
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from pipeline.gates.figures import Measured
from pipeline.recipe.load import Override, load
from pipeline.recipe.schema import Recipe
from pipeline.training import session

THREADS = 2

TINY = f"""
schema = "recipe/1"
name = "tiny"
threads = {THREADS}

[dataset]
name = "npz"

[augmentation]
shift = 1

[teacher]
widths = [8, 16]
blocks = 1
epochs = 3
batch_size = 64
learning_rate = 0.05

[logits]
views = 4

[distill]
width_multiplier = 0.25
epochs = 8
batch_size = 16

[quantize]
epochs = 2
batch_size = 32
calibration_samples = 256

[bench]
processes = 2
min_queries = 4
min_duration_s = 0.02
warmup_runs = 1
warmup_s = 0.001
"""
"""A recipe of an npz file whose whole run takes seconds."""


def stripes(samples: int = 480, side: int = 12, seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz data set: `images`, uint8 [samples, side, side], of three `classes`
    (horizontal, vertical and diagonal stripes), and their `labels`."""
    random = np.random.default_rng(seed)
    labels = np.arange(samples) % 3
    y, x = np.mgrid[:side, :side]
    patterns = np.stack([y % 4 < 2, x % 4 < 2, (x + y) % 4 < 2]) * 160
    images = patterns[labels] + random.integers(0, 96, (samples, side, side))
    return {
        "images": images.astype(np.uint8),
        "labels": labels,
        "classes": np.array(["across", "down", "slanted"]),
    }


@pytest.fixture(scope="session", autouse=True)
def one_session() -> None:
    """Start TensorFlow before any test does: it takes its number of threads once per process."""
    session.start(seed=0, threads=THREADS)


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The locks of devices are those of this process: tests do not wait for each other's
    measurements, nor for the user's."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Decoded pictures are kept in a folder of the tests, not of the user."""
    os.environ["PIPELINE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stripes as an .npz file."""
    path = tmp_path_factory.mktemp("data") / "stripes.npz"
    np.savez(path, **stripes())
    return path


@pytest.fixture(scope="session")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny recipe as a file."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def stripes_data() -> Dataset:
    """The stripes, split as the tiny recipe does."""
    from pipeline.datasets.image_arrays import check

    arrays = stripes()
    samples = check(arrays, Path("stripes.npz"))
    return Dataset(
        name="stripes",
        classes=("across", "down", "slanted"),
        splits=three_way(samples, validation=0.15, test=0.25, seed=0, name="stripes"),
        sha256="0" * 64,
    )


@dataclass(frozen=True)
class Lane:
    """The whole pipeline in this process, on the tiny recipe, with results below `out`."""

    recipe_file: Path
    data_file: Path
    out: Path
    console: Console = field(default_factory=SilentConsole)

    def recipe(self, *overrides: tuple[str, object]) -> Recipe:
        """The tiny recipe with `overrides`, (key, value) each."""
        given = [("dataset.path", self.data_file), *overrides]
        return load(str(self.recipe_file), [Override(k, v, f"--set {k}") for k, v in given])

    def runner(
        self, *overrides: tuple[str, object], force: tuple[str, ...] = (), store: str = ".store"
    ) -> Runner:
        """The runner of `recipe(*overrides)` over the store `out / store`."""
        return Runner(
            recipe=self.recipe(*overrides),
            store=Store(self.out / store),
            console=self.console,
            force=force,
        )

    def run(
        self, *overrides: tuple[str, object], force: tuple[str, ...] = (), store: str = ".store"
    ) -> tuple[Path, dict[str, Step]]:
        """Run the pipeline: the folder of the results, and the steps by stage."""
        runner = self.runner(*overrides, force=force, store=store)
        steps = runner.run(self.out / "tiny")
        return self.out / "tiny", {step.name: step for step in steps}


@pytest.fixture
def lane(recipe_file: Path, data_file: Path, tmp_path: Path) -> Lane:
    """A lane with an empty folder."""
    return Lane(recipe_file, data_file, tmp_path)


@pytest.fixture(scope="session")
def finished(recipe_file: Path, data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Lane:
    """A lane that has run once, for both targets. Tests read it and never write to it."""
    lane = Lane(recipe_file, data_file, tmp_path_factory.mktemp("finished"))
    lane.run(("convert.targets", ["tflite", "onnx"]))
    return lane


@pytest.fixture(scope="session")
def run(finished: Lane) -> Path:
    """The results folder of the finished lane."""
    return finished.out / "tiny"


@pytest.fixture(scope="session")
def found(run: Path) -> list[Measured]:
    """The files of the finished lane as gates see them."""
    from pipeline.gates.runs import measured

    return measured(run)


class Command(Protocol):
    """Runs `pipeline *argv` with `env` added to the environment, `timeout` seconds at most."""

    def __call__(
        self, *argv: str, env: Mapping[str, str] = ..., timeout: float = ...
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command in a process of its own, in an empty folder."""

    def run(
        *argv: str, env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pipeline", *argv],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run

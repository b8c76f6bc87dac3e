"""The simulation of `benchmarks/scale_out.py`."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    path = BENCHMARKS / "simulated_search.py"
    spec = importlib.util.spec_from_file_location("simulated_search", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def wall(
    simulation: ModuleType, *, fitting: float = 1.0, workers: int = 1, devices: int = 1
) -> float:
    costs = simulation.Costs(
        teacher_s=100.0, measuring_s=[5.0], training_s=[50.0], fitting=fitting, task_s=0.0,
        bytes_per_task=0.0, store_bytes_per_s=1.0,
    )  # fmt: skip
    random = np.random.default_rng(0)
    line = simulation.simulated(costs, workers=workers, trials=20, devices=devices, random=random)
    return float(line.wall_s)


def test_one_worker_does_one_after_the_other(simulation: ModuleType) -> None:
    assert wall(simulation) == 100 + 20 * (5 + 50)


def test_workers_share_the_training_and_not_the_measuring(simulation: ModuleType) -> None:
    assert wall(simulation, workers=10) == 100 + 20 * 5 + 2 * 50


def test_a_fleet_shares_the_measuring(simulation: ModuleType) -> None:
    assert wall(simulation, workers=10, devices=5) == 100 + 4 * 5 + 2 * 50


def test_what_fits_nowhere_is_measured_and_not_trained(simulation: ModuleType) -> None:
    assert wall(simulation, fitting=0.0, workers=4) == 100 + 20 * 5

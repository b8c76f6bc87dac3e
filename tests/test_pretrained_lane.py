"""Trainings that start from a file of weights, and a student that starts from its teacher."""

from pathlib import Path

import pytest

from pipeline.engine.artifacts import Checkpoint, Teacher
from pipeline.engine.progress import SilentConsole
from pipeline.models.network import build, load_weights, save_weights
from pipeline.stages import teacher
from pipeline.training.networks import teacher_network
from tests.conftest import Lane
from tests.kept import Setting, job, kept
from tests.test_end_to_end import digest
from tests.test_repeatable import Interrupted, InterruptingConsole

FLOAT: tuple[Setting, ...] = (("convert.precisions", ["float32"]), ("bench.enabled", False))
TRAINING = {"family": "mobilenet_v1", "epochs": 2, "batch_size": 64}
WIDE, NARROW = {**TRAINING, "width_multiplier": 0.5}, {**TRAINING, "width_multiplier": 0.25}


@pytest.fixture
def weights(lane: Lane, tmp_path: Path) -> str:
    """Of a trained network, with an untrained classifier of five classes."""
    given = job(lane, tmp_path / "job", ("teacher", WIDE))
    spec = teacher_network(given.recipe, given.dataset())
    trained, network = build(spec), build(spec.model_copy(update={"classes": 5}))
    load_weights(trained, teacher.run(given.recipe.teacher, tmp_path, job=given).path)
    classifier = len(network.layers[-1].weights)
    network.set_weights(trained.get_weights()[:-classifier] + network.get_weights()[-classifier:])
    save_weights(network, tmp_path / "weights.npz")
    return str(tmp_path / "weights.npz")


def digests(lane: Lane) -> tuple[str, str]:
    teacher, student = kept(lane, "teacher", Teacher), kept(lane, "distill", Checkpoint)
    return digest(teacher.path), digest(student.weights)


@pytest.mark.parametrize("stage", ["teacher", "distill"])
def test_a_fitted_head_resumes_to_the_same_bytes_and_a_student_starts_from_its_teacher(
    recipe_file: Path, data_file: Path, tmp_path: Path, weights: str, stage: str
) -> None:
    """Interrupted in the second epoch of `stage`."""
    student = NARROW | {"init": "teacher"} if stage == "teacher" else WIDE | {"weights": weights}
    settings = (("teacher", WIDE | {"weights": weights}), ("distill", student), *FLOAT)
    console = SilentConsole()
    whole = Lane(recipe_file, data_file, tmp_path / "whole", console)
    results, _ = whole.run(*settings)
    assert [line for line in console.lines if line.startswith(stage) and "head fitted" in line]
    assert (results / "models" / "student.float32.tflite").is_file()
    stopped = InterruptingConsole(stage=stage, at=6)
    with pytest.raises(Interrupted):
        Lane(recipe_file, data_file, tmp_path / "cut", stopped).run(*settings)
    resumed = Lane(recipe_file, data_file, tmp_path / "cut")
    resumed.run(*settings)
    assert digests(resumed) == digests(whole)

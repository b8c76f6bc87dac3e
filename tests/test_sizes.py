"""A teacher looks at other sizes than its student, and at the same images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets.splits import Split
from pipeline.engine.artifacts import Checkpoint, Teacher, TeacherLogits
from pipeline.engine.progress import SilentConsole
from pipeline.teachers.trained import open_checkpoint
from pipeline.training.augmentation import epoch_order, mixup
from pipeline.training.loop import batches
from targets.errors import InputError
from targets.formats import sidecar
from tests.conftest import Lane
from tests.kept import Setting, distillation_task, job, kept

SIZES: tuple[Setting, ...] = (
    ("dataset.size", 10),
    ("teacher.size", 14),
    ("augmentation.shift", 0),
    ("convert.precisions", ["float32"]),
    ("teacher.epochs", 2),
    ("distill.epochs", 2),
)


@pytest.fixture(scope="module")
def sized(
    recipe_file: Path, data_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lane, Path]:
    """A finished run and its results: the teacher takes 14 pixels, the student 10."""
    lane = Lane(recipe_file, data_file, tmp_path_factory.mktemp("sizes"))
    results, _ = lane.run(*SIZES, ("convert.targets", ["tflite", "onnx"]))
    return lane, results


def test_both_data_sets_are_the_same_samples(lane: Lane, tmp_path: Path) -> None:
    given = job(lane, tmp_path, *SIZES)
    student, teacher = given.dataset(), given.teacher_dataset()
    assert (student.input.shape, teacher.input.shape) == ((10, 10, 1), (14, 14, 1))
    for split in Split:
        np.testing.assert_array_equal(student[split].labels, teacher[split].labels)


@pytest.mark.parametrize("size", [None, 10])
def test_a_teacher_of_the_same_size_has_the_very_same_data(
    lane: Lane, tmp_path: Path, size: int | None
) -> None:
    given = job(lane, tmp_path, ("dataset.size", 10), ("teacher.size", size))
    assert given.teacher_dataset() is given.dataset()


def test_each_network_has_its_own_input(sized: tuple[Lane, Path]) -> None:
    teacher, student = kept(sized[0], "teacher", Teacher), kept(sized[0], "distill", Checkpoint)
    assert teacher.network is not None
    assert (teacher.network.input.shape, student.network.input.shape) == ((14, 14, 1), (10, 10, 1))


def test_the_stored_logits_are_the_teachers_for_images_of_its_size(
    sized: tuple[Lane, Path],
) -> None:
    lane, _ = sized
    data = datasets.load(lane.recipe(*SIZES).teacher_data)
    teacher = open_checkpoint(kept(lane, "teacher", Teacher).checkpoint, data)
    expected = teacher.logits(np.asarray(data[Split.TRAIN].raw))
    stored = np.load(kept(lane, "logits", TeacherLogits).path)
    np.testing.assert_array_equal(stored, expected.astype(np.float16)[None])


def test_a_live_teacher_gets_the_same_mixture_in_its_size(
    sized: tuple[Lane, Path], tmp_path: Path
) -> None:
    lane, _ = sized
    mixed: tuple[Setting, ...] = (("distill.mixup", 0.4), ("distill.batch_size", 140))
    task = distillation_task(lane, tmp_path, *SIZES, *mixed)
    data = datasets.load(lane.recipe(*SIZES).teacher_data)
    index = epoch_order(len(data[Split.TRAIN]), seed=0, epoch=0)[:140]
    mix = mixup(140, alpha=0.4, seed=0, epoch=0, number=0)
    expected = open_checkpoint(kept(lane, "teacher", Teacher).checkpoint, data).logits(
        mix(data[Split.TRAIN].raw[index])
    )
    first = next(batches(task, 0))
    assert first.raw.shape == (140, 10, 10, 1)
    np.testing.assert_allclose(first.targets[0], expected, rtol=1e-5, atol=1e-5)


def test_each_file_is_measured_on_images_of_its_size(sized: tuple[Lane, Path]) -> None:
    rows = json.loads((sized[1] / "report.json").read_text())["models"]
    assert {(row["role"], *row["input_shape"]) for row in rows} == {
        ("teacher", 14, 14, 1), ("student", 10, 10, 1),
    }  # fmt: skip
    assert len(rows) == 4
    for row in rows:
        assert row["median_ns"] > 0
        assert row["agreement_with_teacher"] > 0.5
        if row["role"] == "teacher":
            assert row["top1"] > 0.5  # on images of another size it could not run


def test_every_file_has_a_sidecar_with_its_own_input(sized: tuple[Lane, Path]) -> None:
    models = sorted(p for p in (sized[1] / "models").iterdir() if p.suffix != ".json")
    assert len(models) == 4
    for model in models:
        found = sidecar.read(model)
        assert found is not None
        assert found.classes == ("across", "down", "slanted")
        assert found.input.shape[0] == (14 if model.name.startswith("teacher") else 10)
        assert found.preprocessing is None  # the data are arrays


def test_a_student_of_another_size_has_the_same_teacher_and_logits(
    sized: tuple[Lane, Path],
) -> None:
    smaller = {step.name: step for step in sized[0].runner(*SIZES, ("dataset.size", 8)).plan()}
    assert (smaller["teacher"].reused, smaller["logits"].reused) == (True, True)
    assert "dataset.size 10 → 8" in smaller["distill"].reason


def test_another_size_of_the_teacher_makes_it_again(sized: tuple[Lane, Path]) -> None:
    steps = {step.name: step for step in sized[0].runner(*SIZES, ("teacher.size", 12)).plan()}
    assert not steps["teacher"].reused
    assert "teacher.size 14 → 12" in steps["teacher"].reason


def test_a_teacher_file_of_another_size_is_used_at_its_size(
    sized: tuple[Lane, Path], tmp_path: Path
) -> None:
    """The exported teacher of the other run is somebody else's file here."""
    lane, results = sized
    other = replace(lane, out=tmp_path, console=SilentConsole())
    file: Setting = ("teacher.file", results / "models" / "teacher.float32.onnx")
    found, _ = other.run(*SIZES, file)
    rows = {row["role"]: row for row in json.loads((found / "report.json").read_text())["models"]}
    assert (rows["teacher"]["input_shape"], rows["student"]["input_shape"]) == (
        [14, 14, 1], [10, 10, 1],
    )  # fmt: skip
    expected = json.loads((results / "report.json").read_text())["models"]
    assert rows["teacher"]["top1"] in [row["top1"] for row in expected if row["role"] == "teacher"]
    assert rows["student"]["agreement_with_teacher"] > 0.5


def test_a_teacher_file_of_another_size_names_the_key_that_it_needs(
    sized: tuple[Lane, Path], tmp_path: Path
) -> None:
    lane, results = sized
    file: Setting = ("teacher.file", results / "models" / "teacher.float32.onnx")
    other = replace(lane, out=tmp_path, console=SilentConsole())
    with pytest.raises(InputError, match=r"takes images of \[14, 14, 1\].*--set teacher\.size=14"):
        other.run(*SIZES, file, ("teacher.size", None))

"""The teacher's logits are stored per view: each is its output for those very pixels."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline import datasets
from pipeline.datasets.splits import Split
from pipeline.engine.artifacts import Teacher, TeacherLogits
from pipeline.stages import logits as stage
from pipeline.teachers.trained import open_checkpoint
from pipeline.training.augmentation import epoch_order, training_view
from pipeline.training.loop import batches
from targets.errors import InputError
from tests.conftest import Lane, stripes
from tests.kept import Setting, distillation_task, job, kept
from tests.test_end_to_end import BOTH

Array = npt.NDArray[Any]


def ask(lane: Lane, folder: Path, *overrides: Setting, teacher: Teacher | None = None) -> Array:
    """The stage with a teacher, the finished lane's by default: [views, images, classes]."""
    given = job(lane, folder, *overrides)
    teacher = teacher or kept(lane, "teacher", Teacher)
    made = stage.run(given.recipe.logits, folder, job=given, teacher=teacher)
    return np.asarray(np.load(made.path))


def test_augmented_again_the_teacher_says_what_is_kept_of_every_view(finished: Lane) -> None:
    recipe = finished.recipe()
    data = datasets.load(recipe.dataset)
    images = data[Split.TRAIN].raw
    cache = np.load(kept(finished, "logits", TeacherLogits).path)
    assert (cache.dtype, cache.shape) == (np.float16, (4, len(images), 3))
    teacher = open_checkpoint(kept(finished, "teacher", Teacher).checkpoint, data)
    for view in range(4):
        table = training_view(recipe.augmentation.views, data, seed=recipe.seed, view=view)
        again = teacher.logits(table.render(data[Split.TRAIN], np.arange(len(images))))
        np.testing.assert_array_equal(again.astype(np.float16), cache[view])
        assert not np.array_equal(cache[view], cache[view - 1])


def test_asking_in_chunks_changes_nothing(
    finished: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a float16 step: the last bits of a float32 sum depend on the size of its batch."""
    monkeypatch.setattr(stage, "CHUNK", 77)
    cache = np.load(kept(finished, "logits", TeacherLogits).path)
    np.testing.assert_allclose(ask(finished, tmp_path), cache, rtol=2e-3, atol=1e-4)


def test_epoch_e_trains_on_view_e_modulo_the_stored_ones(finished: Lane, tmp_path: Path) -> None:
    """The pixels of that view and the teacher's logits of them, in every step."""
    task = distillation_task(finished, tmp_path, ("distill.batch_size", 140))
    seed, train = finished.recipe().seed, task.data[Split.TRAIN]
    cache = np.load(kept(finished, "logits", TeacherLogits).path)
    for epoch in range(6):
        table = training_view(task.augmentation, task.data, seed=seed, view=epoch % 4)
        order = epoch_order(len(train), seed=seed, epoch=epoch)
        for number, batch in enumerate(batches(task, epoch)):
            index = order[number * 140 :][:140]
            np.testing.assert_array_equal(batch.raw, table.render(train, index))
            (logits,) = batch.targets
            np.testing.assert_array_equal(logits, cache[epoch % 4, index].astype(np.float32))
            assert logits.dtype == np.float32


def test_a_student_of_another_seed_gets_the_stored_views_in_another_order(
    finished: Lane, tmp_path: Path
) -> None:
    def images(seed: int) -> dict[int, bytes]:
        """Index of each image of the first epoch -> its pixels, in the order of training."""
        settings: tuple[Setting, ...] = (("distill.batch_size", 140), ("distill.seed", seed))
        task = distillation_task(finished, tmp_path / str(seed), *settings)
        order = epoch_order(len(task.data[Split.TRAIN]), seed=seed, epoch=0)
        pixels = [image.tobytes() for batch in batches(task, 0) for image in batch.raw]
        return dict(zip(order.tolist(), pixels, strict=False))

    first, second = images(0), images(5)
    assert list(first) != list(second)
    both = first.keys() & second.keys()
    assert len(both) > 200
    assert all(first[index] == second[index] for index in both)


def planned(lane: Lane, *overrides: Setting) -> dict[str, bool]:
    return {step.name: step.reused for step in lane.runner(BOTH, *overrides).plan()}


@pytest.mark.parametrize(
    "change",
    [("seed", 5), ("loss", "dkd"), ("epochs", 2), ("temperature", 2.0), ("family", "mobilenet_v2")],
)
def test_another_student_is_taught_by_the_same_logits(
    finished: Lane, change: tuple[str, object]
) -> None:
    key, value = change
    plan = planned(finished, (f"distill.{key}", value))
    assert (plan["teacher"], plan["logits"], plan["distill"]) == (True, True, False)


@pytest.mark.parametrize(
    "change",
    [("teacher.epochs", 2), ("teacher.seed", 3), ("augmentation.shift", 2), ("seed", 1),
     ("logits.views", 2), ("dataset.split_seed", 1)],
)  # fmt: skip
def test_another_teacher_view_seed_or_split_is_asked_again(finished: Lane, change: Setting) -> None:
    plan = planned(finished, change)
    assert plan["logits"] is False
    assert plan["teacher"] is (change[0] == "logits.views")  # the others decide it too


def test_other_data_is_asked_about_again(finished: Lane, tmp_path: Path) -> None:
    same, other = tmp_path / "same.npz", tmp_path / "other.npz"
    np.savez(same, **stripes())
    np.savez(other, **stripes(seed=1))
    assert planned(replace(finished, data_file=same))["logits"]
    assert not planned(replace(finished, data_file=other))["logits"]


def test_views_that_change_nothing_are_kept_once(finished: Lane, tmp_path: Path) -> None:
    plain = ask(finished, tmp_path, ("augmentation.shift", 0))
    data = datasets.load(finished.recipe().dataset)
    teacher = open_checkpoint(kept(finished, "teacher", Teacher).checkpoint, data)
    expected = teacher.logits(np.asarray(data[Split.TRAIN].raw))
    np.testing.assert_array_equal(plain, expected.astype(np.float16)[None])


def constant(lane: Lane, folder: Path, value: float) -> Teacher:
    """The finished lane's teacher with weights that give `value` as logit of class 1."""
    shutil.copytree(kept(lane, "teacher", Teacher).folder, folder)
    teacher = Teacher.read(folder)
    with np.load(teacher.path) as file:
        weights = {name: file[name] for name in file.files}
    kernel, bias = sorted(weights)[-2:]
    weights[kernel] = np.zeros_like(weights[kernel])
    weights[bias] = np.array([0, value, 0], np.float32)
    np.savez(teacher.path, **weights)
    return teacher


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 7e4, -7e4])
def test_logits_that_float16_cannot_hold_are_refused_with_the_likely_cause(
    finished: Lane, tmp_path: Path, value: float
) -> None:
    teacher = constant(finished, tmp_path / "teacher", value)
    with pytest.raises(InputError, match=r"NaN, or logits beyond ±65504.*teacher\.scale"):
        ask(finished, tmp_path / "logits", teacher=teacher)


def test_large_logits_are_stored(finished: Lane, tmp_path: Path) -> None:
    teacher = constant(finished, tmp_path / "teacher", 6e4)
    assert ask(finished, tmp_path / "logits", teacher=teacher).max() == np.float16(6e4)

"""The teacher's logits are kept per view: each is what the teacher says of those very pixels."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline import datasets
from pipeline.datasets.splits import Split
from pipeline.engine.artifacts import Teacher, TeacherLogits
from pipeline.stages import logits as stage
from pipeline.teachers.contract import OpenTeacher
from pipeline.teachers.trained import open_checkpoint
from pipeline.training import preparation
from pipeline.training.augmentation import training_view
from pipeline.training.loop import Task, fit
from targets.errors import InputError
from tests.conftest import Lane, stripes
from tests.kept import Setting, distil, job, kept
from tests.test_end_to_end import BOTH

Array = npt.NDArray[Any]


def ask(lane: Lane, folder: Path, *overrides: Setting) -> Array:
    """The stage with the finished lane's teacher: [views, images, classes]."""
    given = job(lane, folder, *overrides)
    teacher = kept(lane, "teacher", Teacher)
    made = stage.run(given.recipe.logits, folder, job=given, teacher=teacher)
    return np.asarray(np.load(made.path))


def test_augmented_again_the_teacher_says_what_is_kept_of_every_view(finished: Lane) -> None:
    recipe = finished.recipe()
    data = datasets.load(recipe.dataset)
    images = data[Split.TRAIN].images
    cache = np.load(kept(finished, "logits", TeacherLogits).path)
    assert (cache.dtype, cache.shape) == (np.float16, (4, len(images), 3))
    teacher = open_checkpoint(kept(finished, "teacher", Teacher).checkpoint, data)
    for view in range(4):
        table = training_view(recipe.augmentation, data, seed=recipe.seed, view=view)
        again = teacher.logits(table.render(images, np.arange(len(images))))
        np.testing.assert_array_equal(again.astype(np.float16), cache[view])
        assert not np.array_equal(cache[view], cache[view - 1])


def test_asking_in_chunks_changes_nothing(
    finished: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a float16 step: the last bits of a float32 sum depend on the size of its batch."""
    monkeypatch.setattr(stage, "CHUNK", 77)
    cache = np.load(kept(finished, "logits", TeacherLogits).path)
    np.testing.assert_allclose(ask(finished, tmp_path), cache, rtol=2e-3, atol=1e-4)


@dataclass(frozen=True)
class Question:
    """What a teacher was asked in training, and what it said."""

    view: int
    index: Array
    raw: Array
    said: list[Array]


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """Every question of the trainings that follow, which go on as they would."""
    asked: list[Question] = []

    def listening(task: Task, **rest: Any) -> Any:
        targets = task.targets
        assert targets is not None

        def heard(*, view: int, index: Array, raw: Array) -> list[Array]:
            said = targets(view=view, index=index, raw=raw)
            asked.append(Question(view=view, index=index.copy(), raw=raw.copy(), said=said))
            return said

        return fit(replace(task, targets=heard), **rest)

    monkeypatch.setattr(preparation, "fit", listening)
    return asked


def test_epoch_e_trains_on_view_e_modulo_the_kept_ones(
    finished: Lane, tmp_path: Path, questions: list[Question]
) -> None:
    """The pixels of that view, and the teacher's words on it, in every step."""
    distil(finished, tmp_path, ("distill.epochs", 6), ("distill.batch_size", 140))
    recipe = finished.recipe()
    data = datasets.load(recipe.dataset)
    cache = np.load(kept(finished, "logits", TeacherLogits).path)
    steps = len(questions) // 6
    assert [asked.view for asked in questions] == [e % 4 for e in range(6) for _ in range(steps)]
    for asked in questions:
        table = training_view(recipe.augmentation, data, seed=recipe.seed, view=asked.view)
        shown = table.render(data[Split.TRAIN].images, asked.index)
        np.testing.assert_array_equal(asked.raw, shown)
        (said,) = asked.said
        np.testing.assert_array_equal(said, cache[asked.view, asked.index].astype(np.float32))
        assert said.dtype == np.float32


def test_a_student_of_another_seed_is_shown_the_kept_views_in_another_order(
    finished: Lane, tmp_path: Path, questions: list[Question]
) -> None:
    one_epoch = [("distill.epochs", 1), ("distill.batch_size", 140)]
    for seed in (0, 5):
        distil(finished, tmp_path / str(seed), *one_epoch, ("distill.seed", seed))
    first, second = questions[: len(questions) // 2], questions[len(questions) // 2 :]
    assert not np.array_equal(first[0].index, second[0].index)
    shown = {
        int(i): image for asked in first for i, image in zip(asked.index, asked.raw, strict=True)
    }
    again = [
        (i, image) for asked in second for i, image in zip(asked.index, asked.raw, strict=True)
    ]
    both = [(shown[i], image) for i, image in again if i in shown]
    assert len(both) > 200
    assert all(np.array_equal(mine, yours) for mine, yours in both)


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
    said = teacher.logits(np.asarray(data[Split.TRAIN].images))
    np.testing.assert_array_equal(plain, said.astype(np.float16)[None])


def saying(value: float) -> Callable[..., OpenTeacher]:
    """A teacher that says `value` of the images 100 to 199."""

    def logits(raw: Array) -> Array:
        said = np.zeros((len(raw), 3), np.float32)
        said[100:200, 1] = value
        return said

    return lambda *given: OpenTeacher(kind="onnx", path=Path("t.onnx"), logits=logits)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 7e4, -7e4])
def test_logits_that_cannot_be_kept_are_told_with_the_likely_cause(
    finished: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    monkeypatch.setattr(preparation, "open_teacher", saying(value))
    with pytest.raises(InputError, match=r"NaN, or logits beyond ±65504.*teacher\.scale"):
        ask(finished, tmp_path)


def test_large_logits_are_kept(
    finished: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "open_teacher", saying(6e4))
    assert ask(finished, tmp_path).max() == np.float16(6e4)

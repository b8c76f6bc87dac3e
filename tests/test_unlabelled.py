"""Images without labels join the distillation, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline import datasets
from pipeline.datasets.size import resized
from pipeline.datasets.splits import UNLABELLED, Dataset, Samples, Split
from pipeline.engine.artifacts import Exports, Teacher, TeacherLogits
from pipeline.recipe.schema import DatasetConfig
from pipeline.stages import distill, quantize, teacher
from pipeline.teachers import logits_file
from pipeline.teachers.trained import open_checkpoint
from pipeline.training.loop import Task
from targets.errors import InputError
from tests.conftest import Lane
from tests.kept import Setting, job
from tests.toys import plugged_in

UNLABELLED_IMAGES = 60


@pytest.fixture(scope="module", autouse=True)
def toys() -> Iterator[None]:
    with plugged_in():
        yield


@pytest.fixture(scope="module")
def toy() -> Dataset:
    """480 labelled images, 288 of them for training, and 60 unlabelled ones."""
    settings: Any = {"samples": 480, "unlabelled": UNLABELLED_IMAGES}
    return datasets.load(DatasetConfig(name="toy", **settings))


@dataclass(frozen=True)
class Numbered:
    """Pictures with their number as colour, which count the reads."""

    numbers: npt.NDArray[np.int64]
    reads: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, number: int) -> npt.NDArray[np.uint8]:
        self.reads.append(number)
        return np.full((number + 1, 2, 1), self.numbers[number], np.uint8)

    def pick(self, index: npt.NDArray[np.int64]) -> "Numbered":
        return Numbered(self.numbers[index], self.reads)


def test_without_unlabelled_images_the_distillation_has_the_same_data(
    stripes_data: Dataset,
) -> None:
    assert stripes_data.for_distillation() is stripes_data


def test_the_training_split_of_a_distillation_ends_with_the_unlabelled_images(
    toy: Dataset,
) -> None:
    assert toy.unlabelled is not None
    both, train = toy.for_distillation(), toy[Split.TRAIN]
    images, index = both[Split.TRAIN].raw, np.array([3, 340, 288, 287])
    expected = np.concatenate([train.raw, toy.unlabelled.raw])
    assert images.shape == expected.shape == (348, 8, 8, 1)
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(images[280:300], expected[280:300])
    np.testing.assert_array_equal(images[index], expected[index])
    np.testing.assert_array_equal(images[340], expected[340])
    assert both[Split.TRAIN].labels[index].tolist()[1:3] == [UNLABELLED, UNLABELLED]
    taken = both[Split.TRAIN].take(index)
    np.testing.assert_array_equal(taken.raw, expected[index])
    assert [both[part] is toy[part] for part in (Split.VAL, Split.TEST)] == [True, True]


def test_pictures_are_joined_without_reading_them() -> None:
    def samples(first: int, count: int) -> tuple[Samples, Numbered]:
        pictures = Numbered(np.arange(first, first + count))
        labels = np.zeros(count, np.int64)
        return Samples(
            raw=np.zeros((count, 2, 2, 1), np.uint8), labels=labels, pictures=pictures
        ), pictures

    (train, own), (more, further) = samples(0, 3), samples(100, 2)
    data = Dataset(
        name="x", classes=("a",), splits={Split.TRAIN: train}, sha256="", unlabelled=more
    )
    taken = data.for_distillation()[Split.TRAIN].take(np.array([4, 1]))
    assert taken.pictures is not None
    assert (own.reads, further.reads, len(taken.pictures)) == ([], [], 2)
    assert [taken.pictures[number].max() for number in range(2)] == [101, 1]
    assert (own.reads, further.reads) == ([1], [1])


def test_unlabelled_images_are_resized_as_the_others(toy: Dataset) -> None:
    smaller = resized(toy, 4)
    assert smaller.unlabelled is not None
    assert smaller.unlabelled.raw.shape == (UNLABELLED_IMAGES, 4, 4, 1)
    np.testing.assert_array_equal(smaller.unlabelled.labels, UNLABELLED)


SETTINGS: tuple[Setting, ...] = (
    ("dataset.name", "toy"),
    ("dataset.samples", 480),
    ("dataset.unlabelled", UNLABELLED_IMAGES),
    ("augmentation.shift", 0),
    ("teacher.epochs", 1),
    ("distill.epochs", 1),
    ("distill.alpha", 1.0),
    ("quantize.epochs", 1),
)


@contextmanager
def recorded_tasks() -> Iterator[dict[str, Task]]:
    """The tasks that the stages train inside the block, by stage."""
    tasks: dict[str, Task] = {}
    with pytest.MonkeyPatch.context() as patch:
        for stage in (teacher, distill, quantize):
            patch.setattr(stage, "fit", _recording(stage.fit, tasks))
        yield tasks


def _recording(fit: Any, tasks: dict[str, Task]) -> Any:
    def call(task: Task, **options: Any) -> Any:
        tasks[task.stage] = task
        return fit(task, **options)

    return call


def test_the_student_learns_from_them_and_the_teacher_does_not(lane: Lane, toy: Dataset) -> None:
    with recorded_tasks() as tasks:
        artifacts = lane.runner(*SETTINGS).make().artifacts
    trained_on = {stage: len(task.data[Split.TRAIN]) for stage, task in tasks.items()}
    assert trained_on == {"teacher": 288, "distill": 348, "quantize": 348}
    made, logits, exports = (artifacts[name] for name in ("teacher", "logits", "convert"))
    assert isinstance(made, Teacher)
    assert isinstance(logits, TeacherLogits)
    assert isinstance(exports, Exports)
    assert toy.unlabelled is not None
    expected = open_checkpoint(made.checkpoint, toy).logits(toy.unlabelled.raw)
    stored = np.load(logits.path)
    assert stored.shape == (1, 348, 2)
    np.testing.assert_allclose(stored[0, 288:], expected, rtol=2e-3, atol=1e-3)
    assert (exports.dataset.train, exports.dataset.unlabelled) == (288, UNLABELLED_IMAGES)


def test_logits_that_were_computed_before_do_not_know_them(lane: Lane, tmp_path: Path) -> None:
    data = job(lane, tmp_path, *SETTINGS).dataset()
    of: Any = {part.value: 4 * np.eye(2, dtype=np.float32)[data[part].labels] for part in Split}
    logits_file.save_logits(tmp_path / "mine.npz", data=data, **of)
    given = job(lane, tmp_path, *SETTINGS, ("teacher.file", tmp_path / "mine.npz"))
    with pytest.raises(InputError, match=r"mine\.npz: holds logits of the labelled.*has 60 with"):
        teacher.run(given.recipe.teacher, tmp_path, job=given)

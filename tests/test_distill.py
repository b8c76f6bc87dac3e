"""The student's recipe keys each decide how it is taught."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline import datasets
from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import Checkpoint, Teacher, TeacherLogits
from pipeline.engine.progress import SilentConsole
from pipeline.losses import FEATURE_LOSSES, LOSSES
from pipeline.models.network import NetworkSpec, build
from pipeline.recipe.schema import AugmentationConfig, TrainingConfig
from pipeline.teachers.trained import open_checkpoint
from pipeline.training import loop, preparation
from pipeline.training.augmentation import epoch_order, mixup, training_view
from pipeline.training.loop import Task, fit, one_cycle, sgd
from tests.conftest import Lane
from tests.kept import Setting, distil, kept, losses
from tests.test_end_to_end import digest
from tests.test_repeatable import Interrupted, InterruptingConsole

Array = npt.NDArray[Any]
SHORT: tuple[Setting, ...] = (("distill.epochs", 2), ("distill.batch_size", 64))
Taught = Callable[..., Checkpoint]


@pytest.fixture(scope="module")
def taught(finished: Lane, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """A student of two epochs by the keys of its recipe; each is trained once."""

    @cache
    def student(*overrides: Setting) -> Checkpoint:
        return distil(finished, tmp_path_factory.mktemp("student"), *SHORT, *overrides)

    return student


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_of_the_recipe_teaches_in_its_own_way(taught: Taught, loss: str) -> None:
    """At the temperature and weight of plain KD, which function matching is without labels."""
    weight = ("distill.alpha", 1.0 if LOSSES[loss].PUBLISHED.label_free else 0.9)
    student = taught(("distill.loss", loss), ("distill.temperature", 4.0), weight)
    first, last = losses(student)
    assert last < first
    if loss != "kd":
        assert digest(student.weights) != digest(taught().weights)


@pytest.mark.parametrize("features", FEATURE_LOSSES)
def test_a_feature_loss_reaches_the_student_and_leaves_nothing_in_it(
    taught: Taught, finished: Lane, features: str
) -> None:
    """Neither the teacher's weights nor the regressor are the student's."""
    student, plain = taught(("distill.features", features)), taught()
    first, last = losses(student)
    assert last < first
    with np.load(student.weights) as mine, np.load(plain.weights) as usual:
        assert mine.files == usual.files
        assert any(not np.array_equal(mine[name], usual[name]) for name in mine.files)
    assert student.parameters == plain.parameters
    restored = preparation.restore(student)
    images = datasets.load(finished.recipe().dataset)[Split.VAL].images
    data = datasets.load(finished.recipe().dataset)
    assert np.isfinite(loop.make_predict(restored, data.input)(images)).all()


def test_without_weight_the_teacher_is_never_read(finished: Lane, tmp_path: Path) -> None:
    nowhere = Teacher(folder=tmp_path / "no", kind="trained", file="weights.npz")
    nothing = TeacherLogits(folder=tmp_path / "no", views=4)
    for given in ((), (("distill.mixup", 0.4),)):
        student = distil(
            finished, tmp_path, *SHORT, *given, ("distill.alpha", 0),
            teacher=nowhere, logits=nothing,
        )  # fmt: skip
        (tmp_path / "scratch" / "distill.npz").unlink()
        assert student.weights.exists()


@dataclass(frozen=True)
class Step:
    """What one training step was given."""

    raw: Array
    labels: list[Array]
    share: float
    targets: list[Array]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Every step of the trainings that follow, which go on as they would."""
    seen: list[Step] = []
    make = loop._make_step

    def watched(task: Task) -> Callable[..., Any]:
        step = make(task)

        def call(raw: Array, labels: Any, share: float, targets: Any, rate: float) -> Any:
            seen.append(Step(raw=raw, labels=labels, share=share, targets=targets))
            return step(raw, labels, share, targets, rate)

        return call

    monkeypatch.setattr(loop, "_make_step", watched)
    return seen


MIXED: Setting = ("distill.mixup", 0.4)


def test_the_live_teacher_answers_for_the_mixed_pixels_that_the_student_sees(
    finished: Lane, tmp_path: Path, steps: list[Step]
) -> None:
    distil(finished, tmp_path, *SHORT, MIXED)
    data = datasets.load(finished.recipe().dataset)
    teacher = open_checkpoint(kept(finished, "teacher", Teacher).checkpoint, data)
    assert len({step.share for step in steps}) == len(steps)
    for step in steps:
        assert 0 <= step.share <= 1
        assert step.raw.dtype == np.uint8
        (said,) = step.targets
        np.testing.assert_array_equal(said, teacher.logits(step.raw))


def test_every_image_is_mixed_with_the_one_whose_label_it_is_given(
    finished: Lane, tmp_path: Path, steps: list[Step]
) -> None:
    distil(finished, tmp_path, *SHORT, MIXED)
    recipe = finished.recipe()
    train = datasets.load(recipe.dataset)[Split.TRAIN]
    per_epoch = len(steps) // 2
    for number, step in enumerate(steps):
        epoch = number // per_epoch
        order = epoch_order(len(train), seed=recipe.seed, epoch=epoch)
        index = order[(number % per_epoch) * 64 :][:64]
        table = training_view(
            recipe.augmentation, datasets.load(recipe.dataset), seed=recipe.seed, view=epoch
        )
        view = table.render(train.images, index)
        mixed = mixup(view, alpha=0.4, seed=recipe.seed, epoch=epoch, number=number % per_epoch)
        both = step.share * view.astype(float) + (1 - step.share) * view[mixed.partner]
        np.testing.assert_allclose(step.raw, both, atol=0.51)
        first, second = step.labels
        np.testing.assert_array_equal(first, train.labels[index])
        np.testing.assert_array_equal(second, first[mixed.partner])


def test_a_mixed_loss_is_that_of_both_labels_in_their_shares(
    stripes_data: Dataset, tmp_path: Path, steps: list[Step]
) -> None:
    """With the first image's label as the loss, which no weight decides."""
    import tensorflow as tf

    def first_label(*, student: Any, teacher: Any, labels: Any) -> Any:
        return tf.cast(labels[0], tf.float32) + 0 * tf.reduce_sum(student)

    cfg = TrainingConfig(epochs=1, batch_size=60)
    network = NetworkSpec(
        role="student",
        family="mobilenet_v1",
        settings={"width_multiplier": 0.25},
        input=stripes_data.input,
        classes=3,
    )
    task = Task(
        stage="t", model=build(network), objective=first_label, optimizer=sgd(cfg),
        schedule=one_cycle, data=stripes_data, cfg=cfg, views=AugmentationConfig(), seed=0,
        view_seed=0, mixup=1.0,
    )  # fmt: skip
    (record,) = fit(
        task, checkpoint=tmp_path / "t.npz", progress=partial(SilentConsole().epochs, "t")
    )
    firsts = [(step.labels[0][0], step.labels[1][0], step.share) for step in steps]
    assert any(mine != other for mine, other, _ in firsts)
    expected = np.mean([share * mine + (1 - share) * other for mine, other, share in firsts])
    assert record.loss == pytest.approx(expected, rel=1e-5)


def test_a_mixed_training_repeats_and_resumes_to_the_same_bytes(
    finished: Lane, tmp_path: Path
) -> None:
    whole = distil(finished, tmp_path / "whole", *SHORT, MIXED)
    stopped = InterruptingConsole(stage="distill", at=6)
    with pytest.raises(Interrupted):
        distil(finished, tmp_path / "cut", *SHORT, MIXED, console=stopped)
    resumed = distil(finished, tmp_path / "cut", *SHORT, MIXED)
    assert digest(resumed.weights) == digest(whole.weights)
    assert losses(resumed) == losses(whole)


def test_a_student_of_features_resumes_to_the_same_bytes(
    finished: Lane, tmp_path: Path, taught: Taught
) -> None:
    """Its regressor is in the checkpoint, though not in the student."""
    fitnet = ("distill.features", "fitnet")
    stopped = InterruptingConsole(stage="distill", at=6)
    with pytest.raises(Interrupted):
        distil(finished, tmp_path, *SHORT, fitnet, console=stopped)
    resumed = distil(finished, tmp_path, *SHORT, fitnet)
    assert digest(resumed.weights) == digest(taught(fitnet).weights)

"""The student's recipe keys each decide how it is taught."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline import datasets
from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import Checkpoint, Teacher, TeacherLogits
from pipeline.losses import FEATURE_LOSSES, LOSSES
from pipeline.models.network import NetworkSpec, build
from pipeline.recipe.training import TrainingConfig
from pipeline.teachers.trained import open_checkpoint
from pipeline.training.augmentation import epoch_order, mixup, training_view
from pipeline.training.augmentation.images import ImageViews
from pipeline.training.inference import make_predict
from pipeline.training.loop import Task, batches, training_step
from pipeline.training.networks import restore
from pipeline.training.optimizers import one_cycle, optimizer_of
from tests.conftest import Lane
from tests.kept import Setting, distil, distillation_task, kept, losses
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


@pytest.mark.parametrize("features", [name for name in FEATURE_LOSSES if name != "cosine"])
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
    restored = restore(student)
    images = datasets.load(finished.recipe().dataset)[Split.VAL].raw
    data = datasets.load(finished.recipe().dataset)
    assert np.isfinite(make_predict(restored, data.input)(images)).all()


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


MIXED: Setting = ("distill.mixup", 0.4)


def test_the_live_teacher_answers_for_the_mixed_pixels_that_the_student_gets(
    finished: Lane, tmp_path: Path
) -> None:
    task = distillation_task(finished, tmp_path, *SHORT, MIXED)
    teacher = open_checkpoint(kept(finished, "teacher", Teacher).checkpoint, task.data)
    both = [batch for epoch in range(2) for batch in batches(task, epoch)]
    assert len({batch.lam for batch in both}) == len(both) > 4
    for batch in both:
        assert batch.raw.dtype == np.uint8
        (logits,) = batch.targets
        np.testing.assert_array_equal(logits, teacher.logits(batch.raw))


def test_every_image_is_mixed_with_the_one_whose_label_it_gets(
    finished: Lane, tmp_path: Path
) -> None:
    task = distillation_task(finished, tmp_path, *SHORT, MIXED)
    recipe, train = finished.recipe(), task.data[Split.TRAIN]
    for epoch in range(2):
        order = epoch_order(len(train), seed=recipe.seed, epoch=epoch)
        table = training_view(recipe.augmentation.views, task.data, seed=recipe.seed, view=epoch)
        for number, batch in enumerate(batches(task, epoch)):
            index = order[number * 64 :][:64]
            view = table.render(train, index)
            mixed = mixup(64, alpha=0.4, seed=recipe.seed, epoch=epoch, number=number)
            both = batch.lam * view.astype(float) + (1 - batch.lam) * view[mixed.partner]
            np.testing.assert_allclose(batch.raw, both, atol=0.51)
            first, second = batch.labels
            np.testing.assert_array_equal(first, train.labels[index])
            np.testing.assert_array_equal(second, first[mixed.partner])


def test_a_mixed_loss_is_that_of_both_labels_in_their_shares(stripes_data: Dataset) -> None:
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
        stage="t", model=build(network), objective=first_label, optimizer=optimizer_of(cfg),
        schedule=one_cycle, data=stripes_data, cfg=cfg, augmentation=ImageViews(), seed=0,
        view_seed=0, mixup=1.0,
    )  # fmt: skip
    task.optimizer.build(task.model.trainable_variables)
    step = training_step(task)
    pairs = set()
    for batch in batches(task, 0):
        mine, other = batch.labels[0][0], batch.labels[1][0]
        pairs.add((mine, other))
        expected = batch.lam * mine + (1 - batch.lam) * other
        assert float(step(batch, 0.0)) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert any(mine != other for mine, other in pairs)


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

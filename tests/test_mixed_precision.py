"""Mixed precision: computed in bfloat16, kept in float32, and not passed on to later stages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tf_keras import mixed_precision

from pipeline.datasets.splits import Dataset
from pipeline.engine.artifacts import Checkpoint
from pipeline.losses import FEATURE_LOSSES
from pipeline.models import STUDENTS, TEACHERS
from pipeline.models.network import NetworkSpec, build
from pipeline.recipe.training import InitialisedConfig, TeacherConfig
from pipeline.training.head import fit_head
from pipeline.training.loop import Task
from pipeline.training.mixed_precision import precision
from pipeline.training.networks import initial_teacher, restore
from targets.formats.input_spec import image_input
from tests.conftest import THREADS, Lane
from tests.kept import Setting, distil, losses
from tests.tasks import small_network, small_task
from tests.test_end_to_end import digest
from tests.test_fine_tuning import Stopped, coloured_data, stopping, trained

MIXED: Setting = ("distill.mixed_precision", True)
SHORT: tuple[Setting, ...] = (("distill.epochs", 2), ("distill.batch_size", 64))
CFG = InitialisedConfig(epochs=3, batch_size=64, learning_rate=0.05, weight_decay=1e-3)
LARGE = {"efficientnet_lite0": 16, "efficientnet_v2b0": 64, "resnet50v2": 64}
"""Family -> side of an image; of many layers, or without a form for small images."""
FAMILIES = [
    *sorted(
        {
            name
            for registry in (TEACHERS, STUDENTS)
            for name in {*registry} - LARGE.keys()
            if "image" in registry[name].TAKES
        }
    ),
    *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE),
]


def mixed_task(data: Dataset) -> Task:
    with precision(mixed=True):
        return small_task(data, CFG)


def weights(task: Task) -> list[Any]:
    arrays: list[Any] = task.model.get_weights()
    return arrays


def equal(one: Task, other: Task) -> bool:
    return all(map(np.array_equal, weights(one), weights(other)))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_gradients_in_mixed_precision(family: str) -> None:
    """Of each operator in its layers, in TensorFlow's deterministic form."""
    side = LARGE.get(family, 16)
    spec = NetworkSpec(
        role="teacher" if family in TEACHERS else "student",
        family=family,
        settings={},
        input=image_input(side, side, 3),
        classes=3,
    )
    with precision(mixed=True):
        model = build(spec)
    with tf.GradientTape() as tape:
        logits = model(tf.random.stateless_uniform((2, side, side, 3), (0, 0)), training=True)
        loss = tf.reduce_sum(logits**2)
    assert logits.dtype == tf.float32
    assert model.layers[3].compute_dtype == "bfloat16"
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(gradient.dtype == tf.float32 for gradient in gradients)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_the_same_seed_gives_the_same_weights_and_other_ones_than_float32(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    tasks = [mixed_task(stripes_data), mixed_task(stripes_data), small_task(stripes_data, CFG)]
    for place, task in enumerate(tasks):
        folder = tmp_path / str(place)
        folder.mkdir()
        first, *_, last = trained(task, folder)
        assert last.loss < first.loss
    one, again, plain = tasks
    assert equal(one, again)
    assert not equal(one, plain)


def test_an_interrupted_training_resumes_to_the_same_weights(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    whole, cut, resumed = (mixed_task(stripes_data) for _ in range(3))
    history = trained(whole, tmp_path)
    (tmp_path / "state.npz").unlink()
    with pytest.raises(Stopped):
        trained(cut, tmp_path, progress=stopping(2))
    assert trained(resumed, tmp_path) == history
    assert equal(whole, resumed)


def test_weights_and_optimizer_are_float32_also_in_the_checkpoint(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    task = mixed_task(stripes_data)
    trained(task, tmp_path)
    with np.load(tmp_path / "state.npz") as state:
        kinds = {name: state[name].dtype for name in state.files}
    assert all(kinds[name] in (np.float32, np.int64) for name in kinds if name != "history")
    assert {array.dtype for array in weights(task)} == {np.dtype(np.float32)}


def test_a_head_is_fitted_on_the_features_that_mixed_precision_gives() -> None:
    data = coloured_data(3)
    with precision(mixed=True):
        model = small_network(data)
    head = fit_head(model, data, own=False, balanced=False, seed=0, threads=THREADS)
    assert head.validation_top1 > 0.9


def test_the_precision_of_the_process_is_restored_also_after_an_error() -> None:
    network = NetworkSpec(
        role="teacher", family="resnet50v2", settings={}, input=image_input(8, 8, 3), classes=2
    )
    with pytest.raises(Exception, match="its strides leave one pixel"):
        initial_teacher(TeacherConfig(mixed_precision=True), network)
    assert mixed_precision.global_policy().name == "float32"


@pytest.fixture(scope="module")
def student(finished: Lane, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return distil(finished, tmp_path_factory.mktemp("student"), *SHORT, MIXED)


def test_a_student_is_stored_in_float32_and_computes_in_it_from_then_on(
    student: Checkpoint, finished: Lane, tmp_path: Path
) -> None:
    plain = distil(finished, tmp_path, *SHORT)
    assert digest(student.weights) != digest(plain.weights)
    with np.load(student.weights) as mine, np.load(plain.weights) as usual:
        assert mine.files == usual.files
        assert {mine[name].dtype for name in mine.files} == {np.dtype(np.float32)}
    assert {layer.compute_dtype for layer in restore(student).layers} == {"float32"}
    assert (student.parameters, student.macs) == (plain.parameters, plain.macs)


OF_MAPS = [name for name in FEATURE_LOSSES if name != "cosine"]
"""Those of convolutions: `cosine` is of the hidden states of Transformers."""


@pytest.mark.parametrize("features", OF_MAPS)
def test_a_feature_loss_compares_with_the_float32_features_of_the_teacher(
    finished: Lane, tmp_path: Path, features: str
) -> None:
    first, last = losses(distil(finished, tmp_path, *SHORT, MIXED, ("distill.features", features)))
    assert last < first

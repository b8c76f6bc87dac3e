"""Known values: computed once in float64 with a reference implementation, tolerance 1e-6."""

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest
import tensorflow as tf
from pydantic import JsonValue

from pipeline.losses import FEATURE_LOSSES, LOSSES, dist, dkd, formulas
from pipeline.losses.feature_distillation import feature_distillation
from pipeline.losses.features import attention, cosine, rkd
from pipeline.losses.objectives import distillation
from pipeline.models.network import NetworkSpec, build
from pipeline.recipe.training import DistillationConfig
from targets.errors import InputError
from targets.formats.input_spec import image_input, token_input
from tests.toys import plugged_in

STUDENT = np.array([[1, 2, 0.5, -1], [0.2, -0.3, 1.5, 0.7], [-0.5, 0, 0.4, 2.2]])
TEACHER = np.array([[2, 3.5, -0.5, 0], [0.1, 0.2, 2.5, -1], [-1, 0.3, 1.2, 3]])
LABELS = np.array([1, 2, 3])


@pytest.fixture(autouse=True)
def toys() -> Iterator[None]:
    with plugged_in():
        yield


def kd(temperature: float, student: Any = STUDENT, teacher: Any = TEACHER) -> Any:
    return formulas.kl_divergence(
        student=tf.constant(student), teacher=tf.constant(teacher), temperature=temperature
    )


def test_cross_entropy_has_its_known_value() -> None:
    loss = formulas.cross_entropy(student=tf.constant(STUDENT), labels=tf.constant(LABELS))
    assert float(loss) == pytest.approx(0.4751298880, abs=1e-6)


@pytest.mark.parametrize(
    ("temperature", "known"), [(1.0, 0.1301401892), (2.0, 0.2591439088), (4.0, 0.3262071419)]
)
def test_kl_divergence_has_its_known_value(temperature: float, known: float) -> None:
    assert float(kd(temperature)) == pytest.approx(known, abs=1e-6)


def objective(name: str, **changed: Any) -> Any:
    published = LOSSES[name].PUBLISHED
    settings = {"temperature": published.temperature, "alpha": published.alpha, **changed}
    return distillation(name, parameters=published.parameters, **settings)


def value(name: str, **changed: Any) -> float:
    loss = objective(name, **changed)(
        student=tf.constant(STUDENT), teacher=tf.constant(TEACHER), labels=tf.constant(LABELS)
    )
    return float(loss)


def test_kd_weighs_labels_and_teacher() -> None:
    assert value("kd") == pytest.approx(0.3410994165, abs=1e-6)


def test_without_weight_only_one_of_them_counts() -> None:
    assert value("kd", alpha=0.0) == pytest.approx(0.4751298880, abs=1e-6)
    assert value("function_matching") == pytest.approx(0.3262071419, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "changed", "known"),
    [
        ("dkd", {}, 2.6692623091),
        ("dkd", {"temperature": 1.0}, 1.8237802040),
        ("dist", {}, 6.0312942285),
        ("logit_standardization", {}, 0.1062536749),
        ("mse", {}, 0.9183333333),
    ],
)
def test_the_named_terms_have_their_known_values(
    name: str, changed: dict[str, float], known: float
) -> None:
    assert value(name, alpha=1.0, **changed) == pytest.approx(known, abs=1e-6)


def test_dkd_takes_the_divergence_apart() -> None:
    tckd, nckd = dkd.decoupled(
        student=tf.constant(STUDENT),
        teacher=tf.constant(TEACHER),
        labels=tf.constant(LABELS),
        temperature=4.0,
    )
    assert float(tckd) == pytest.approx(0.1361113349, abs=1e-6)
    assert float(nckd) == pytest.approx(0.3166438718, abs=1e-6)
    tckd, nckd = dkd.decoupled(
        student=tf.constant(STUDENT[:1]),
        teacher=tf.constant(TEACHER[:1]),
        labels=tf.constant(LABELS[:1]),
        temperature=4.0,
    )
    p_target = float(tf.nn.softmax(TEACHER[0] / 4)[1])
    assert (float(tckd) + (1 - p_target) * float(nckd)) / 16 == pytest.approx(0.02400188, abs=1e-6)


def test_dist_compares_samples_and_classes() -> None:
    inter, intra = dist.correlation(
        student=tf.constant(STUDENT), teacher=tf.constant(TEACHER), temperature=1.0
    )
    assert float(inter) == pytest.approx(0.0311272274, abs=1e-6)
    assert float(intra) == pytest.approx(0.0183651205, abs=1e-6)


FEATURES = np.array(
    [[0.13, -0.13, 0.64], [0.1, -0.54, 0.36], [1.3, 0.95, -0.7], [-1.27, -0.62, 0.04]]
)
TAUGHT = np.array(
    [
        [-2.33, -0.22, -1.25, -0.73, -0.54],
        [-0.32, 0.41, 1.04, -0.13, 1.37],
        [-0.67, 0.35, 0.9, 0.09, -0.74],
        [-0.92, -0.46, 0.22, -1.01, -0.21],
    ]
)


def test_relations_between_samples_have_their_known_values() -> None:
    distance, angle = rkd.relations(student=tf.constant(FEATURES), teacher=tf.constant(TAUGHT))
    assert float(distance) == pytest.approx(0.1677513064, abs=1e-6)
    assert float(angle) == pytest.approx(0.1472315114, abs=1e-6)
    assert float(25 * distance + 50 * angle) == pytest.approx(11.5553582290, abs=1e-5)


def test_attention_has_its_known_value() -> None:
    student = np.arange(1, 25).reshape(2, 2, 2, 3) / 10
    teacher = np.cos(np.arange(40)).reshape(2, 2, 2, 5)
    loss = attention.attention(student=tf.constant(student), teacher=tf.constant(teacher))
    assert float(loss) == pytest.approx(0.0682581530, abs=1e-6)


def test_the_gradient_of_the_student_has_its_known_value_and_the_teacher_gets_none() -> None:
    student, teacher = tf.Variable(STUDENT), tf.Variable(TEACHER)
    with tf.GradientTape() as tape:
        loss = formulas.kl_divergence(student=student, teacher=teacher, temperature=4.0)
    of_student, of_teacher = tape.gradient(loss, [student, teacher])
    assert float(of_student[0, 0]) == pytest.approx(-0.0173184352, abs=1e-6)
    assert of_teacher is None


def test_a_student_like_its_teacher_has_no_loss() -> None:
    assert float(kd(4.0, TEACHER, TEACHER)) == pytest.approx(0, abs=1e-12)


def test_temperature_hardly_changes_the_size_of_the_gradient() -> None:
    def size(temperature: float) -> float:
        student = tf.Variable(STUDENT)
        with tf.GradientTape() as tape:
            loss = formulas.kl_divergence(
                student=student, teacher=tf.constant(TEACHER), temperature=temperature
            )
        return float(tf.norm(tape.gradient(loss, student)))

    assert size(8.0) == pytest.approx(size(4.0), rel=0.2)


EXTREME = np.array([[1e4, -1e4, 0.0, 1e4], [-1e4, 1e4, 1e4, -1e4], [1e4] * 4], np.float32)


@pytest.mark.parametrize("temperature", [0.5, 4.0])
@pytest.mark.parametrize("name", [*LOSSES, "toy"])
def test_extreme_logits_give_numbers_and_the_teacher_no_gradient(
    name: str, temperature: float
) -> None:
    student, teacher = tf.Variable(EXTREME), tf.Variable(EXTREME[::-1].copy())
    with tf.GradientTape() as tape:
        loss = objective(name, temperature=temperature)(
            student=student, teacher=teacher, labels=tf.constant([0, 1, 3])
        )
    of_student, of_teacher = tape.gradient(loss, [student, teacher])
    assert math.isfinite(float(loss))
    assert np.isfinite(of_student.numpy()).all()
    assert of_teacher is None


@pytest.mark.parametrize("name", [*LOSSES, "toy"])
def test_published_settings_are_valid_in_a_recipe(name: str) -> None:
    published = LOSSES[name].PUBLISHED
    cfg = DistillationConfig.model_validate({"loss": name})
    assert (cfg.temperature, cfg.alpha) == (published.temperature, published.alpha)
    assert cfg.parameters == published.parameters


@pytest.mark.parametrize("name", [*FEATURE_LOSSES, "toy"])
def test_a_feature_loss_trains_the_student_on_the_teachers_features(name: str) -> None:
    student, teacher = small("student", "mobilenet_v1"), small("teacher", "resnet")
    shown, layer = (
        tf.random.stateless_uniform([4, 12, 12, 1], seed=(0, 0), minval=-1),
        "block0_depthwise_conv",
    )
    if name == "cosine":
        student, teacher = encoder("student", layers=1), encoder("teacher", layers=2)
        shown, layer = tf.constant([[1, 2, 3], [3, 0, 0]]), "encoder0_query"
    both = feature_distillation(name, student=student, teacher=teacher)
    with tf.GradientTape() as tape:
        (logits, *features), (_, *targets) = both.student(shown), both.teacher(shown)
        loss = both.loss(student=features, teacher=targets)
    np.testing.assert_allclose(logits, student(shown), rtol=1e-5, atol=1e-6)
    assert loss.shape == []
    assert float(loss) > 0
    weights = [student.get_layer(layer).trainable_weights[0], *teacher.weights]
    of_student, *of_teacher = tape.gradient(loss, weights)
    assert np.isfinite(of_student).all()
    assert np.abs(of_student).max() > 0
    assert set(of_teacher) == {None}
    assert FEATURE_LOSSES[name].WEIGHT > 0


def small(role: Literal["teacher", "student"], family: str) -> Any:
    settings: dict[str, JsonValue] = {"widths": [8, 16, 16], "blocks": 1}
    if role == "student":
        settings = {"width_multiplier": 0.25}
    spec = image_input(12, 12, 1)
    return build(NetworkSpec(role=role, family=family, settings=settings, input=spec, classes=4))


def encoder(role: Literal["teacher", "student"], **settings: JsonValue) -> Any:
    spec, small = token_input(3, 9), {"embedding": 8, "heads": 2, "feed_forward": 8, **settings}
    return build(
        NetworkSpec(role=role, family="transformer", settings=small, input=spec, classes=4)
    )


@pytest.mark.parametrize(
    ("student", "teacher", "shapes"),
    [
        (
            lambda: encoder("student"),
            lambda: encoder("teacher", embedding=4),
            "has 3x8, the .* 3x4",
        ),
        (lambda: small("student", "mobilenet_v1"), lambda: encoder("teacher"), "none, the .* 3x8"),
    ],
)
def test_hidden_states_of_other_forms_are_refused(student: Any, teacher: Any, shapes: str) -> None:
    with pytest.raises(InputError, match=rf"distill.features: cosine compares .*{shapes}\."):
        feature_distillation("cosine", student=student(), teacher=teacher())


def test_directions_of_hidden_states_have_their_known_values() -> None:
    """Equal, at a right angle, opposite: 0, 1, 2."""
    student = tf.constant([[[1.0, 0], [2, 0], [3, 0]]])
    teacher = tf.constant([[[9.0, 0], [0, 5], [-1, 0]]])
    for position, expected in enumerate((0, 1, 2)):
        found = (one[:, position : position + 1] for one in (student, teacher))
        loss = cosine.apart(**dict(zip(("student", "teacher"), found, strict=True)))
        assert float(loss) == pytest.approx(expected, abs=1e-6)
    assert float(cosine.apart(student=student, teacher=teacher)) == pytest.approx(1, abs=1e-6)


def _squared(student: Any, teacher: Any) -> Any:
    return formulas.squared_error(student=student, teacher=teacher)


def _relations(student: Any, teacher: Any) -> Any:
    return sum(rkd.relations(student=student, teacher=teacher))


def _attention(student: Any, teacher: Any) -> Any:
    maps = [tf.reshape(features, [-1, 2, 2, 1]) for features in (student, teacher)]
    return attention.attention(student=maps[0], teacher=maps[1])


def _directions(student: Any, teacher: Any) -> Any:
    return cosine.apart(student=student[None], teacher=teacher[None])


@pytest.mark.parametrize("loss_of", [_squared, _relations, _attention, _directions])
@pytest.mark.parametrize("size", [0.0, 1e4])
def test_extreme_features_give_numbers_and_the_teacher_no_gradient(
    loss_of: Any, size: float
) -> None:
    student, teacher = tf.Variable(size * EXTREME / 1e4), tf.Variable(size * EXTREME[::-1] / 1e4)
    with tf.GradientTape() as tape:
        loss = loss_of(student, teacher)
    of_student, of_teacher = tape.gradient(loss, [student, teacher])
    assert math.isfinite(float(loss))
    assert np.isfinite(of_student.numpy()).all()
    assert of_teacher is None

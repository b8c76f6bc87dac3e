"""The Transformer: its size, its attention, and students that take layers of their teacher."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import JsonValue, ValidationError
from tf_keras import layers

from pipeline.models import transformer
from pipeline.models.attention import SelfAttention
from pipeline.models.macs import count_macs
from pipeline.models.network import NetworkSpec, build, count_parameters
from pipeline.models.pretrained.inheritance import inherit, taken_from
from pipeline.training import session
from targets.errors import InputError
from targets.formats.input_spec import token_input
from targets.untyped import KerasModel

SMALL: dict[str, Any] = {"embedding": 8, "heads": 2, "feed_forward": 12}
TOKENS = np.random.default_rng(0).integers(0, 30, (6, 5)).astype(np.int32)


def network(*, length: int = 5, vocabulary: int = 30, **settings: JsonValue) -> KerasModel:
    session.start(seed=0, threads=2)
    spec = NetworkSpec(
        role="student",
        family="transformer",
        settings=settings,
        input=token_input(length, vocabulary),
        classes=6,
    )
    return build(spec)


def test_the_network_has_its_documented_size() -> None:
    whole, half = (network(length=28, vocabulary=4000, layers=n) for n in (4, 2))
    assert count_parameters(whole) == 686_598
    assert count_parameters(half) == 537_030
    dense = 28 * (4 * 96 * 96 + 2 * 96 * 192)
    assert count_macs(whole) == 4 * (dense + 2 * 28 * 28 * 96) + 96 * 6


def test_every_layer_has_a_name_that_does_not_count_up() -> None:
    first, second = (network(**SMALL, layers=2) for _ in range(2))
    names = [layer.name for layer in first.layers]
    assert names == [layer.name for layer in second.layers]
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_attention_is_that_of_keras() -> None:
    channels, heads = 8, 2
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 5, channels)).astype(np.float32)
    whole = layers.MultiHeadAttention(heads, channels // heads)
    whole(x, x)
    kernels = {name: getattr(whole, f"_{name}_dense").kernel for name in ("query", "key", "value")}
    parts = [x @ kernels[name].numpy().reshape(channels, -1) for name in kernels]
    output = whole._output_dense.kernel.numpy().reshape(-1, channels)
    own = SelfAttention(heads, name="attention")(list(map(tf.constant, parts)))
    np.testing.assert_allclose(own.numpy() @ output, whole(x, x), atol=1e-5)


def test_the_order_of_tokens_matters() -> None:
    model = network(**SMALL, layers=1)
    assert np.abs(model(TOKENS).numpy() - model(TOKENS[:, ::-1]).numpy()).max() > 1e-4


def test_heads_that_cannot_share_the_vectors_are_refused() -> None:
    with pytest.raises(ValidationError, match="8 cannot be shared equally among 3 heads"):
        transformer.Settings(embedding=8, heads=3)


@pytest.mark.parametrize(
    ("own", "others", "taken"),
    [
        (1, 4, [0]),
        (2, 4, [0, 2]),
        (3, 4, [0, 1, 2]),
        (6, 12, [0, 2, 4, 6, 8, 10]),
        (2, 2, [0, 1]),
    ],
)
def test_a_shorter_encoder_takes_layers_that_are_spaced_evenly(
    own: int, others: int, taken: list[int]
) -> None:
    mine, theirs = ([f"encoder{i}_query" for i in range(count)] for count in (own, others))
    assert list(taken_from(mine, theirs).values()) == [f"encoder{i}_query" for i in taken]


def test_a_student_of_half_the_depth_has_every_second_layer_and_the_rest_by_name() -> None:
    teacher, student = (network(**SMALL, layers=count) for count in (4, 2))
    for weight in teacher.weights:
        weight.assign_add(np.random.default_rng(1).normal(size=weight.shape))
    inherit(student=student, teacher=teacher)
    for name, source in (
        ("embedding", "embedding"),
        ("positions", "positions"),
        ("encoder0_query", "encoder0_query"),
        ("encoder1_query", "encoder2_query"),
        ("encoder1_dense_norm", "encoder2_dense_norm"),
        ("logits", "logits"),
    ):
        own, theirs = student.get_layer(name), teacher.get_layer(source)
        for one, other in zip(own.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_student_as_deep_as_its_teacher_is_its_teacher() -> None:
    teacher, student = (network(**SMALL, layers=2) for _ in range(2))
    for weight in teacher.weights:
        weight.assign_add(np.random.default_rng(1).normal(size=weight.shape))
    inherit(student=student, teacher=teacher)
    np.testing.assert_array_equal(student(TOKENS), teacher(TOKENS))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": 3}, "no layer encoder2_query"),
        ({"layers": 1, "heads": 4}, "layer encoder0_attention has 4 heads, the teacher's 2"),
        ({"layers": 1, "feed_forward": 16}, "layer encoder0_wide has 16 channels"),
    ],
)
def test_a_student_that_is_no_part_of_its_teacher_is_refused(
    settings: dict[str, Any], message: str
) -> None:
    teacher = network(**SMALL, layers=2)
    with pytest.raises(InputError, match=f"distill.init = teacher: .*{message}"):
        inherit(student=network(**{**SMALL, **settings}), teacher=teacher)


def test_the_units_of_a_recurrent_layer_are_taken_as_a_whole() -> None:
    def recurrent(units: int) -> KerasModel:
        session.start(seed=units, threads=2)
        spec = NetworkSpec(
            role="student",
            family="gru",
            settings={"embedding": 4, "units": units},
            input=token_input(5, 30),
            classes=6,
        )
        return build(spec)

    teacher, student = recurrent(6), recurrent(6)
    inherit(student=student, teacher=teacher)
    np.testing.assert_array_equal(student(TOKENS), teacher(TOKENS))
    with pytest.raises(InputError, match="layer both_ways is recurrent, and has another size"):
        inherit(student=recurrent(3), teacher=teacher)

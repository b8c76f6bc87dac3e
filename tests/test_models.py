"""Contract of every network family."""

from typing import Any

import pytest
import tf_keras

from pipeline.models import STUDENTS, TEACHERS
from pipeline.models.layers import scaled
from pipeline.models.network import NetworkSpec, build, count_macs, count_parameters
from targets.inputs import image_input

ARGUMENTS: dict[str, dict[str, Any]] = {
    "resnet": {"widths": [32, 64, 128], "blocks": 2},
    "mobilenet_v1": {"width_multiplier": 1.0},
    "mobilenet_v2": {"width_multiplier": 1.0},
}
FAMILIES = sorted({**TEACHERS, **STUDENTS})


def network(family: str, **arguments: Any) -> Any:
    return build(
        NetworkSpec(
            role="network",
            family=family,
            arguments=arguments or ARGUMENTS[family],
            input=image_input(28, 28, 1),
            classes=10,
        )
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_gives_logits_for_images(family: str) -> None:
    model = network(family)
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 10)
    assert type(model.layers[-1]).__name__ == "Dense"
    assert model.layers[-1].activation is tf_keras.activations.linear


@pytest.mark.parametrize("family", FAMILIES)
def test_layer_names_do_not_count_up_with_the_models_that_were_built(family: str) -> None:
    first, second = network(family), network(family)
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


@pytest.mark.parametrize("family", FAMILIES)
def test_batch_norm_follows_a_short_schedule(family: str) -> None:
    norms = [x for x in network(family).layers if isinstance(x, tf_keras.layers.BatchNormalization)]
    assert norms
    assert {norm.momentum for norm in norms} == {0.9}


@pytest.mark.parametrize("family", sorted(STUDENTS))
def test_a_student_is_a_tenth_of_the_teacher_and_shrinks_with_its_width(family: str) -> None:
    teacher, whole = network("resnet"), network(family)
    half = network(family, width_multiplier=0.5)
    if family == "mobilenet_v1":  # the default; the other has 94k
        assert 10 * count_parameters(whole) <= count_parameters(teacher)
    assert count_parameters(half) < count_parameters(whole)
    assert count_macs(half) < count_macs(whole)


def test_the_teacher_has_the_size_that_its_documentation_says() -> None:
    model = network("resnet")
    assert round(count_parameters(model) / 1000) == 661
    assert round(count_macs(model) / 1e6, 1) == 51.6


def test_macs_of_a_known_network_are_counted_by_hand() -> None:
    model = network("mobilenet_v1", width_multiplier=1.0)
    stem = 28 * 28 * 9 * 32
    blocks = sum(
        side * side * (9 * before + before * after)
        for side, before, after in (
            (14, 32, 64), (14, 64, 64), (7, 64, 128), (7, 128, 128), (7, 128, 128),
        )
    )  # fmt: skip
    assert count_macs(model) == stem + blocks + 128 * 10


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(32, 1.0, 32), (32, 0.25, 8), (32, 0.1, 8), (64, 0.3, 24)]
)
def test_channels_round_to_eights_and_never_far_down(
    channels: int, width: float, expected: int
) -> None:
    assert scaled(channels, width) == expected

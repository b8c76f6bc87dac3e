"""Contract of every network family."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras
from pydantic import JsonValue

from pipeline.models import STUDENTS, TEACHERS, mobilenet_v4
from pipeline.models.layers import scaled
from pipeline.models.macs import count_macs
from pipeline.models.network import NetworkSpec, build, count_parameters
from pipeline.quantization.qat import QuantizedNetwork
from pipeline.recipe.training import DistillConfig, TeacherConfig
from targets.bench.plan import logits_of
from targets.errors import InputError
from targets.formats.input_spec import image_input
from targets.formats.onnx import inspect as inspect_onnx
from targets.formats.onnx import qdq
from targets.formats.tflite import export
from tests.toys import plugged_in

SMALL = 60_000
"""Parameters of a student of MLPerf Tiny's size."""
LARGE = {"resnet50v2", "efficientnet_v2b0"}
"""Teachers that have no form for small images."""
FAMILIES = sorted(
    {
        name
        for registry in (TEACHERS, STUDENTS)
        for name in {*registry} - LARGE
        if "image" in registry[name].TAKES
    }
)
OF_IMAGES = sorted(name for name in STUDENTS if "image" in STUDENTS[name].TAKES)


def network(
    family: str,
    *,
    shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    **settings: JsonValue,
) -> Any:
    tf_keras.utils.set_random_seed(0)
    return build(
        NetworkSpec(
            role="student" if family in STUDENTS else "teacher",
            family=family,
            settings=settings,
            input=image_input(*shape),
            classes=classes,
        )
    )


@pytest.fixture(autouse=True)
def toys() -> Iterator[None]:
    with plugged_in():
        yield


@pytest.mark.parametrize("family", [*FAMILIES, "toy"])
def test_a_familys_settings_have_defaults_and_no_name_that_its_table_uses(family: str) -> None:
    registry, table = (STUDENTS, DistillConfig) if family in STUDENTS else (TEACHERS, TeacherConfig)
    settings = registry[family].Settings
    assert settings() == settings.model_validate(settings().model_dump())
    assert not settings.model_fields.keys() & table.model_fields.keys()


@pytest.mark.parametrize("family", [*FAMILIES, "toy"])
def test_a_family_gives_logits_for_images(family: str) -> None:
    model = network(family)
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 10)
    assert type(model.layers[-1]).__name__ == "Dense"
    assert model.layers[-1].activation is tf_keras.activations.linear


SHAPES = [(28, 28, 3), (32, 32, 3), (8, 8, 1), (9, 20, 1)]


@pytest.mark.parametrize("family", [*FAMILIES, "toy"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_family_takes_small_and_oblong_images(family: str, shape: tuple[int, int, int]) -> None:
    model = network(family, shape=shape)
    assert model(np.zeros((2, *shape), np.float32)).shape == (2, 10)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_last_feature_map_has_a_quarter_of_the_sides(
    family: str, shape: tuple[int, int, int]
) -> None:
    last = network(family, shape=shape).get_layer("pool").input_shape
    assert last[1:3] == (-(-shape[0] // 4), -(-shape[1] // 4))


@pytest.mark.parametrize("family", [*FAMILIES, "toy"])
def test_layer_names_do_not_count_up_with_the_models_that_were_built(family: str) -> None:
    first, second = network(family), network(family)
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


@pytest.mark.parametrize("family", FAMILIES)
def test_batch_norm_follows_a_short_schedule(family: str) -> None:
    norms = [x for x in network(family).layers if isinstance(x, tf_keras.layers.BatchNormalization)]
    assert norms
    assert {norm.momentum for norm in norms} == {0.9}


@pytest.mark.parametrize("family", OF_IMAGES)
def test_a_student_is_a_tenth_of_the_teacher_and_shrinks_with_its_width(family: str) -> None:
    teacher, whole = network("resnet"), network(family)
    half = network(family, width_multiplier=0.5)
    # 63,514 parameters, 107 kB as int8, and a teacher unless its widths are set.
    if family not in ("mobilenet_v2", "efficientnet_lite0", "resnet"):
        assert count_parameters(whole) <= SMALL <= count_parameters(teacher) / 10
    assert count_parameters(half) < count_parameters(whole)
    assert count_macs(half) < count_macs(whole)


@pytest.mark.parametrize(
    ("family", "parameters", "macs"),
    [
        ("resnet", 661, 51.6),
        ("wrn", 660, 51.6),
        ("mobilenet_v4", 59, 4.6),
        ("fused", 57, 5.4),
    ],
)
def test_a_family_has_its_documented_size(family: str, parameters: int, macs: float) -> None:
    model = network(family)
    assert round(count_parameters(model) / 1000) == parameters
    assert round(count_macs(model) / 1e6, 1) == macs


@pytest.mark.parametrize("family", ["resnet", "wrn"])
def test_blocks_at_full_size_cost_few_parameters_and_much_of_the_time(family: str) -> None:
    """ResNet-8 of MLPerf Tiny has 78,666 parameters and 12.5 million MACs."""
    narrow: dict[str, Any] = {"widths": [8, 16, 32], "blocks": 1, "width_multiplier": 2}
    shape = (32, 32, 3)
    without = network(family, shape=shape, **narrow)
    model = network(family, shape=shape, full_size_blocks=1, **narrow)
    added = count_parameters(model) - count_parameters(without)
    assert added == 2 * (16 * 16 * 9 + 4 * 16)
    assert count_macs(model) - count_macs(without) == 2 * 16 * 16 * 9 * 32 * 32
    assert 0.99 < count_macs(model) / 12.5e6 < 1.01


@pytest.mark.parametrize(
    ("family", "parameters", "macs"),
    [
        ("mobilenet_v1", 4_253_864, 569),  # as `tf_keras.applications` counts, so are the others
        ("mobilenet_v2", 3_538_984, 301),
        ("mobilenet_v4", 2_245_192, 184),
        ("efficientnet_lite0", 4_694_024, 385),
        ("efficientnet_v2b0", 7_200_312, 718),
        ("resnet50v2", 25_613_800, 3482),
    ],
)
def test_photos_get_the_published_network(family: str, parameters: int, macs: int) -> None:
    model = network(family, shape=(224, 224, 3), classes=1000)
    assert count_parameters(model) == parameters
    assert round(count_macs(model) / 1e6) == macs
    assert model.get_layer("pool").input_shape[1:3] == (7, 7)
    norms = [x for x in model.layers if isinstance(x, tf_keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {0.9}
    assert not any(isinstance(layer, tf_keras.layers.Dropout) for layer in model.layers)


def test_the_form_follows_the_shorter_side_unless_it_is_set() -> None:
    def parameters(shape: tuple[int, int, int], form: str = "auto") -> int:
        return count_parameters(network("mobilenet_v1", shape=shape, form=form))

    assert parameters((63, 100, 3)) == parameters((28, 28, 3)) < parameters((64, 64, 3))
    assert parameters((28, 28, 3), form="paper") == parameters((64, 64, 3))
    assert parameters((64, 64, 3), form="small") == parameters((28, 28, 3))


@pytest.mark.parametrize("family", ["mobilenet_v1", "mobilenet_v2"])
def test_the_depth_of_the_small_form_cannot_be_set(family: str) -> None:
    depth = STUDENTS[family].Settings().model_dump()["depth"]
    with pytest.raises(InputError, match=rf"family {family}: depth is of the form for"):
        network(family, depth=[1, *depth[:-1]])


@pytest.mark.parametrize("family", sorted(LARGE))
def test_a_large_teacher_refuses_small_images_and_names_the_remedy(family: str) -> None:
    with pytest.raises(InputError, match=r"one pixel of 28x28\. Set teacher\.size to 64"):
        network(family)


@pytest.mark.parametrize(
    ("family", "published"),
    [
        ("resnet50v2", tf_keras.applications.resnet_v2.preprocess_input),
        (
            "efficientnet_v2b0",
            lambda pixels: (
                (pixels / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
            ),
        ),
    ],
)
def test_a_large_teacher_prepares_its_input_as_it_was_published(
    family: str, published: Any
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    preparation = network(family, shape=(64, 64, 3)).get_layer("preparation")
    found = preparation((pixels - 128) / 128).numpy()
    np.testing.assert_allclose(found, published(pixels.copy()), atol=1e-5)


def test_macs_of_a_fused_network_are_counted_by_hand() -> None:
    dense = 14 * 14 * 9 * (32 + 2 * 32 * 32) + 7 * 7 * 9 * 32 * 64
    separable = sum(7 * 7 * (9 * before + before * after) for before, after in ((64, 96), (96, 96)))
    assert count_macs(network("fused")) == dense + separable + 96 * 10


def test_a_bottleneck_has_the_depthwise_convolutions_of_its_line() -> None:
    kernels = {
        layer.name.removesuffix("_conv"): layer.kernel_size[0]
        for layer in network("mobilenet_v4").layers
        if isinstance(layer, tf_keras.layers.DepthwiseConv2D)
    }
    documented = {
        f"block{index}_{place}": kernel
        for index, block in enumerate(mobilenet_v4.BLOCKS)
        for place, kernel in (("start", block.start), ("middle", block.middle))
        if kernel
    }
    assert kernels == documented


def activations(model: Any) -> set[tuple[str, float | None]]:
    """Name and upper limit of every activation: of a layer of its own, or inside another layer."""
    linear = tf_keras.activations.linear
    found: set[tuple[str, float | None]] = set()
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.ReLU):
            found.add(("ReLU", None if layer.max_value is None else float(layer.max_value)))
        elif getattr(layer, "activation", linear) is not linear:  # Activation, Conv2D(activation=)
            found.add((layer.activation.__name__, None))
        elif ".layers.activation." in type(layer).__module__ or "Lambda" in type(layer).__name__:
            found.add((type(layer).__name__, None))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_one_activation_which_the_int8_kernels_fuse(family: str) -> None:
    capped = ("mobilenet_v1", "mobilenet_v2", "fused", "efficientnet_lite0")
    limit = 6.0 if family in capped else None
    assert activations(network(family)) == {("ReLU", limit)}


def test_a_wide_resnet_activates_in_front_of_its_convolutions() -> None:
    model = network("wrn")
    convolutions = [x for x in model.layers if isinstance(x, tf_keras.layers.Conv2D)]
    before = {type(x.inbound_nodes[0].inbound_layers).__name__ for x in convolutions[1:]}
    assert before == {"ReLU"}


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


SHORT: dict[str, list[int]] = {
    "efficientnet_lite0": [1, 2, 1, 1, 1, 1, 1],
    "mobilenet_v1": [1, 1, 1, 2, 1],
    "mobilenet_v2": [1, 2, 1, 1, 1, 1, 1],
}
"""Depths with as few sums as the small forms have."""


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        *((family, (12, 8, 3)) for family in [*OF_IMAGES, "toy"]),
        *((family, (64, 64, 3)) for family in SHORT),
    ],
)
def test_a_student_is_int8_in_both_formats_with_equal_logits(
    family: str, shape: tuple[int, int, int], tmp_path: Path
) -> None:
    """`export_int8` fails where an operator stayed in float."""
    narrow: dict[str, Any] = {"width_multiplier": 0.25} if family != "toy" else {}
    if family == "efficientnet_lite0" or (family in SHORT and shape[0] >= 64):
        narrow["depth"] = [*SHORT[family]]
    model = network(family, shape=shape, **narrow)
    spec = image_input(*shape)
    images = np.random.default_rng(0).integers(0, 256, (48, *shape), np.uint8)
    quantized = QuantizedNetwork(model, spec)
    quantized.calibrate(images)
    in_tflite, in_onnx = tmp_path / "student.tflite", tmp_path / "student.onnx"
    export.export_int8(lambda image: quantized.model(image, training=False), spec, in_tflite)
    qdq.export_int8(in_tflite, in_onnx)
    convolutions = sum("Conv2D" in type(layer).__name__ for layer in model.layers)
    assert inspect_onnx.inspect(in_onnx).int8_convolutions == convolutions
    logits = [logits_of(path, path.suffix[1:], images, tmp_path) for path in (in_tflite, in_onnx)]
    step = np.diff(np.unique(logits[0])).min()
    apart = np.abs(logits[0] - logits[1]).max()
    # A sum is where the runtimes differ: XNNPACK rescales its terms in fixed point, ONNX Runtime
    # in floating point.
    has_sums = any(isinstance(layer, tf_keras.layers.Add) for layer in model.layers)
    assert apart <= (1.001 * step if has_sums else 0)

"""What makes quantization-aware training right for short schedules."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.datasets.splits import Dataset, Split
from pipeline.models.network import NetworkSpec, build
from pipeline.quantization.qat import QuantizedNetwork
from pipeline.training import session
from pipeline.training.inference import normalise


@pytest.fixture
def student(stripes_data: Dataset) -> Any:
    session.start(seed=0, threads=2)
    return build(
        NetworkSpec(
            role="student",
            family="mobilenet_v1",
            settings={"width_multiplier": 0.25},
            input=stripes_data.input,
            classes=3,
        )
    )


@pytest.fixture
def quantized(student: Any, stripes_data: Dataset) -> QuantizedNetwork:
    return QuantizedNetwork(student, stripes_data.input)


def ranges(network: QuantizedNetwork) -> dict[str, float]:
    """Every activation range of the network, by the variable's name."""
    return {
        w.name: float(w.numpy())
        for w in network.model.weights
        if w.name.endswith(("_min:0", "_max:0")) and w.shape.rank == 0 and "kernel" not in w.name
    }


def test_calibration_sets_every_activation_range(
    quantized: QuantizedNetwork, stripes_data: Dataset
) -> None:
    before = ranges(quantized)
    quantized.calibrate(stripes_data[Split.TRAIN].raw)
    after = ranges(quantized)
    learned = [name for name in before if "quantize_layer" not in name]
    assert len(learned) >= 2 * 12
    assert [name for name in learned if before[name] == after[name]] == []


def test_ranges_behind_relu6_are_within_it_and_start_at_zero(
    quantized: QuantizedNetwork, stripes_data: Dataset
) -> None:
    quantized.calibrate(stripes_data[Split.TRAIN].raw)
    relu6 = {name: value for name, value in ranges(quantized).items() if "relu6" in name}
    assert relu6
    for name, value in relu6.items():
        assert value == 0.0 if "_min" in name else 0.0 < value <= 6.0


def test_the_input_range_is_assigned_and_training_does_not_move_it(
    quantized: QuantizedNetwork, stripes_data: Dataset
) -> None:
    dark = (stripes_data[Split.TRAIN].raw // 4).astype(np.uint8)
    quantized.calibrate(dark)
    inputs = {n: v for n, v in ranges(quantized).items() if "quantize_layer" in n}
    assert sorted(inputs.values()) == [-1.0, 127 / 128]


def test_a_depthwise_kernel_has_a_range_per_channel(quantized: QuantizedNetwork) -> None:
    depthwise = [w for w in quantized.model.weights if "depthwise_kernel_m" in w.name]
    kernels = {w.shape[2] for w in quantized.model.weights if "depthwise_kernel:" in w.name}
    assert depthwise
    assert {w.shape[0] for w in depthwise} == kernels
    assert all(w.shape.rank == 1 for w in depthwise)


def test_frozen_ranges_stay_and_learning_ranges_move(
    quantized: QuantizedNetwork, stripes_data: Dataset
) -> None:
    images = stripes_data[Split.TRAIN].raw
    quantized.calibrate(images)
    bright = normalise(255 - images // 2, stripes_data.input)
    calibrated = ranges(quantized)
    quantized.ranges_learn(False)
    quantized.model(bright, training=True)
    assert ranges(quantized) == calibrated
    quantized.ranges_learn(True)
    quantized.model(bright, training=True)
    assert ranges(quantized) != calibrated


def test_batch_norm_statistics_stay_as_trained(
    quantized: QuantizedNetwork, stripes_data: Dataset
) -> None:
    statistics = [w for w in quantized.model.weights if "moving_" in w.name]
    before = [w.numpy().copy() for w in statistics]
    quantized.calibrate(stripes_data[Split.TRAIN].raw)
    assert statistics
    for variable, was in zip(statistics, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), was)


def test_a_range_is_the_mean_of_the_batches(
    quantized: QuantizedNetwork, stripes_data: Dataset
) -> None:
    """The stem's, in front of which nothing is calibrated: three batches, one of them dark."""
    images = stripes_data[Split.TRAIN].raw[:144]
    batches = [images[:48] // 8, images[48:96], images[96:]]

    def highest() -> float:
        return next(v for n, v in ranges(quantized).items() if "stem_relu6" in n and "_max" in n)

    alone = []
    for batch in batches:
        quantized.calibrate(batch.astype(np.uint8))
        alone.append(highest())
    quantized.calibrate(np.concatenate(batches).astype(np.uint8), batch_size=48)
    assert len(set(alone)) == 3
    assert highest() == pytest.approx(np.mean(alone), rel=1e-5)


def test_a_calibrated_network_says_what_the_float_network_says(
    student: Any, quantized: QuantizedNetwork, stripes_data: Dataset
) -> None:
    images = normalise(stripes_data[Split.TRAIN].raw, stripes_data.input)
    expected = student(images, training=False).numpy()

    def error() -> float:
        return float(np.abs(quantized.model(images, training=False).numpy() - expected).mean())

    uncalibrated = error()
    quantized.calibrate(stripes_data[Split.TRAIN].raw)
    assert error() < 0.1 * np.abs(expected).mean()
    assert error() < 0.5 * uncalibrated


def test_settling_reads_the_weight_ranges_after_the_last_step(
    quantized: QuantizedNetwork, stripes_data: Dataset
) -> None:
    quantized.calibrate(stripes_data[Split.TRAIN].raw)
    dense = next(layer for layer in quantized.model.layers if layer.name == "quant_logits")
    kernel = next(w for w in dense.weights if "kernel:" in w.name)
    highest = next(w for w in dense.weights if "kernel_max" in w.name)
    kernel.assign(kernel * 3)
    quantized.settle()
    np.testing.assert_allclose(highest.numpy().max(), np.abs(kernel.numpy()).max(), rtol=1e-5)


def test_the_wrapped_copy_leaves_the_student_as_it_was(
    student: Any, quantized: QuantizedNetwork, stripes_data: Dataset
) -> None:
    before = [w.numpy().copy() for w in student.weights]
    quantized.calibrate(stripes_data[Split.TRAIN].raw)
    for weight in quantized.model.trainable_weights:
        weight.assign(weight * 3 + 1)
    for variable, was in zip(student.weights, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), was)


@pytest.mark.parametrize("narrow_range", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
def test_fake_quantization_and_its_gradient_are_those_of_tensorflow(
    per_channel: bool, narrow_range: bool
) -> None:
    import tensorflow as tf

    from pipeline.quantization.scheme import fake_quantized

    def by_tensorflow(x: Any, low: Any, high: Any, **options: Any) -> Any:
        names = "fake_quant_with_min_max_vars" + "_per_channel" * options.pop("per_channel")
        return getattr(tf.quantization, names)(x, low, high, **options)

    def results(function: Callable[..., Any]) -> Any:
        @tf.function  # TensorFlow's rewriting of a graph must not change it either
        def values(x: Any, low: Any, high: Any, upstream: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = function(
                    x, low, high, per_channel=per_channel, num_bits=8, narrow_range=narrow_range
                )
            return y, tape.gradient(y, x, output_gradients=upstream)

        return values

    draw = np.random.default_rng(0).normal
    ours, theirs = results(fake_quantized), results(by_tensorflow)
    for _ in range(20):
        high = np.abs(draw(size=16 if per_channel else ())).astype(np.float32)
        low = -high if narrow_range else -np.abs(draw(size=high.shape)).astype(np.float32)
        edges = [np.broadcast_to(edge, 16) for edge in (low, high, low * 1.01, high * 1.01)]
        x = np.vstack([*edges, 2 * draw(size=(40, 16))]).astype(np.float32)
        given = [tf.constant(one) for one in (x, low, high, draw(size=x.shape).astype(np.float32))]
        for mine, yours in zip(ours(*given), theirs(*given), strict=True):
            np.testing.assert_array_equal(mine, yours)


def test_no_operator_of_a_training_step_is_without_a_deterministic_kernel_on_a_gpu(
    student: Any, stripes_data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow 2.21 refuses these two gradients there (seen on an H100)."""
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    model = QuantizedNetwork(student, stripes_data.input).model

    @tf.function
    def gradients(images: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(images, training=True))
        return tape.gradient(loss, model.trainable_variables)

    graph = gradients.get_concrete_function(tf.zeros((2, *stripes_data.input.shape))).graph
    operators = {one.type for one in graph.get_operations()}
    assert "FakeQuantWithMinMaxVars" in operators
    assert not [one for one in operators if "FakeQuant" in one and one.endswith("Gradient")]
    assert not [one for one in operators if one.startswith("FusedBatchNormGrad")]

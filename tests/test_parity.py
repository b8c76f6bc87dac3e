"""A file passes for its network only where the samples prove it: labels, values, finite numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from targets.errors import ProofError
from targets.evaluation.metrics import NotFiniteError
from targets.evaluation.parity import (
    CORRELATION,
    TooFewEqualError,
    require_parity,
    require_same_labels,
)

Outputs = npt.NDArray[np.float32]
RANDOM = np.random.default_rng(0)
QUANTIZED = ("float16", "dynamic", "int8", "int8_ptq", "int16x8")


def softmax(logits: npt.NDArray[np.floating[Any]]) -> Outputs:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


def sigmoid(logits: npt.NDArray[np.floating[Any]]) -> Outputs:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


LOGITS = RANDOM.normal(0, 10, (400, 4)).astype(np.float32)
ROUNDED = LOGITS + RANDOM.uniform(-1.2e-3, 1.2e-3, LOGITS.shape).astype(np.float32)
"""Within 1e-4 of the largest logit; of probabilities near 0.5 not within 1e-4."""


@pytest.mark.parametrize("precision", ["float32", *QUANTIZED])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_refused_on_both_sides(
    precision: str, wrong: float
) -> None:
    broken = LOGITS.copy()
    broken[7, 0] = wrong  # the class of every comparison with NaN is the first
    with pytest.raises(NotFiniteError, match=r"x\.tflite: 1 of 400 .* sample 7"):
        require_parity("x.tflite", precision, expected=LOGITS, actual=broken)
    with pytest.raises(NotFiniteError, match=r"the network that x\.tflite is made from: 1 of 400"):
        require_parity("x.tflite", precision, expected=broken, actual=LOGITS)


def test_two_int8_files_that_are_not_finite_do_not_agree() -> None:
    broken = np.full_like(LOGITS, np.nan)
    with pytest.raises(NotFiniteError, match=r"x\.onnx: 400 of 400"):
        require_same_labels("x.onnx", "x.tflite", expected=LOGITS, actual=broken)
    with pytest.raises(NotFiniteError, match=r"x\.tflite: 400 of 400"):
        require_same_labels("x.onnx", "x.tflite", expected=broken, actual=broken)


@pytest.mark.parametrize("final", [lambda z: z, softmax, lambda z: sigmoid(z[:, :1]), sigmoid])
def test_a_final_softmax_or_sigmoid_leaves_the_tolerance_of_what_it_is_given(
    final: Callable[[Outputs], Outputs],
) -> None:
    expected, rounded = final(LOGITS), final(ROUNDED)
    assert np.abs(expected - rounded).max() > 1e-4
    require_parity("x", "float32", expected=expected, actual=rounded)
    with pytest.raises(ProofError, match="differs from the network"):
        require_parity("x", "float32", expected=final(LOGITS), actual=final(LOGITS * 1.01))


def test_probabilities_of_small_logits_are_held_to_their_own_rounding() -> None:
    small = LOGITS / 20  # the largest is about 2: 2e-4 is allowed, of probabilities half of it
    require_parity("x", "float32", expected=softmax(small), actual=softmax(small * (1 + 5e-5)))
    with pytest.raises(ProofError, match="differs"):
        require_parity("x", "float32", expected=softmax(small), actual=softmax(small * (1 + 2e-3)))


def test_a_float_file_may_change_a_label_only_where_the_network_does_not_decide() -> None:
    expected = np.array([[1, 1 + 1e-5, 0], [0, 0.5, 1]], np.float32)
    near = np.array([[1 + 2e-5, 1, 0], [0, 0.5, 1]], np.float32)
    assert require_parity("x", "float32", expected=expected, actual=near)[0] == 0.5
    with pytest.raises(ProofError, match=r"0\.00 % equal labels on 2"):
        require_parity("x", "float32", expected=expected, actual=near * [[1, 1, 1], [0, 3, 1]])


@pytest.mark.parametrize("precision", QUANTIZED)
def test_one_output_that_never_crosses_its_threshold_is_not_the_network(precision: str) -> None:
    scores = sigmoid(LOGITS[:, :1])  # half of them above 0.5
    with pytest.raises(ProofError, match=r"5\d\.\d\d % equal labels"):
        require_parity("x", precision, expected=scores, actual=np.zeros_like(scores))
    assert require_parity("x", precision, expected=scores, actual=scores + 1e-3)[0] > 0.99


def test_only_a_quantized_file_fails_with_the_error_that_another_precision_can_mend() -> None:
    with pytest.raises(TooFewEqualError):
        require_parity("x", "int8", expected=LOGITS, actual=-LOGITS)
    with pytest.raises(ProofError) as error:
        require_parity("x", "float32", expected=LOGITS, actual=-LOGITS)
    assert error.type is ProofError


def test_two_files_of_one_graph_have_the_same_labels() -> None:
    same = require_same_labels("x", "y", expected=LOGITS, actual=LOGITS + 1)
    assert same == pytest.approx((1, 1), abs=1e-5)
    with pytest.raises(
        ProofError, match=r"x: gives the labels of y for 0\.00 % of 400 samples only"
    ):
        require_same_labels("x", "y", expected=LOGITS, actual=-LOGITS)


def test_two_files_of_one_graph_may_differ_in_the_label_of_two_classes_a_step_apart() -> None:
    step = np.float32(0.08)  # of 255 over the logits' range
    steps = np.rint(LOGITS / step)
    other = steps + np.where(np.arange(steps.size).reshape(steps.shape) % 3 == 1, 1, 0)
    share, _ = require_same_labels("x", "y", expected=steps * step, actual=other * step)
    assert 0.99 < share < 0.999
    other[0] = -other[0]  # not by rounding
    with pytest.raises(ProofError, match=r"for 99\.\d\d % of 400 samples only"):
        require_same_labels("x", "y", expected=steps * step, actual=other * step)


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("precision", QUANTIZED)
def test_where_all_samples_are_of_one_class_the_outputs_must_follow(
    precision: str, columns: int
) -> None:
    """A file that always says the same agrees with it for 100 %."""
    expected = RANDOM.normal(0, 1, (400, columns)).astype(np.float32) - 20
    expected[:, 0] += 10 * (columns - 1)
    constant = np.broadcast_to(expected.mean(axis=0), expected.shape)
    noisy = expected + RANDOM.normal(0, 0.05, expected.shape).astype(np.float32)
    lost = expected + RANDOM.normal(0, 0.5, expected.shape).astype(np.float32)
    assert require_parity("x", precision, expected=expected, actual=noisy)[0] == 1.0
    for wrong, follows in ((constant, r"0\.000"), (lost, r"0\.[89]\d\d")):
        with pytest.raises(ProofError, match=rf"100 % of the 400 samples one class.*{follows}"):
            require_parity("x", precision, expected=expected, actual=wrong)


def test_a_file_of_a_network_that_hardly_reacts_may_be_constant() -> None:
    """Trained for one epoch on 95 % of one class: all outputs lie within a step of 8 bits."""
    expected = np.array([1.5, -0.5, -1.0]) + RANDOM.normal(0, 0.01, (72, 3))
    constant = np.broadcast_to([1.5, -0.5, -1.0], expected.shape)
    assert require_parity("x", "int8", expected=expected, actual=constant)[0] == 1.0
    with pytest.raises(ProofError, match="one class"):
        require_parity("x", "int8", expected=expected, actual=constant * 0.9)


def test_a_single_score_that_hardly_varies_is_measured_from_its_threshold() -> None:
    """Not from 0: probabilities of 0.9 lie 0.4 from 0.5."""
    draw = np.random.default_rng(2)
    expected = (0.9 + draw.normal(0, 0.006, (400, 1))).astype(np.float32)
    constant = np.full_like(expected, 0.9)
    assert require_parity("x", "int8", expected=expected, actual=constant)[0] == 1.0
    with pytest.raises(ProofError, match="one class"):
        require_parity("x", "int8", expected=expected, actual=constant + 0.05)


def test_few_samples_do_not_show_that_the_outputs_do_not_follow() -> None:
    draw = np.random.default_rng(1)
    expected = draw.normal(-5, 1, (2000, 1))
    lost = expected + draw.normal(0, 0.2, expected.shape)  # a correlation of 0.98
    assert require_parity("x", "int8", expected=expected[:8], actual=lost[:8])[0] == 1.0
    with pytest.raises(ProofError, match=r"correlation of 0\.98"):
        require_parity("x", "int8", expected=expected, actual=lost)


def test_a_file_that_agrees_by_always_naming_the_most_frequent_class_is_not_taken() -> None:
    labels = np.arange(400) % 20 == 0  # 5 % of class 1
    expected = np.where(labels[:, None], [[-1, 1]], [[1, -1]]) * RANDOM.uniform(1, 2, (400, 1))
    always = np.broadcast_to([[1.0, -1.0]], expected.shape)
    with pytest.raises(ProofError, match="95 % of the 400 samples one class"):
        require_parity("x", "int8_ptq", expected=expected, actual=always)
    assert require_parity("x", "int8_ptq", expected=expected, actual=expected * 0.9)[0] == 1.0


def test_the_least_correlation_is_that_of_scores_whose_labels_agree_enough() -> None:
    a = RANDOM.normal(size=200_000)
    b = CORRELATION * a + np.sqrt(1 - CORRELATION**2) * RANDOM.normal(size=a.shape)
    assert np.mean((a > 0) == (b > 0)) == pytest.approx(0.95, abs=0.003)

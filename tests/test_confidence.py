"""Temperature and thresholds on made-up samples with known probabilities."""

import html
from math import log

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.export.confidence import fitted
from pipeline.recipe.files import ConfidenceConfig
from pipeline.reporting.confidence_rows import confidence_rows
from pipeline.reporting.pages.report import render
from targets.evaluation import coverage, metrics, temperature, thresholds
from targets.formats.confidence import Confidence
from tests.reports import cells, model_row, report

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def samples(
    count: int, *, factor: float, seed: int = 0, classes: int = 4, spread: float = 3
) -> tuple[Logits, Labels]:
    """Labels drawn from the softmax of random logits, and these logits times `factor`."""
    random = np.random.default_rng(seed)
    true = random.normal(0, spread, (count, classes))
    noise = random.gumbel(size=true.shape)  # the largest sum is a draw from the softmax
    return (factor * true).astype(np.float32), (true + noise).argmax(axis=1)


@pytest.mark.parametrize("factor", [0.4, 1.0, 5.0])
def test_the_temperature_is_the_factor_that_logits_are_too_large_by(factor: float) -> None:
    logits, labels = samples(20_000, factor=factor)
    found = temperature.fit(logits, labels)
    assert found.note is None
    assert found.value == pytest.approx(factor, rel=0.05)


def test_no_other_temperature_is_more_likely() -> None:
    logits, labels = samples(300, factor=2.5)
    best = temperature.fit(logits, labels).value
    least = temperature.negative_log_likelihood(logits, labels, temperature=best)
    for other in (1.0, 0.98 * best, 1.02 * best):
        assert temperature.negative_log_likelihood(logits, labels, temperature=other) > least


def test_new_samples_are_better_calibrated_and_keep_their_labels() -> None:
    found = temperature.fit(*samples(500, factor=3, seed=1))
    logits, labels = samples(5000, factor=3, seed=2)
    before = metrics.expected_calibration_error(logits, labels)
    scaled = temperature.probabilities(logits, temperature=found.value)
    after = metrics.calibration_error(scaled.max(axis=1), metrics.right(logits, labels))
    assert after < 0.03 < 0.1 < before
    assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_the_likelihood_has_its_known_value() -> None:
    logits = np.array([[log(3), 0.0], [0.0, 0.0]], np.float32)
    labels = np.array([0, 1])
    expected = (-log(3 / 4) - log(1 / 2)) / 2
    assert temperature.negative_log_likelihood(logits, labels) == pytest.approx(expected)


def test_a_class_that_is_missing_changes_nothing() -> None:
    logits, labels = samples(3000, factor=2)
    kept = labels != 3
    found = temperature.fit(logits[kept], labels[kept])
    assert found.note is None
    assert 1 < found.value < 4


SAYS_NOTHING = "the logits do not tell right from wrong"


@pytest.mark.parametrize(
    ("logits", "labels", "note"),
    [
        (np.eye(3)[np.arange(90) % 3], np.arange(90) % 3, "every validation sample is right"),
        (np.zeros((90, 3)), np.arange(90) % 3, SAYS_NOTHING),
        (np.eye(3)[np.arange(90) % 3], (np.arange(90) + 1) % 3, SAYS_NOTHING),
        (*samples(49, factor=2), "fewer than 50 validation samples"),
    ],
)
def test_a_temperature_that_cannot_be_fitted_is_1_and_says_why(
    logits: Logits, labels: Labels, note: str
) -> None:
    assert temperature.fit(logits, labels) == temperature.Temperature(value=1.0, note=note)


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    assert thresholds.lower_bound(50, 50) == pytest.approx(0.05 ** (1 / 50))
    assert thresholds.lower_bound(50, 50, tests=5) == pytest.approx(0.01 ** (1 / 50))
    assert thresholds.lower_bound(0, 7) == thresholds.lower_bound(0, 0) == 0


def test_so_many_right_samples_are_just_enough() -> None:
    """As docs/files.md has it."""
    for count, expected in ((115, 0.0), (114, None)):
        every = np.ones(count)
        assert thresholds.threshold(every, every > 0, precision=0.95) == expected


def test_the_threshold_is_the_lowest_with_the_promise() -> None:
    confidence = np.repeat([0.45, 0.65, 0.97], 400)
    right = np.concatenate([np.arange(400) % 2 == 0, np.arange(400) % 50 > 0, np.ones(400) > 0])
    assert thresholds.threshold(confidence, right, precision=0.95) == 0.5
    assert thresholds.threshold(confidence, right, precision=0.75) == 0.0
    assert thresholds.threshold(confidence, right, precision=0.985) == 0.7
    assert thresholds.threshold(confidence, right, precision=0.999) is None


@pytest.mark.parametrize(("count", "factor"), [(150, 4.0), (600, 0.5)])
def test_at_most_5_percent_of_thresholds_break_their_promise(count: int, factor: float) -> None:
    """Over 200 validation splits, whose samples fit the temperature too."""
    wanted, chosen, broken = 0.85, 0, 0
    many, truth = samples(5000, factor=factor, seed=999)
    hits = metrics.right(many, truth)
    for seed in range(200):
        logits, labels = samples(count, factor=factor, seed=seed)
        fit = temperature.fit(logits, labels)
        shares = temperature.confidence(logits, temperature=fit.value)
        limit = thresholds.threshold(shares, metrics.right(logits, labels), precision=wanted)
        if limit is not None:
            accepted = temperature.confidence(many, temperature=fit.value) >= limit
            chosen += 1
            broken += bool(hits[accepted].mean() < wanted)
    assert chosen > 50
    assert broken <= 0.05 * 200


def test_a_class_with_too_few_samples_has_the_common_threshold() -> None:
    logits, labels = samples(3000, factor=1, spread=9)
    logits, labels = logits[labels != 3], labels[labels != 3]
    logits[:, 3] -= 100  # never predicted
    config = ConfidenceConfig(precision=0.9, per_class=True)
    found = fitted(logits, labels, classes="abcd", config=config)
    assert found is not None
    assert found.class_thresholds[3] is None
    assert all(limit is not None for limit in found.class_thresholds[:3])
    assert found.threshold is not None
    assert found.accepts(3, found.threshold)
    assert not found.accepts(3, found.threshold - 1e-6)
    common = fitted(logits, labels, classes="abcd", config=ConfidenceConfig(precision=0.9))
    assert common is not None
    assert common.class_thresholds == ()


def test_without_any_threshold_nothing_is_called_unknown() -> None:
    logits, labels = samples(60, factor=1)
    found = fitted(logits, labels, classes="abcd", config=ConfidenceConfig())
    assert found is not None
    assert found.threshold is None
    assert not found.decides
    assert found.accepts(0, 0.1) is None


def test_outputs_that_are_no_logit_per_class_have_no_confidence() -> None:
    labels = np.arange(60) % 2
    config = ConfidenceConfig()
    assert fitted(np.zeros((60, 1), np.float32), labels, classes="ab", config=config) is None


def test_risk_and_coverage_have_their_known_values() -> None:
    found = coverage.curve(np.array([0.9, 0.8, 0.8, 0.5]), np.array([True, True, False, False]))
    np.testing.assert_allclose(found.coverage, [0.25, 0.75, 1])
    np.testing.assert_allclose(found.risk, [0, 1 / 3, 1 / 2])
    assert found.area == pytest.approx(0.5 / 3 + 0.25 / 2)


def test_the_parts_of_the_reliability_are_those_of_the_calibration_error() -> None:
    logits, labels = samples(2000, factor=3)
    shares, right = temperature.confidence(logits, temperature=1), metrics.right(logits, labels)
    bins = coverage.reliability(shares, right)
    gaps = [one.samples * abs(one.accuracy - one.confidence) for one in bins]
    assert sum(gaps) / 2000 == pytest.approx(metrics.expected_calibration_error(logits, labels))


def test_the_row_of_a_file_has_what_its_thresholds_do_on_the_test_split() -> None:
    logits, labels = samples(4000, factor=3, spread=5)
    about = Confidence(
        temperature=3.0, precision=0.9, level=0.95, threshold=0.7, validation_samples=90
    )
    (row,) = confidence_rows({"a": logits, "b": logits}, labels, {"a": about}, device="local")
    assert row.after.ece < row.before.ece
    assert row.after.nll < row.before.nll
    accepted = temperature.confidence(logits, temperature=3.0) >= 0.7
    assert row.selection is not None
    assert row.selection.accepted == accepted.sum()
    assert row.selection.precision == metrics.right(logits, labels)[accepted].mean()
    assert len(row.curve) == 100
    share, wrong = row.curve[-1]
    assert share == 1
    assert wrong == pytest.approx(1 - metrics.top1(logits, labels))
    nothing = about.model_copy(update={"threshold": None})
    (row,) = confidence_rows({"a": logits}, labels, {"a": nothing}, device="local")
    assert row.selection is None


def test_the_page_shows_the_file_that_is_recommended_and_says_what_was_not_fitted() -> None:
    logits, labels = samples(200, factor=3)
    about = Confidence(
        temperature=1.0, temperature_note="every validation sample is right", precision=0.9,
        level=0.95, validation_samples=60,
    )  # fmt: skip
    names = ("student.int8.tflite", "student.int8.onnx")
    rows = confidence_rows(
        dict.fromkeys(names, logits), labels, dict.fromkeys(names, about), device="local"
    )
    advice = {"device": "local", "fastest": None, "smallest": names[1], "reason": "it is small"}
    made = report([model_row(name) for name in names], confidence=rows, recommended=[advice])
    page = html.unescape(render(made))
    assert "<strong>student.int8.onnx</strong>: The temperature is 1 and not fitted: every" in page
    assert "No threshold promises a precision of 90 %" in page
    header, table = cells(page, "file")
    assert dict(zip(header, table[0], strict=True))["coverage %"] == "-"
    assert "promises nothing for them alone" not in page
    assert "<h2>Confidence</h2>" not in render(report([model_row(name) for name in names]))
    own = [row.model_copy(update={"class_thresholds": (0.5, None, None, None)}) for row in rows]
    page = render(report([model_row(name) for name in names], confidence=own))
    assert "promises nothing for them alone" in page

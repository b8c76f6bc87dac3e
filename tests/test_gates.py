"""Gates: the verdict follows what the measurement can decide."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.gates import runs
from pipeline.gates.checking import check
from pipeline.gates.figures import Figure, Measured
from pipeline.gates.judging import decided
from pipeline.recipe.gates import KINDS, Gates
from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.schema.predictions import ModelPredictions, Predictions
from targets.errors import InputError
from tests.conftest import Lane


def rows(found: list[Measured], **gates: object) -> list[GateRow]:
    return check(found, Gates.model_validate(gates))


@pytest.mark.parametrize(
    ("low", "high", "at_least", "verdict"),
    [
        (0.96, 0.98, True, "passed"),
        (0.95, 0.96, True, "passed"),
        (0.93, 0.96, True, "undecided"),
        (0.93, 0.949, True, "failed"),
        (0.93, 0.95, False, "passed"),
        (0.94, 0.96, False, "undecided"),
        (0.951, 0.96, False, "failed"),
    ],
)
def test_a_verdict_is_given_where_the_whole_interval_is_on_one_side(
    low: float, high: float, at_least: bool, verdict: str
) -> None:
    figure = Figure(value=(low + high) / 2, low=low, high=high)
    assert decided(figure, 0.95, at_least=at_least) == verdict


def test_the_figures_are_those_of_the_table_of_models(found: list[Measured]) -> None:
    for one in found:
        row = one.row
        if row.is_teacher:
            continue
        known = {
            "top1": row.top1,
            "balanced_accuracy": row.balanced_accuracy,
            "agreement": row.agreement_with_teacher,
            "negative_flips": row.negative_flip_rate,
            "size_kb": row.size_bytes / 1000,
        }
        assert {name: one.figure(name).value for name in known} == pytest.approx(known)
        assert row.top1_ci == pytest.approx((one.figure("top1").low, one.figure("top1").high))
        assert row.worst_class_change is not None
        assert one.figure("worst_class_drop").value == pytest.approx(-row.worst_class_change[0])
        assert one.figure("ece").value == pytest.approx(row.ece, abs=1e-3)  # of rounded shares
        if row.accuracy_change is not None:
            change, drop = row.accuracy_change, one.figure("drop_vs_float")
            assert (drop.value, drop.low, drop.high) == pytest.approx(
                (-change.gain, -change.interval[1], -change.interval[0])
            )


def test_every_gate_has_a_verdict_on_a_real_run(found: list[Measured]) -> None:
    easy = {
        name: True if kind.unit == "" else (1e-9 if kind.at_least else 1.0)
        for name, kind in KINDS.items()
    }
    easy |= {"median_ms": 1e6, "p90_ms": 1e6, "size_kb": 1e6, "peak_memory_mb": 1e6}
    verdicts = rows(found, **easy)
    assert {row.name for row in verdicts} == KINDS.keys()
    assert {row.file for row in verdicts} == {"student.int8.tflite", "student.int8.onnx"}
    facts = {"size_kb", "peak_memory_mb", "all_int8", "parity"}
    assert {row.verdict for row in verdicts if row.name in facts} == {"passed"}
    assert not [row for row in verdicts if row.verdict == "failed"]


def test_limits_of_a_file_and_of_a_device_replace_the_general_ones(found: list[Measured]) -> None:
    gates = {
        "size_kb": 1.0,
        "peak_memory_mb": 1.0,
        "files": {"student.int8.onnx": {"size_kb": 1e6}, "teacher.float32.onnx": {"top1": 0.01}},
        "devices": {"local": {"peak_memory_mb": 1e6}, "pi4": {"median_ms": 5.0}},
    }
    verdicts = {(row.name, row.file, row.device): row.verdict for row in rows(found, **gates)}
    assert verdicts == {
        ("size_kb", "student.int8.tflite", None): "failed",
        ("size_kb", "student.int8.onnx", None): "passed",
        ("peak_memory_mb", "student.int8.tflite", "local"): "passed",
        ("peak_memory_mb", "student.int8.onnx", "local"): "passed",
        ("top1", "teacher.float32.onnx", "local"): "passed",
        ("median_ms", "student.int8.tflite", "pi4"): "skipped",
        ("median_ms", "student.int8.onnx", "pi4"): "skipped",
    }


def test_a_gate_on_a_file_that_a_recipe_does_not_make_fails_before_anything_trains(
    finished: Lane,
) -> None:
    with pytest.raises(InputError, match=r"gates.files: student.int4.onnx is not a file of this r"):
        finished.recipe(("gates", {"files": {"student.int4.onnx": {"top1": 0.5}}}))


def test_parity_of_int8_files_is_that_of_the_two_formats(found: list[Measured]) -> None:
    """Against the trained network, whose rounding is an imitation, a few labels may differ."""

    def verdicts(changed: str, agreement: float) -> set[str]:
        report = found[0].report
        parity = tuple(
            p.model_copy(update={"agreement": agreement}) if p.source == changed else p
            for p in report.parity
        )
        assert parity != report.parity
        changed_report = report.model_copy(update={"parity": parity})
        several = [replace(one, report=changed_report) for one in found]
        return {row.verdict for row in rows(several, parity=True)}

    assert verdicts("student_qat", 0.99) == {"passed"}
    assert verdicts("student.int8.tflite", 0.99) == {"failed"}


def test_false_takes_a_gate_away_from_a_file(found: list[Measured]) -> None:
    off = {"student.int8.onnx": {"all_int8": False}}
    assert [row.file for row in rows(found, all_int8=True, files=off)] == ["student.int8.tflite"]


def test_without_a_bench_a_gate_is_skipped_and_not_passed(found: list[Measured]) -> None:
    changed = [
        Measured(
            row=one.row.model_copy(update={"device": None, "median_ns": None}),
            report=one.report, predictions=None, document=None,
        )
        for one in found
    ]  # fmt: skip
    verdicts = rows(changed, top1=0.1, median_ms=5.0, size_kb=1e6)
    assert {(row.name, row.verdict) for row in verdicts} == {
        ("top1", "skipped"), ("median_ms", "skipped"), ("size_kb", "passed"),
    }  # fmt: skip


def test_a_disturbed_latency_is_undecided(found: list[Measured]) -> None:
    disturbed = [
        Measured(
            row=one.row.model_copy(update={"latency_note": "disturbed"}),
            report=one.report, predictions=one.predictions, document=one.document,
        )
        for one in found
    ]  # fmt: skip
    verdicts = rows(disturbed, median_ms=1e6, p90_ms=1e-6)
    assert {row.verdict for row in verdicts} == {"undecided"}
    assert {row.reason for row in verdicts} == {"the measurement is not reliable: disturbed"}


@pytest.mark.parametrize("true", [0.0, 0.05])
def test_the_interval_of_the_calibration_error_holds_it(found: list[Measured], true: float) -> None:
    """Networks whose probabilities are too large by `true`."""
    random, held = np.random.default_rng(0), []
    for _ in range(40):
        shares = random.uniform(0.6, 1, 500).round(4)
        right = random.random(500) < shares - true
        predictions = Predictions.of({}, np.zeros(500, np.int64), device="local", digest="")
        said = ModelPredictions(
            predicted=tuple((~right).astype(int).tolist()), confidence=tuple(shares.tolist())
        )
        name = found[0].row.name
        one = replace(found[0], predictions=predictions.model_copy(update={"models": {name: said}}))
        figure = one.figure("ece")
        held.append(figure.low <= true <= figure.high)
    assert np.mean(held) >= 0.9


def test_a_teacher_s_file_is_compared_with_no_student(found: list[Measured]) -> None:
    names = ("drop_vs_float", "drop_vs_teacher", "agreement", "negative_flips", "worst_class_drop")
    limits = {"files": {"teacher.float32.onnx": dict.fromkeys(names, 0.5)}}
    assert {row.verdict for row in rows(found, **limits)} == {"skipped"}


def test_an_emulated_device_gives_no_speed_and_no_memory(found: list[Measured]) -> None:
    emulated = [
        replace(one, row=one.row.model_copy(update={"latency_note": "emulated"})) for one in found
    ]
    verdicts = rows(emulated, speedup=1e-9, peak_memory_mb=1e6, median_ms=1e6)
    assert {row.verdict for row in verdicts} == {"undecided"}


def test_a_run_without_predictions_has_its_remedy(run: Path, tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()
    (tmp_path / "report.json").write_bytes((run / "report.json").read_bytes())
    with pytest.raises(InputError, match=r"there are no predictions of local, which was measured"):
        runs.measured(tmp_path)
    (tmp_path / "predictions" / "local.json").write_text("{}")
    with pytest.raises(InputError, match=r"not predictions of schema predictions/1: device: Field"):
        runs.measured(tmp_path)

"""Whether a file may be shipped, and what the reason may say."""

import pytest

from pipeline.gates.figures import Measured
from pipeline.reporting.findings.decision import decisions
from pipeline.reporting.findings.recommendation import recommend
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.decision import Decision
from pipeline.reporting.schema.gate import GateRow, Verdict
from pipeline.reporting.schema.model_row import ModelRow, small_files
from pipeline.reporting.schema.predictions import ModelPredictions, Predictions
from pipeline.reporting.tables.models import print_report
from tests.reports import changed, model_row, report

TEACHER, FLOAT, INT8 = "teacher.float32.tflite", "student.float32.tflite", "student.int8.tflite"
LOSS = {"reference": FLOAT, "gain": -0.021, "interval": (-0.03, -0.01), "p_value": 0.001}


def rows(**changes: object) -> list[ModelRow]:
    """`changes`: of the int8 file."""
    return [
        model_row(TEACHER, us=800),
        model_row(FLOAT, us=100, size_bytes=120_000),
        changed(model_row(INT8, us=40, size_bytes=33_000), **changes),
    ]


def gate(verdict: Verdict, *, device: str | None = None) -> GateRow:
    return GateRow(
        name="top1", file=INT8, device=device, limit=0.98, value=0.97, interval=(0.965, 0.975),
        verdict=verdict,
    )  # fmt: skip


def decided(
    files: list[ModelRow],
    *gates: GateRow,
    majority_share: float | None = None,
    predictions: Predictions | None = None,
    **changes: object,
) -> list[Decision]:
    recommended = recommend(files, majority_share=majority_share)
    made = report(files, recommended=recommended, gates=gates, **changes)
    found = [
        Measured(row=row, report=made, predictions=predictions, document=None) for row in files
    ]
    return list(decisions(made, found))


def test_the_fastest_file_that_keeps_the_accuracy_is_shipped_with_its_figures() -> None:
    (found,) = decided(rows())
    assert (found.ship, found.file, found.device) == (True, INT8, "local")
    assert found.reason == (
        "97.00 % top-1 (95 % interval 96.50 to 97.50); 40.0 µs per query (95 % interval 39.2 µs "
        "to 40.8 µs), 20.00x as fast as the teacher; 33.0 kB; no gates are set"
    )
    assert found.verdict == f"Ship {INT8} on local"


def test_gates_of_other_files_are_not_taken_for_those_of_the_shipped_one() -> None:
    mixed = changed(model_row("student.mixed.tflite", us=20, size_bytes=30_000), precision="mixed")
    (found,) = decided([*rows(), mixed], gate("passed"))
    assert found.file == mixed.name
    assert found.reason.endswith("gates: 1 passed, none of them of this file")
    (found,) = decided(rows(), gate("passed"))
    assert found.reason.endswith("gates: 1 passed")


def test_the_accuracy_is_paired_with_the_teachers_on_the_same_samples() -> None:
    said = {TEACHER: [0] * 90 + [1] * 10, FLOAT: [0] * 100, INT8: [0] * 88 + [1] * 12}
    models = {
        name: ModelPredictions(predicted=tuple(found), confidence=())
        for name, found in said.items()
    }
    paired = Predictions(device="local", samples_sha256="", labels=(0,) * 100, models=models)
    (found,) = decided(rows(), predictions=paired)
    assert "97.00 % top-1, −2.00 points (95 % interval −" in found.reason
    assert "against the teacher; " in found.reason


def test_a_failed_gate_ships_nothing_and_is_named_with_its_figure() -> None:
    (found,) = decided(rows(), gate("passed"), gate("failed"))
    assert (found.ship, found.file) == (False, None)
    assert found.reason == (
        f"top1 of {INT8} failed, 97.00 % (limit ≥ 98.00 %, 95 % interval 96.50 % to 97.50 %)"
    )
    (many,) = decided(rows(), *[gate("failed")] * 5)
    assert many.reason.endswith("; and 3 more failed")


def test_an_undecided_gate_does_not_fail_and_is_counted() -> None:
    (found,) = decided(rows(), gate("passed"), gate("undecided"))
    assert found.ship
    assert found.reason.endswith("; gates: 1 undecided, 1 passed")


def test_a_gate_that_failed_on_one_device_stops_only_that_device() -> None:
    there = [changed(row, device="pi4") for row in rows()]
    both = decided([*rows(), *there], gate("failed", device="pi4"))
    assert {one.device: one.ship for one in both} == {"local": True, "pi4": False}


def test_nothing_is_shipped_where_nothing_is_better_than_one_class() -> None:
    (found,) = decided(rows(), majority_share=0.99)
    assert not found.ship
    assert "no file is shown to be better than naming the most frequent class" in found.reason


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"latency_note": "disturbed", "valid": False}, "because the times were disturbed"),
        ({"latency_note": "emulated"}, "because the device is emulated"),
        ({"median_ci": None}, "because six processes are needed for an interval of the time"),
    ],
)
def test_nothing_is_shipped_on_a_measurement_that_is_not_valid(
    changes: dict[str, object], because: str
) -> None:
    (found,) = decided([changed(row, **changes) for row in rows()])
    assert not found.ship
    assert found.reason == (
        f"the latency of {INT8} is not known, {because}: measure again; no gates are set"
    )


def test_an_int8_file_that_loses_accuracy_is_not_the_one_and_the_loss_is_said() -> None:
    (found,) = decided(rows(accuracy_change=LOSS))
    assert found.file == FLOAT
    assert f"{INT8} loses 2.10 points against the float student" in found.reason


@pytest.mark.parametrize(
    ("precisions", "small"),
    [
        (("float32", "int8_ptq", "dynamic", "int8"), ["int8_ptq", "int8"]),
        (("float32", "float16", "dynamic"), ["dynamic"]),
        (("float32", "float16"), []),
    ],
)
def test_the_small_files_are_int8_or_else_dynamic(
    precisions: tuple[str, ...], small: list[str]
) -> None:
    files = [model_row("teacher.int8.tflite")]
    files += [model_row(f"student.{precision}.tflite") for precision in precisions]
    assert [row.precision for row in small_files(files)] == small
    assert not any(row.is_teacher for row in small_files(files))


def test_a_dynamic_file_that_loses_accuracy_is_named_where_no_file_is_int8() -> None:
    teacher, student, int8 = rows(accuracy_change=LOSS)
    dynamic = changed(int8, name="student.dynamic.tflite", precision="dynamic")
    (found,) = decided([teacher, student, dynamic])
    assert found.file == FLOAT
    assert "student.dynamic.tflite loses 2.10 points against the float student" in found.reason


def test_a_device_that_failed_and_a_run_without_a_bench_ship_nothing() -> None:
    environment = {
        "python": "3", "platform": "none", "libraries": {}, "devices": {},
        "failed_devices": {"pi4": "no answer."},
    }  # fmt: skip
    both = decided(rows(), environment=environment)
    assert [(one.device, one.ship) for one in both] == [("local", True), ("pi4", False)]
    assert both[1].reason == "it was not measured: no answer; no gates are set"
    none = {"median_ns": None, "top1": None, "top1_ci": None, "device": None}
    (unmeasured,) = decided([changed(row, **none) for row in rows()])
    assert unmeasured.verdict == "Do not ship"
    assert unmeasured.reason == "no file was measured (bench.enabled = false); no gates are set"


def test_the_decision_is_the_first_thing_on_the_terminal_and_on_the_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = report(rows(), decision=decided(rows()))
    print_report(made)
    assert capsys.readouterr().out.startswith(f"Ship {INT8} on local: 97.00 % top-1")
    text = render(made).partition("<body>")[2]
    assert text.index(f"Ship {INT8} on local") < text.index("<h2")

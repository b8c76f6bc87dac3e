"""The page and the terminal show what the report holds, and say what it does not."""

import copy
import json
from typing import Any

import pytest

from pipeline import table
from pipeline.ablation_table import tabulate
from pipeline.page import render
from tests.test_ablation_table import WRONG, observed

Report = dict[str, Any]

SCALE = {
    "tensor": "stem/conv", "kind": "weight", "channels": 32, "tflite_scale": [0.01, 0.02],
    "tflite_zero_point": 0, "onnx_tensor": "stem_q", "onnx_scale": [0.01, 0.02],
    "onnx_zero_point": 0, "equal": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> Report:
    """A report of before there was an ablation, with two formats."""
    rows = [
        model(f"{name}.{kind}", role=name.split(".")[0], format=kind, top1=top1)
        for kind in ("tflite", "onnx")
        for name, top1 in (
            ("teacher.float32", 0.941),
            ("student.float32", 0.929),
            ("student.int8", 0.928),
        )
    ]
    return {
        "created_utc": "2026-01-01T00:00:00+00:00",
        "recipe": {"name": "made-up", "bench": {"processes": 6, "threads": 1}},
        "seed": 0,
        "wall_s": 1.0,
        "stages": [],
        "environment": {"python": "3", "platform": "none", "libraries": {}, "devices": {}},
        "dataset": {
            "name": "x", "train": 3, "val": 2, "test": 2000,
            "classes": ["coat", "[b]shirt", "bag", "boot"],
        },
        "models": rows,
        "parity": [],
    }  # fmt: skip


def model(name: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name, "precision": name.split(".")[1], "size_bytes": 100_000, "parameters": 5,
        "top1_ci": [changes["top1"] - 0.005, changes["top1"] + 0.005], "runtime": "one 1.0",
        "agreement_with_teacher": 0.97, "median_ns": 50_000.0, "median_ci": [49e3, 51e3],
        "p90_ns": 60_000, "speedup_vs_teacher": 20.0, "speedup_ci": None,
    }  # fmt: skip
    return {**row, **changes}


@pytest.fixture(scope="module")
def full(plain: Report) -> Report:
    report = copy.deepcopy(plain)
    report["ablation"] = json.loads(json.dumps(tabulate(*observed(**WRONG))))
    report["scales"] = [SCALE, {**SCALE, "tensor": "odd", "onnx_scale": None, "equal": False}]
    for row in report["models"]:
        if row["role"] == "student":
            row |= {"negative_flip_rate": 0.0123, "worst_class_change": [-0.031, 1]}
    return report


def test_what_a_report_does_not_hold_is_not_on_its_page(plain: Report) -> None:
    page = render(plain)
    for absent in ("Ablation", "flips", "worst class", "Scales of", "None"):
        assert absent not in page
    assert page.count("<svg") == 2


def test_the_page_has_every_step_in_the_words_of_the_table(full: Report) -> None:
    page = render(full)
    for step in full["ablation"]["steps"]:
        assert f"<strong>{step['adds']}</strong>: {step['words']}." in page
    assert "not shown to differ from no change" in page
    assert page.count("<svg") == 4
    for fetched in ('src="http', 'href="http'):
        assert fetched not in page


def test_the_page_shows_flips_and_the_worst_class_by_its_name(full: Report) -> None:
    page = render(full)
    assert "<td>1.23</td><td>−3.10 ([b]shirt)</td>" in page


def test_the_scales_of_both_files_are_counted_and_shown(full: Report) -> None:
    page = render(full)
    assert "2 tensors," in page
    assert "1 equal" in page
    assert "<td>0.01 to 0.02</td>" in page
    assert "<td>-</td>" in page


def test_the_same_report_gives_the_same_page(full: Report) -> None:
    assert render(full) == render(copy.deepcopy(full))


def test_a_speed_up_over_another_runtime_names_it(plain: Report) -> None:
    report = copy.deepcopy(plain)
    report["models"][2]["teacher_runtime"] = "other 2.0"
    report["models"][5]["teacher_runtime"] = "one 1.0"
    page = render(report)
    assert page.count("20.00x (teacher: other 2.0)") == 1


def test_a_teacher_of_unknown_size_is_shown_without_it(plain: Report) -> None:
    """A file whose weights are quantized does not say how many there were."""
    report = copy.deepcopy(plain)
    report["models"][0] |= {"parameters": None, "macs": None}
    header, rows = table.models(report)
    assert [row[header.index("params")] for row in rows[:2]] == ["-", "5"]
    render(report)


def test_a_teacher_in_int8_is_no_headline(plain: Report) -> None:
    report = copy.deepcopy(plain)
    report["models"][0]["precision"] = "int8"
    assert "<strong>teacher.float32.tflite</strong>" not in render(report)


def test_without_a_measured_teacher_there_is_no_speed_up(plain: Report) -> None:
    report = copy.deepcopy(plain)
    report["models"] = [row for row in report["models"] if row["role"] != "teacher"]
    for row in report["models"]:
        row |= {"speedup_vs_teacher": None, "agreement_with_teacher": None}
    page = render(report)
    assert "there is no speed-up" in page
    assert "as fast" not in page


def test_the_terminal_has_every_variant_and_step(
    full: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    table.print_models(full)
    table.print_ablation(full)
    out = capsys.readouterr().out
    for variant in full["ablation"]["variants"]:
        assert variant["is"] in out
    for step in full["ablation"]["steps"]:
        assert step["words"] in out
    assert "−3.10 ([b]shirt)" in out


def test_the_terminal_says_nothing_of_an_ablation_that_was_not_run(
    plain: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    table.print_ablation({**plain, "ablation": None})
    assert capsys.readouterr().out == ""

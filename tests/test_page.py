"""The page and the terminal show what the report holds, and say what it does not."""

import copy
import html
import json
import re
from typing import Any

import pytest

from pipeline.reporting import table
from pipeline.reporting.ablation_table import tabulate
from pipeline.reporting.headline import sentences
from pipeline.reporting.page import render
from pipeline.reporting.plots import latency
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
        "p90_ns": 60_000, "speedup_vs_teacher": 20.0, "speedup_ci": [18.0, 22.0],
        "speedup_verdict": "faster", "device": "local", "valid": True, "invalid_reasons": [],
        "blocks": 6, "disturbances": [], "latency_note": None,
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
    header, rows = cells(render(full), "model")
    student = dict(zip(header, rows[2], strict=True))
    assert (student["flips %"], student["worst class"]) == ("1.23", "−3.10 ([b]shirt)")


def test_the_scales_of_both_files_are_counted_and_shown(full: Report) -> None:
    page = render(full)
    assert "2 tensors," in page
    assert "1 equal" in page
    _, rows = cells(page, "TFLite tensor")
    assert [row[6] for row in rows] == ["0.01 to 0.02", "-"]


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


EMULATED = {"latency_note": "emulated", "speedup_verdict": "invalid", "speedup_vs_teacher": None,
            "speedup_ci": None}  # fmt: skip
FEW = {"blocks": 2, "median_ci": None, "speedup_verdict": "invalid", "speedup_vs_teacher": None,
       "speedup_ci": None}  # fmt: skip
DISTURBED = {
    "valid": False, "invalid_reasons": ["block 0: others used 1.50 of a core (limit 0.1)"],
    "speedup_verdict": "invalid", "latency_note": "disturbed",
    "disturbances": [
        {"kind": "others_cpu", "blocks": 6, "least": 0.4, "worst": 1.5, "limit": 0.1, "of": 2.0},
        {"kind": "frequency", "blocks": 2, "least": 0.88, "worst": 0.82, "limit": 0.9, "of": 2e9},
    ],
}  # fmt: skip
"""With the ratio and interval that reports of before had beside an invalid verdict."""


def of(report: Report, **changes: Any) -> Report:
    """The report with every row changed so."""
    report = copy.deepcopy(report)
    for row in report["models"]:
        row |= copy.deepcopy(changes)
    return report


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "This file is 20.00 times as fast as the teacher (95 % interval 18.00 to 22.00)."),
        (
            {"speedup_verdict": "slower", "speedup_vs_teacher": 0.8, "speedup_ci": [0.5, 0.9]},
            "This file is slower than the teacher: it takes 1.25 times as long "
            "(95 % interval 1.11 to 2.00).",
        ),
        (
            {"speedup_verdict": "no difference shown", "speedup_vs_teacher": 1.02},
            "The measurement shows no difference in speed from the teacher.",
        ),
        (DISTURBED, "The measurement of time was disturbed: there is no verdict on speed."),
        (
            {"latency_note": "cut short", "speedup_verdict": "invalid"},
            "before the wanted number of queries: there is no verdict on speed.",
        ),
        (EMULATED, "its times mean nothing: there is no verdict on speed."),
        (FEW, "2 processes were measured and a verdict takes 6: there is no verdict on speed."),
        ({"speedup_verdict": None}, "There is no verdict: there is no speed-up."),
    ],
)
def test_the_headline_says_of_speed_what_the_verdict_says(
    plain: Report, changes: dict[str, Any], said: str
) -> None:
    report = of(plain, **changes)
    headline = " ".join(sentences(report["models"][2], report["models"]))
    assert headline.startswith("92.80 % top-1 (95 % interval 92.30 to 93.30), 100.0 kB")
    assert headline.endswith(said)
    assert ("times as fast" in headline) == (not changes)
    unreliable = changes.get("latency_note") in ("disturbed", "cut short", "emulated")
    assert ("50.0 µs" in headline) != unreliable


def test_a_disturbed_teacher_leaves_the_files_own_time(plain: Report) -> None:
    report = copy.deepcopy(plain)
    report["models"][0] |= DISTURBED
    report["models"][2] |= {"speedup_verdict": "invalid"}
    headline = " ".join(sentences(report["models"][2], report["models"]))
    assert "50.0 µs per query" in headline
    assert headline.endswith("time of the teacher was disturbed: there is no verdict on speed.")


@pytest.mark.parametrize("changes", [DISTURBED, EMULATED, FEW])
def test_no_part_of_a_page_claims_what_an_invalid_verdict_withholds(
    plain: Report, changes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    report = of(plain, **changes)
    table.print_models(report)
    for shown in (render(report), capsys.readouterr().out):
        for claim in ("20.00", "18.00", "22.00", "as fast"):
            assert claim not in shown
    header, rows = cells(render(report), "model")
    assert {row[header.index("speed-up")] for row in rows} == {"-"} or "speed-up" not in header
    assert {row[header.index("verdict")] for row in rows} == {"invalid"}


def test_a_median_that_cannot_be_relied_on_is_marked(plain: Report) -> None:
    for note in ("disturbed", "emulated", "unstable"):
        header, rows = cells(render(of(plain, latency_note=note)), "model")
        assert rows[0][header.index("median")] == f"~50.0\u00a0µs {note}"
        assert rows[0][header.index("p90")] == "~60.0\u00a0µs"


def test_a_disturbed_latency_is_hollow_grey_and_without_an_interval(plain: Report) -> None:
    valid, disturbed = latency(plain["models"]), latency(of(plain, **DISTURBED)["models"])
    colours = {"#8c564b", "#1f77b4"}
    assert all(colour in valid for colour in colours)
    assert not any(colour in disturbed for colour in colours)
    assert "100.0 kB, disturbed)" in disturbed
    assert disturbed == latency(of(plain, **DISTURBED, median_ci=None)["models"])
    assert valid != latency(of(plain, median_ci=None)["models"])


def test_disturbances_are_one_line_and_a_folded_table(
    plain: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    report = of(plain, **DISTURBED)
    table.print_models(report)
    (line,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("disturbed")
    ]
    assert line == (
        "disturbed: others used 0.40 to 1.50 of 2 cores in 36 of 36 blocks, the clock was down to "
        "0.82 of its highest in 12 of 36 blocks: no verdict; details in report.html"
    )
    page = render(report)
    assert "block 0: others used" not in page
    header, rows = cells(page.partition("<details>")[2], "file")
    assert header == ["file", "kind", "blocks", "worst value", "limit"]
    assert len(rows) == 12
    assert rows[0][1:] == ["CPU used by others", "6 of 6", "1.50 of 2 cores", "0.1"]


def test_what_fails_is_on_the_page_with_its_reason(plain: Report) -> None:
    report = copy.deepcopy(plain)
    report["environment"]["failed_devices"] = {"pi5": "no answer. Is it switched on?"}
    lost = {"median_ns": None, "median_ci": None, "p90_ns": None, "top1": None, "top1_ci": None,
            "device": "pi5", "valid": False, "invalid_reasons": ["no answer"], "blocks": None,
            "speedup_vs_teacher": None, "speedup_verdict": None}  # fmt: skip
    report["models"].append({**report["models"][2], **lost})
    page = render(report)
    assert "<strong>pi5</strong> was not measured: no answer. Is it switched on?" in page
    assert "disturbed:" not in page


def test_several_devices_have_a_column_and_a_picture_each(plain: Report) -> None:
    report = copy.deepcopy(plain)
    report["models"] += of(plain, device="pi4")["models"]
    page = render(report)
    header, rows = cells(page, "device")
    assert header[:2] == ["device", "model"]
    assert [row[0] for row in rows] == ["local"] * 6 + ["pi4"] * 6
    assert page.count("<svg") == 3


def test_the_recommendation_comes_first(plain: Report, capsys: pytest.CaptureFixture[str]) -> None:
    one = {"device": "local", "fastest": "a", "smallest": "a", "reason": "a is the smallest"}
    report = {**plain, "recommended": [one]}
    table.print_models(report)
    assert capsys.readouterr().out.startswith("recommended on local: a is the smallest\n")
    page = render(report)
    assert page.index("Recommended on local</strong>: a is the smallest.") < page.index("top-1 (")


def test_what_naming_the_most_frequent_class_gives_is_said_and_marked(
    plain: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    report = copy.deepcopy(plain)
    report["dataset"]["majority_share"] = 0.93
    table.print_models(report)
    said = "Naming the most frequent class gives 93.00 %. * is not shown to be above it."
    assert said in capsys.readouterr().out.splitlines()
    assert said in render(report)
    header, rows = cells(render(report), "model")
    assert [row[header.index("top-1 %")] for row in rows[:3]] == ["94.10", "92.90 *", "92.80 *"]


def test_the_proof_on_other_processors_is_shown_where_it_was_asked_for(plain: Report) -> None:
    row = {"processor": "Haswell (AVX2)", "how": "emulated", "tflite": "a.tflite",
           "onnx": "a.onnx", "samples": 40, "agreement": 1.0, "max_abs_diff": 0.0}  # fmt: skip
    header, rows = cells(render({**plain, "processors": [row]}), "processor")
    assert rows == [["Haswell (AVX2)", "emulated", "a.tflite, a.onnx", "100.00", "0", "40"]]
    assert header[3] == "equal labels %"
    absent: list[Any] = [None, []]
    for nothing in absent:
        assert "other processors" not in render({**plain, "processors": nothing})


def test_nothing_on_a_page_has_a_width_of_its_own(full: Report) -> None:
    """So that a phone shows all of it: the browser decides, down to 320 px."""
    report = of(full, **DISTURBED)
    page = render(report)
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"(?<![-\w])width:\s*\d+(px|rem|em|ch)", style)
    assert "nowrap" not in style
    for svg in re.findall(r"<svg [^>]*>", page):
        assert "viewBox" in svg
        assert " width=" not in svg
    assert "prefers-color-scheme: dark" in style
    for text in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        header = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", text)
        for row in re.findall(r"<tr>(<td.*?)</tr>", text, re.DOTALL):
            assert re.findall(r'data-label="([^"]*)"', row) == header


def cells(page: str, first: str) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the first table whose first column is `first`."""
    for text in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        header = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", text)
        if header[0] == first:
            rows = re.findall(r"<tr>(<td.*?)</tr>", text, re.DOTALL)
            plain = [re.findall(r"<span>(.*?)</span>", row) for row in rows]
            return header, [[html.unescape(c.replace("<wbr>", "")) for c in row] for row in plain]
    raise AssertionError(f"no table of {first}")


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

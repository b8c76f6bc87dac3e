"""The page and the terminal show what the report holds, and say what it does not."""

import json
import re
from pathlib import Path

import pytest

from pipeline.reporting.figures.models import latency
from pipeline.reporting.findings.ablation import tabulate
from pipeline.reporting.findings.headline import sentences
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.report import Report, read
from pipeline.reporting.tables.models import models, print_report
from targets.errors import InputError
from tests.reports import cells, changed, of, report, two_formats, with_rows
from tests.test_ablation_table import WRONG, observed

SCALE = {
    "tensor": "stem/conv", "kind": "weight", "channels": 32, "tflite_scale": [0.01, 0.02],
    "tflite_zero_point": 0, "onnx_tensor": "stem_q", "onnx_scale": [0.01, 0.02],
    "onnx_zero_point": 0, "equal": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> Report:
    """Two formats, and nothing that a report need not hold."""
    return two_formats()


@pytest.fixture(scope="module")
def full(plain: Report) -> Report:
    rows = [
        row
        if row.is_teacher
        else changed(row, negative_flip_rate=0.0123, worst_class_change=(-0.031, 1))
        for row in plain.models
    ]
    odd = {**SCALE, "tensor": "odd", "onnx_scale": None, "equal": False}
    return report(rows, ablation=tabulate(*observed(**WRONG)), scales=[SCALE, odd])


def test_what_a_report_does_not_hold_is_not_on_its_page(plain: Report) -> None:
    page = render(plain)
    for absent in ("Ablation", "flips", "worst class", "Scales of", "None"):
        assert absent not in page
    assert page.count("<svg") == 3


def test_the_page_has_the_digest_of_the_data_and_of_each_file(plain: Report) -> None:
    _, rows = cells(render(plain), "what")
    files = {row.file: row.sha256 for row in plain.models}
    shown = dict(rows)
    assert len(shown) == len(rows)
    assert shown == {f"data set {plain.dataset.name}": plain.dataset.sha256, **files}


def test_the_page_has_every_step_in_the_words_of_the_table(full: Report) -> None:
    page = render(full)
    assert full.ablation is not None
    for step in full.ablation.steps:
        assert f"<strong>{step.adds}</strong>: {step.words}." in page
    assert "not shown to differ from no change" in page
    assert page.count("<svg") == 5
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
    assert render(full) == render(full.model_copy(deep=True))


def test_a_report_is_read_as_it_was_written(full: Report, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(full.dump())
    again = read(tmp_path / "report.json")
    assert again == full
    assert again.dump() == full.dump()
    assert list(json.loads(full.dump())["models"][0])[:4] == ["name", "role", "seed", "format"]


def test_a_report_of_an_earlier_version_is_read(full: Report, tmp_path: Path) -> None:
    """It has a key that is gone, and lacks those that came later."""
    document = json.loads(full.dump())
    for key in ("ablation", "processors", "scales", "recommended", "notes", "gates"):
        del document[key]
    del document["environment"]["failed_devices"], document["dataset"]["majority_share"]
    for row in document["models"]:
        row["variant"] = None
        for key in ("latency_note", "blocks", "disturbances", "teacher_runtime", "ece"):
            del row[key]
    document["models"][2] |= {"valid": False, "speedup_verdict": "invalid"}
    (tmp_path / "report.json").write_text(json.dumps(document))
    old = read(tmp_path / "report.json")
    assert old.models[2].note == "disturbed"
    assert "disturbed: no verdict on student.int8.tflite; details in" in render(old)
    assert "variant" not in old.dump()


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("models", [{"name": "a"}], r"models\.0\.role: Field required"),
        ("recipe", {}, "recipe: .* no name"),
        ("seed", "x", "seed: Input should be a valid integer"),
    ],
)
def test_a_damaged_report_is_one_error_that_names_the_key(
    plain: Report, tmp_path: Path, key: str, value: object, error: str
) -> None:
    (tmp_path / "report.json").write_text(json.dumps({**json.loads(plain.dump()), key: value}))
    with pytest.raises(InputError, match=error):
        read(tmp_path / "report.json")


def test_a_speed_up_over_another_runtime_names_it(plain: Report) -> None:
    rows = list(plain.models)
    rows[2] = changed(rows[2], teacher_runtime="other 2.0")
    rows[5] = changed(rows[5], teacher_runtime="one 1.0")
    assert render(with_rows(plain, rows)).count("20.00x (teacher: other 2.0)") == 1


def test_a_teacher_of_unknown_size_is_shown_without_it(plain: Report) -> None:
    """A file whose weights are quantized does not say how many there were."""
    teacher, *others = plain.models
    unknown = with_rows(plain, [changed(teacher, parameters=None, macs=None), *others])
    header, rows = models(unknown)
    assert [row[header.index("params")] for row in rows[:2]] == ["-", "5"]
    render(unknown)


def test_a_teacher_in_int8_is_no_headline(plain: Report) -> None:
    teacher, *others = plain.models
    page = render(with_rows(plain, [changed(teacher, precision="int8"), *others]))
    assert "<strong>teacher.float32.tflite</strong>" not in page


def test_without_a_measured_teacher_there_is_no_speed_up(plain: Report) -> None:
    students = [row for row in plain.models if not row.is_teacher]
    page = render(with_rows(plain, students, speedup_vs_teacher=None, agreement_with_teacher=None))
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
"""With the ratio and interval that earlier reports had beside an invalid verdict."""


@pytest.mark.parametrize(
    ("changes", "sentence"),
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
            "before the requested number of queries: there is no verdict on speed.",
        ),
        (EMULATED, "its times mean nothing: there is no verdict on speed."),
        (FEW, "2 processes were measured and a verdict takes 6: there is no verdict on speed."),
        ({"speedup_verdict": None}, "There is no verdict: there is no speed-up."),
    ],
)
def test_the_headline_claims_of_speed_what_the_verdict_shows(
    plain: Report, changes: dict[str, object], sentence: str
) -> None:
    rows = of(plain, **changes).models
    headline = " ".join(sentences(rows[2], rows))
    assert headline.startswith("92.80 % top-1 (95 % interval 92.30 to 93.30), 100.0 kB")
    assert headline.endswith(sentence)
    assert ("times as fast" in headline) == (not changes)
    unreliable = changes.get("latency_note") in ("disturbed", "cut short", "emulated")
    assert ("50.0 µs" in headline) != unreliable


def test_a_disturbed_teacher_leaves_the_files_own_time(plain: Report) -> None:
    rows = list(plain.models)
    rows[0] = changed(rows[0], **DISTURBED)
    headline = " ".join(sentences(changed(rows[2], speedup_verdict="invalid"), rows))
    assert "50.0 µs per query" in headline
    assert headline.endswith("time of the teacher was disturbed: there is no verdict on speed.")


@pytest.mark.parametrize("changes", [DISTURBED, EMULATED, FEW])
def test_no_part_of_a_page_claims_what_an_invalid_verdict_withholds(
    plain: Report, changes: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    invalid = of(plain, **changes)
    print_report(invalid)
    for shown in (render(invalid), capsys.readouterr().out):
        for claim in ("20.00", "18.00", "22.00", "as fast"):
            assert claim not in shown
    header, rows = cells(render(invalid), "model")
    if "speed-up" in header:
        assert {row[header.index("speed-up")] for row in rows} == {"-"}
    assert {row[header.index("verdict")] for row in rows} == {"invalid"}


def test_a_median_that_cannot_be_relied_on_is_marked(plain: Report) -> None:
    for note in ("disturbed", "emulated", "unstable"):
        header, rows = cells(render(of(plain, latency_note=note)), "model")
        assert rows[0][header.index("median")] == f"~50.0\u00a0µs {note}"
        assert rows[0][header.index("p90")] == "~60.0\u00a0µs"


def test_a_disturbed_latency_is_hollow_grey_and_without_an_interval(plain: Report) -> None:
    valid, disturbed = latency(plain.models), latency(of(plain, **DISTURBED).models)
    colours = {"#8c564b", "#1f77b4"}
    assert all(colour in valid for colour in colours)
    assert not any(colour in disturbed for colour in colours)
    assert "100.0 kB, disturbed)" in disturbed
    assert disturbed == latency(of(plain, **DISTURBED, median_ci=None).models)
    assert valid != latency(of(plain, median_ci=None).models)


def test_disturbances_are_one_line_and_a_folded_table(
    plain: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    disturbed = of(plain, **DISTURBED)
    print_report(disturbed)
    (line,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("disturbed")
    ]
    assert line == (
        "disturbed: others used 0.40 to 1.50 of 2 cores in 36 of 36 blocks, the clock was down to "
        "0.82 of its highest in 12 of 36 blocks: no verdict; details in report.html"
    )
    page = render(disturbed)
    assert "block 0: others used" not in page
    header, rows = cells(page.partition("<details>")[2], "file")
    assert header == ["file", "kind", "blocks", "worst value", "limit"]
    assert len(rows) == 12
    assert rows[0][1:] == ["CPU used by others", "6 of 6", "1.50 of 2 cores", "0.1"]


def test_what_fails_is_on_the_page_with_its_reason(plain: Report) -> None:
    lost = changed(
        plain.models[2], device="pi5", valid=False, invalid_reasons=["no answer"], blocks=None,
        median_ns=None, median_ci=None, p90_ns=None, top1=None, top1_ci=None,
        speedup_vs_teacher=None, speedup_verdict=None,
    )  # fmt: skip
    why = {"pi5": "no answer. Is it switched on?"}
    environment = plain.environment.model_copy(update={"failed_devices": why})
    page = render(report([*plain.models, lost], environment=environment))
    assert "<strong>pi5</strong> was not measured: no answer. Is it switched on?" in page
    assert "disturbed:" not in page


def test_several_devices_have_a_column_and_a_picture_each(plain: Report) -> None:
    page = render(with_rows(plain, [*plain.models, *of(plain, device="pi4").models]))
    header, rows = cells(page, "device")
    assert header[:2] == ["device", "model"]
    assert [row[0] for row in rows] == ["local"] * 6 + ["pi4"] * 6
    assert page.count("<svg") == 5


def test_the_recommendation_comes_first(plain: Report, capsys: pytest.CaptureFixture[str]) -> None:
    one = {"device": "local", "fastest": "a", "smallest": "a", "reason": "a is the smallest"}
    recommending = report(plain.models, recommended=[one])
    print_report(recommending)
    assert capsys.readouterr().out.startswith("recommended on local: a is the smallest\n")
    page = render(recommending)
    assert page.index("Recommended on local</strong>: a is the smallest.") < page.index("top-1 (")


def test_what_naming_the_most_frequent_class_gives_is_shown_and_marked(
    plain: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = plain.dataset.model_copy(update={"majority_share": 0.93})
    uneven = report(plain.models, dataset=dataset)
    print_report(uneven)
    note = "Naming the most frequent class gives 93.00 %. * is not shown to be above it."
    assert note in capsys.readouterr().out.splitlines()
    assert note in render(uneven)
    header, rows = cells(render(uneven), "model")
    assert [row[header.index("top-1 %")] for row in rows[:3]] == ["94.10", "92.90 *", "92.80 *"]


def test_the_proof_on_other_processors_is_shown_where_it_was_asked_for(plain: Report) -> None:
    row = {"processor": "Haswell (AVX2)", "how": "emulated", "tflite": "a.tflite",
           "onnx": "a.onnx", "samples": 40, "agreement": 1.0, "max_abs_diff": 0.0}  # fmt: skip
    header, rows = cells(render(report(plain.models, processors=[row])), "processor")
    assert rows == [["Haswell (AVX2)", "emulated", "a.tflite, a.onnx", "100.00", "0", "40"]]
    assert header[3] == "equal labels %"
    assert "other processors" not in render(plain)


def test_nothing_on_a_page_has_a_width_of_its_own(full: Report) -> None:
    """So that a phone shows all of it: the browser decides, down to 320 px."""
    page = render(of(full, **DISTURBED))
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


def test_the_terminal_has_every_variant_and_step(
    full: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    print_report(full)
    out = capsys.readouterr().out
    assert full.ablation is not None
    for variant in full.ablation.variants:
        assert variant.description in out
    for step in full.ablation.steps:
        assert step.words in out
    assert "−3.10 ([b]shirt)" in out


def test_the_terminal_shows_nothing_of_an_ablation_that_was_not_run(
    plain: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    print_report(plain)
    assert "variant" not in capsys.readouterr().out

"""The page and the terminal show what the report holds, and say what it does not."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.audit.pictures import PictureRecord
from pipeline.datasets.audit.schema import Audit, ClassCounts, Files, Leaks, Pair, Picture
from pipeline.reporting.figures.models import latency
from pipeline.reporting.findings.ablation import tabulate
from pipeline.reporting.findings.headline import sentences
from pipeline.reporting.findings.label_suspects import probabilities, suspects, with_paths
from pipeline.reporting.findings.per_class import kept, most_confused
from pipeline.reporting.pages import pictures
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.per_class import PerClass
from pipeline.reporting.schema.report import Recommended, Report, read
from pipeline.reporting.tables.models import models, print_report
from targets.errors import InputError
from targets.evaluation.confusion import confusion
from tests.reports import CLASSES, changed, model_row, of, report, with_rows
from tests.test_ablation_table import WRONG, observed

SCALE = {
    "tensor": "stem/conv", "kind": "weight", "channels": 32, "tflite_scale": [0.01, 0.02],
    "tflite_zero_point": 0, "onnx_tensor": "stem_q", "onnx_scale": [0.01, 0.02],
    "onnx_zero_point": 0, "equal": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> Report:
    """Two formats, and nothing that a report need not hold."""
    return report(
        [
            model_row(f"{name}.{kind}", top1=top1)
            for kind in ("tflite", "onnx")
            for name, top1 in (
                ("teacher.float32", 0.941),
                ("student.float32", 0.929),
                ("student.int8", 0.928),
            )
        ]
    )


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
    assert page.count("<svg") == 2


def test_the_page_has_every_step_in_the_words_of_the_table(full: Report) -> None:
    page = render(full)
    assert full.ablation is not None
    for step in full.ablation.steps:
        assert f"<strong>{step.adds}</strong>: {step.words}." in page
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
        ("models", [{"name": "a"}], r"models\.0\.role: Field required \(and \d+ more\)"),
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
    assert page.count("<svg") == 3


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


def test_balanced_accuracy_stands_beside_top1_where_the_classes_are_uneven(plain: Report) -> None:
    scored = of(plain, balanced_accuracy=0.71, macro_f1=0.72)
    for imbalance, shown in ((1.4, False), (1.6, True)):
        dataset = scored.dataset.model_copy(update={"test_imbalance": imbalance})
        header, rows = models(scored.model_copy(update={"dataset": dataset}))
        assert ("balanced %" in header) == ("macro F1 %" in header) == shown
    assert rows[0][header.index("balanced %")] == "71.00"
    assert rows[0][header.index("macro F1 %")] == "72.00"


LABELS = np.array([0, 0, 0, 1, 1, 2])


def by_class(model: str, found: tuple[int, ...] = (0, 0, 1, 1, 1, 0)) -> PerClass:
    """Of six samples of three classes; the fourth has none."""
    return PerClass.of(model, confusion(np.eye(4)[list(found)], LABELS, classes=4))


def test_a_file_has_its_scores_by_class_and_its_confusion_matrix_on_the_page(
    plain: Report, tmp_path: Path
) -> None:
    scored = report(plain.models, per_class=[by_class("student.int8.tflite")])
    page = render(scored)
    header, rows = cells(page, "class")
    assert header == ["class", "test samples", "recall %", "precision %", "F1 %"]
    assert rows == [
        ["coat", "3", "66.67", "66.67", "66.67"],
        ["[b]shirt", "2", "100.00", "66.67", "80.00"],
        ["bag", "1", "0.00", "-", "0.00"],
        ["boot", "0", "-", "-", "-"],
    ]
    assert "<title>coat, predicted [b]shirt: 1</title>" in page
    assert page.count("<g><title>") == 4
    (tmp_path / "report.json").write_text(scored.dump())
    assert read(tmp_path / "report.json") == scored


def test_many_classes_have_their_most_confused_pairs_and_no_matrix(plain: Report) -> None:
    names = tuple(f"c{number}" for number in range(30))
    labels, found = np.repeat(np.arange(30), 4), np.repeat(np.arange(30), 4)
    found[:3] = 7
    one = PerClass.of("a", confusion(np.eye(30)[found], labels, classes=30))
    dataset = plain.dataset.model_copy(update={"classes": names})
    page = render(plain.model_copy(update={"per_class": (one,), "dataset": dataset}))
    assert "Confusion matrix" not in page
    assert cells(page, "label")[1] == [["c0", "c7", "3", "75.00"]]


def test_pairs_of_classes_are_ranked_by_the_samples_in_them() -> None:
    one = by_class("a", (1, 1, 0, 1, 1, 0))
    assert most_confused(one, CLASSES, count=2) == [
        ("coat", "[b]shirt", 2, 2 / 3),
        ("bag", "coat", 1, 1.0),
    ]


def test_the_teacher_the_float_student_and_the_file_to_use_keep_their_scores(
    plain: Report,
) -> None:
    every = [by_class(row.name) for row in plain.models]
    chosen = [one.model for one in kept(every, plain.models, [])]
    assert chosen == ["student.int8.tflite", "student.float32.tflite", "teacher.float32.tflite"]
    one = Recommended(device="local", fastest=None, smallest="student.int8.onnx", reason="")
    assert kept(every, plain.models, [one])[0].model == "student.int8.onnx"


def test_a_planted_wrong_label_is_the_first_suspect() -> None:
    """Also where the teacher doubts other labels, and another one is its second guess."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 200)
    logits = 3 * np.eye(4)[truth] + random.normal(0, 1, (8, 200, 4))
    labels = truth.copy()
    labels[77] = (truth[77] + 1) % 4
    found = probabilities(logits.astype(np.float16))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    first, *others = suspects(found, labels, CLASSES, split="train")
    assert (first.index, first.label, first.predicted) == (
        77, CLASSES[labels[77]], CLASSES[truth[77]],
    )  # fmt: skip
    assert first.predicted_probability > 0.5 > first.label_probability
    assert len(others) < 24


def test_a_label_that_the_teacher_confirms_is_no_suspect() -> None:
    assert suspects(probabilities(9 * np.eye(4)[None]), np.arange(4), CLASSES, split="test") == ()


def test_a_suspect_names_its_file_where_the_files_are_the_samples() -> None:
    records = [
        PictureRecord(path="b", label=None, split="test", sha256="", error="broken"),
        *(PictureRecord(path=f"t{i}", label=CLASSES[i], split="test", sha256="") for i in range(4)),
    ]
    found = suspects(np.eye(4, dtype=np.float32)[[1, 0, 2, 3]], np.arange(4), CLASSES, split="test")
    for samples, paths in ((4, ["t0", "t1"]), (5, [None, None])):
        named = with_paths(found, records=records, counts={"test": samples})
        assert [one.path for one in named] == paths


def audited(plain: Report) -> Report:
    pair = Pair(
        kind="exact",
        first=Picture(path="train/<a>.png", label="coat", split="train"),
        second=Picture(path="test/b.png", label="coat", split="test"),
    )
    audit = Audit(
        pictures=7,
        splits={"train": 5, "val": 1, "test": 1, "unlabelled": 0},
        classes=tuple(ClassCounts(name=name, train=2, sample=f"{name}.png") for name in CLASSES),
        files=Files(formats={"PNG": 7}, alpha=2),
        leaks=Leaks(exact=1, shown=(pair,)),
    )
    found = suspects(np.eye(4, dtype=np.float32)[[1]], np.array([0]), CLASSES, split="test")
    dataset = plain.dataset.model_copy(update={"audit": audit})
    return plain.model_copy(update={"dataset": dataset, "label_suspects": found})


def test_the_page_shows_the_audit_and_the_suspects_with_their_pictures(plain: Report) -> None:
    shown, opened = audited(plain), []

    def reading(path: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        opened.append(path)
        return np.zeros((200, 100, 3), np.uint8)

    images = {"test": np.zeros((1, 8, 8, 1), np.uint8)}
    album = pictures.album(shown, read=reading, images=images)
    page = render(shown, album)
    assert opened[:2] == ["train/<a>.png", "test/b.png"]
    assert set(album) == {*opened, "test:0"}
    assert page.count('<img src="data:image/jpeg;base64,') == 2 + 1 + len(CLASSES)
    assert "coat → [b]shirt, 0 to 100 %" in page
    assert "<a>" not in page
    assert "Transparent, laid over white: 2." in page
    assert "In two splits: 1 pair of copies" in page
    assert cells(page, "class")[1][0] == ["coat", "2", "0", "0"]


def test_without_its_pictures_a_page_still_names_them(plain: Report) -> None:
    page = render(audited(plain))
    assert "<img" not in page
    assert "test sample 0" in page

"""What a report says of the data: its audit, the figures by class, and labels to check."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.audit.pictures import PictureRecord
from pipeline.datasets.audit.schema import Audit, ClassCounts, Files, Leaks, Pair, Picture
from pipeline.reporting.findings.label_suspects import LISTED, probabilities, suspects, with_paths
from pipeline.reporting.findings.per_class import kept, most_confused
from pipeline.reporting.pages import pictures
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.per_class import PerClass
from pipeline.reporting.schema.report import Recommended, Report, read
from pipeline.reporting.tables.models import models
from targets.evaluation.confusion import confusion
from tests.reports import CLASSES, cells, of, report, two_formats


@pytest.fixture(scope="module")
def plain() -> Report:
    return two_formats()


def test_balanced_accuracy_stands_beside_top1_where_training_was_uneven(plain: Report) -> None:
    audit = Audit(pictures=7, splits={}, classes=(), files=Files(formats={}), imbalance=7.0)
    dataset = plain.dataset.model_copy(update={"audit": audit, "test_imbalance": 1.0})
    scored = of(plain, balanced_accuracy=0.71).model_copy(update={"dataset": dataset})
    assert "balanced %" in models(scored)[0]


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
    first, *_ = suspects(found, labels, CLASSES, split="train")
    assert (first.index, first.label, first.predicted) == (
        77, CLASSES[labels[77]], CLASSES[truth[77]],
    )  # fmt: skip
    assert first.predicted_probability > 0.5 > first.label_probability


def test_a_list_of_suspects_ends() -> None:
    wrong = suspects(
        np.eye(4, dtype=np.float32)[[1] * 99], np.zeros(99, int), CLASSES, split="test"
    )
    assert len(wrong) == LISTED


def test_names_are_no_part_of_the_page(plain: Report) -> None:
    names = ("<script>alert(1)</script>", "b", "c", "d")
    dataset = plain.dataset.model_copy(update={"classes": names})
    scored = plain.model_copy(update={"per_class": (by_class("<b>.onnx"),), "dataset": dataset})
    page = render(scored)
    assert "Confusion matrix" in page
    assert page.count("<script>") == 1
    assert "<b>" not in page


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

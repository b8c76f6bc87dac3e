"""The samples that one network has right and the next one wrong, with their pictures."""

from collections.abc import Mapping

import numpy as np

from pipeline.reporting.findings.flips import LISTED, flips
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.flip import Flip
from pipeline.reporting.schema.predictions import ModelPredictions, Predictions
from tests.reports import CLASSES, model_row, report

NAMES = ("teacher.float32.onnx", "student.float32.onnx", "student.int8.onnx")
TEACHER, STUDENT, INT8 = NAMES


def predictions(
    labels: list[int], said: Mapping[str, list[int]], *, confidence: bool = True
) -> Predictions:
    shares = tuple(np.linspace(0.5, 0.9, len(labels)).round(4).tolist()) if confidence else ()
    models = {
        name: ModelPredictions(predicted=tuple(said[name.rpartition(".")[0]]), confidence=shares)
        for name in NAMES
    }
    return Predictions(device="local", samples_sha256="", labels=tuple(labels), models=models)


def found(predicted: Predictions) -> tuple[Flip, ...]:
    rows = [model_row(name) for name in ("student.int8.tflite", *NAMES)]
    return flips(rows, predicted, CLASSES)


def say(teacher: list[int], student: list[int], int8: list[int]) -> dict[str, list[int]]:
    return {"teacher.float32": teacher, "student.float32": student, "student.int8": int8}


def test_each_network_is_compared_with_the_one_that_it_was_made_from() -> None:
    labels = [0, 1, 2, 3]
    both = found(predictions(labels, say([0, 1, 2, 0], [0, 0, 2, 3], [0, 0, 1, 3])))
    assert [(f.before.model, f.after.model, f.index, f.lost) for f in both] == [
        (TEACHER, STUDENT, 1, True),
        (TEACHER, STUDENT, 3, False),
        (STUDENT, INT8, 2, True),
    ]
    assert (both[0].label, both[0].before.predicted, both[0].after.predicted) == (
        "[b]shirt", "[b]shirt", "coat",
    )  # fmt: skip


def test_a_sample_that_is_wrong_in_another_way_has_not_flipped() -> None:
    assert found(predictions([0, 0], say([1, 0], [2, 0], [3, 0]))) == ()


def test_the_surest_come_first_and_a_few_are_listed() -> None:
    several = [0] * (LISTED + 5)
    lost = found(predictions(several, say(several, [1] * len(several), [1] * len(several))))
    assert [flip.index for flip in lost] == list(range(len(several) - 1, 4, -1))
    unsure = found(predictions([0, 0], say([0, 0], [1, 1], [1, 1]), confidence=False))
    assert [flip.after.confidence for flip in unsure] == [None, None]


def test_the_page_shows_their_pictures() -> None:
    several = found(predictions([0, 1], say([0, 1], [0, 0], [1, 0])))
    page = render(
        report([model_row(name) for name in NAMES], flips=several), {"test:0": "data:image/x,0"}
    )
    assert f"{STUDENT} → {INT8}: right, then wrong" in page
    assert "coat: coat 50 % → [b]shirt 50 %" in page
    assert '<img src="data:image/x,0"' in page
    assert "Samples that flipped" not in render(report([model_row(INT8)]))

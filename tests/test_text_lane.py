"""Texts through the whole lane: what is measured, what the report says, and what is not offered."""

import html
import re
from pathlib import Path

import pytest

from pipeline import datasets
from pipeline.datasets.splits import Split
from pipeline.engine.ablation import observer
from pipeline.engine.artifacts import Exports
from pipeline.reporting.schema.report import Report, read
from targets.evaluation import metrics
from targets.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from tests.conftest import Lane
from tests.texts import questions, write

TEXTS = """
schema = "recipe/1"
name = "tiny"
threads = 2

[dataset]
name = "texts"

[teacher]
family = "ds_cnn_1d"
optimizer = "adam"
learning_rate = 0.01
embedding = 8
filters = 8
blocks = 1
epochs = 3
batch_size = 32

[logits]
views = 2

[distill]
family = "ds_cnn_1d"
optimizer = "adam"
learning_rate = 0.01
embedding = 8
filters = 8
blocks = 1
epochs = 4
batch_size = 32

[quantize]
epochs = 1
batch_size = 32
calibration_samples = 256

[convert]
targets = ["tflite"]

[bench]
processes = 2
min_queries = 4
min_duration_s = 0.02
warmup_runs = 1
warmup_s = 0.001
"""


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Lane:
    """A lane over questions of three classes that has run once."""
    folder = tmp_path_factory.mktemp("texts")
    recipe = folder / "tiny.toml"
    recipe.write_text(TEXTS)
    lane = Lane(recipe, write(folder / "questions.csv", questions(180)), folder / "out")
    lane.run()
    return lane


@pytest.fixture(scope="module")
def report(texts: Lane) -> Report:
    return read(texts.out / "tiny" / "report.json")


def test_a_report_on_texts_knows_what_they_are(texts: Lane, report: Report) -> None:
    assert report.dataset.kind == "tokens"
    assert report.dataset.notes == datasets.notes_on(texts.recipe().dataset)
    page = (texts.out / "tiny" / "report.html").read_text()
    assert "on the same texts:" in page
    assert "<img" not in page
    known = {
        html.escape(text)
        for part in datasets.texts_of(texts.recipe().dataset).values()
        for text in part
    }
    quoted = re.findall("<blockquote>(.*?)</blockquote>", page)
    assert len(quoted) == len(report.flips) + len(report.label_suspects)
    assert set(quoted) <= known


def test_an_ablation_measures_corrupted_texts(texts: Lane, tmp_path: Path) -> None:
    recipe, said = texts.recipe(("ablation.corrupted_samples", 10)), list[str]()
    exports = Exports.read(next((texts.out / ".store").glob("convert-*")))
    observe = observer(
        datasets.load(recipe.dataset), recipe.ablation, tmp_path / "student", said.append
    )
    seen = observe("student_kd", 0, exports, "student.int8.tflite")
    assert seen.corrupted.keys() == CORRUPTIONS["tokens"].keys()
    assert all(len(curve) == len(SEVERITIES) for curve in seen.corrupted.values())
    assert seen.corrupted["unknown"][4] < metrics.top1(
        seen.logits, datasets.load(recipe.dataset)[Split.TEST].labels
    )
    assert said == ["ablation  student_kd, seed 0: top-1, and on corrupted texts"]

"""Sounds and texts go through the lane of images: the same stages, proofs and report."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets.commands import INTENTS, sentence
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Split
from pipeline.datasets.vowels import WORDS, clip
from pipeline.engine.progress import SilentConsole
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from pipeline.recipe.load import load, parse_override
from pipeline.recipe.schema import DatasetConfig
from pipeline.reporting.schema.report import Report, read
from targets import Classifier
from targets.errors import InputError
from targets.formats import sidecar
from targets.texts import tokenizer

SHORT = (
    *("teacher.epochs=4", "distill.epochs=8", "quantize.epochs=1", "logits.views=2"),
    *("teacher.batch_size=16", "distill.batch_size=16"),
    *("bench.processes=2", "bench.min_queries=4", "bench.min_duration_s=0.02"),
    *("bench.warmup_runs=1", "bench.warmup_s=0.001", "quantize.calibration_samples=256"),
    'convert.targets=["tflite", "onnx"]',
)
SMALL = {
    "vowels": ("dataset.samples=480", "teacher.units=16", "distill.filters=16"),
    "commands": ("dataset.samples=600", "teacher.embedding=16", "distill.width_multiplier=0.25"),
}


@pytest.fixture(scope="module", params=SMALL)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name, out = str(request.param), tmp_path_factory.mktemp("kinds")
    recipe = load(name, [parse_override(text) for text in (*SHORT, *SMALL[name])])
    Runner(recipe=recipe, store=Store(out / ".store"), console=SilentConsole()).run(out / name)
    return out / name


def report(ran: Path) -> Report:
    return read(ran / "report.json")


def test_both_int8_files_are_proved_and_measured(ran: Path) -> None:
    rows = {row.name: row for row in report(ran).models}
    for name in ("student.int8.tflite", "student.int8.onnx"):
        assert rows[name].median_ns is not None
        assert rows[name].top1 is not None
    assert rows["student.int8.tflite"].top1 == pytest.approx(
        rows["student.int8.onnx"].top1, abs=0.01
    )
    proofs = [row for row in report(ran).parity if row.precision == "int8"]
    assert {row.format for row in proofs} == {"tflite", "onnx"}
    assert all(row.float_ops == 0 and row.int8_ops > 3 for row in proofs)
    assert report(ran).scales
    assert all(row.equal for row in report(ran).scales)


def test_the_student_learns(ran: Path) -> None:
    (row,) = [row for row in report(ran).models if row.name == "student.int8.tflite"]
    assert row.top1 is not None
    assert row.top1 > 2 * (report(ran).dataset.majority_share or 1)


def test_the_sidecar_says_what_the_file_takes(ran: Path) -> None:
    found = sidecar.read(ran / "models" / "student.int8.tflite")
    assert found is not None
    if found.input.kind == "waveform":
        assert (found.input.dtype, found.input.shape) == ("int16", (8000,))
        assert found.input.front_end is not None
        return
    assert found.input.kind == "tokens"
    assert found.tokenizer is not None
    learned = tokenizer.read(ran / "models", found.tokenizer)
    assert learned(["turn on the light"]).shape == (1, *found.input.shape)


def test_a_file_predicts_what_the_network_was_trained_for(ran: Path) -> None:
    """A clip and a sentence become the bytes that the data set has of them."""
    is_sound = ran.name == "vowels"
    classifier = Classifier(ran / "models" / "student.int8.tflite")
    items = (
        [(word, clip(word, 10_000)) for word in WORDS]
        if is_sound
        else [(intent, sentence(intent, 10_000)) for intent in INTENTS]
    )
    if is_sound:
        assert all(np.array_equal(classifier.prepared(item), item) for _, item in items)
    right = sum(classifier.predict(item).name == label for label, item in items)
    assert right > len(items) / 4


def test_the_page_is_written(ran: Path) -> None:
    page = (ran / "report.html").read_text(encoding="utf-8")
    assert "student.int8.onnx" in page
    assert json.loads((ran / "provenance.json").read_text())["recipe"]["name"] == ran.name


def test_the_synthesised_data_are_a_function_of_their_number() -> None:
    assert np.array_equal(clip("ai", 7), clip("ai", 7))
    assert not np.array_equal(clip("ai", 7), clip("ai", 8))
    assert sentence("music", 7) == sentence("music", 7) != sentence("music", 8)


def test_synthesised_data_are_even_and_in_three_splits() -> None:
    for name, classes, few in (("vowels", WORDS, 160), ("commands", tuple(INTENTS), 300)):
        cfg = DatasetConfig.model_validate({"name": name, "samples": few})
        data = datasets.load(cfg)
        assert data.classes == classes
        assert sum(len(data[split]) for split in Split) == few
        counts = np.bincount(np.concatenate([data[split].labels for split in Split]))
        assert set(counts.tolist()) == {few // len(classes)}


@pytest.mark.parametrize(("name", "instead"), [("vowels", "sounds"), ("commands", "texts")])
def test_synthesised_data_take_no_file(name: str, instead: str, tmp_path: Path) -> None:
    cfg: SourceConfig = DatasetConfig(name=name, path=tmp_path)
    with pytest.raises(InputError, match=f"takes no file.*dataset.name={instead}"):
        datasets.source_digest(cfg)

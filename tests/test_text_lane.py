"""Texts through the whole lane: what is measured, what the report says, and what is not offered."""

import html
import json
import re
import shutil
from pathlib import Path

import pytest

from pipeline import datasets
from pipeline.cli.app import exit_code
from pipeline.datasets.splits import Split
from pipeline.engine.ablation import observer
from pipeline.engine.artifacts import Exports
from pipeline.reporting.schema.report import Report, read
from targets.bench.plan import logits_of
from targets.bundle.files import write_sums
from targets.bundle.verification import verified
from targets.evaluation import metrics
from targets.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from tests.conftest import Lane
from tests.receiver import packed, top, unpacked
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


@pytest.fixture(scope="module")
def bundle(texts: Lane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bundle")
    return unpacked(packed(texts.out / "tiny", place / "out"), place / "unpacked")


def test_a_receiver_classifies_texts_with_the_tokens_of_the_run(
    texts: Lane, bundle: Path, tmp_path: Path
) -> None:
    data, texts_of = datasets.load(texts.recipe().dataset), datasets.texts_of
    lines = list(texts_of(texts.recipe().dataset)[Split.TEST])[:5]
    (tmp_path / "lines.txt").write_text("\n".join(lines[1:]))
    for model in ("student.int8.tflite", "student.float32.tflite"):
        path = bundle / "models" / model
        argv = ("--model", str(path), "--text", lines[0], str(tmp_path / "lines.txt"), "--top", "3")
        wanted = logits_of(path, "tflite", data[Split.TEST].raw[:5], tmp_path)
        for rows, expected in zip(top(bundle, *argv), wanted, strict=True):
            found = {row["name"]: row["logit"] for row in rows}
            assert [found[name] for name in data.classes] == expected.tolist()


def test_a_receiver_gets_the_recorded_class_of_every_sample(bundle: Path) -> None:
    described = json.loads((bundle / "bundle.json").read_bytes())
    for model in described["models"]:
        rows = top(bundle, "--model", model["file"], *(one["file"] for one in described["samples"]))
        assert [one[0]["name"] for one in rows] == [
            one["predicted"][model["file"]] for one in described["samples"]
        ]


def test_a_bundle_of_texts_is_verified_and_another_vocabulary_is_found(
    bundle: Path, tmp_path: Path
) -> None:
    assert {step.verdict for step in verified(bundle)} == {"passed", "skipped"}
    folder = shutil.copytree(bundle, tmp_path / "changed")
    words = folder / "models" / "vocab.txt"
    words.write_text(words.read_text().replace("where", "there"))
    write_sums(folder)
    last = list(verified(folder))[-1]
    assert (last.name, last.verdict) == ("contents", "failed")
    assert "is not the vocabulary that the model was trained with" in last.text


def test_the_card_of_texts_offers_what_there_is(bundle: Path) -> None:
    card = (bundle / "README.md").read_text()
    assert "pipeline_tag: text-classification" in card
    assert "int32 [12], the numbers that `models/tokens.py` gives a text" in card
    assert "--text" in card
    assert not re.search("image|picture|Pillow|snippets|Kotlin", card.split("## Results")[0])
    assert not (bundle / "snippets").exists()
    assert "Accuracy on corrupted texts was not measured." in card


def test_gates_are_judged_on_texts(texts: Lane, tmp_path: Path) -> None:
    gates = tmp_path / "gates.toml"
    gates.write_text("top1 = 0.1\nsize_kb = 1.0\n")
    argv = ["check", str(texts.out / "tiny"), "--gates", str(gates), "--markdown"]
    assert exit_code([*argv, str(tmp_path / "verdicts.md")]) == 1
    written = (tmp_path / "verdicts.md").read_text()
    assert "size" in written
    assert "image" not in written

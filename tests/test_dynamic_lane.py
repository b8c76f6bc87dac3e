"""A run whose only small files are `dynamic`: a Transformer, and a student of half its depth."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.engine.artifacts import Checkpoint, Teacher
from pipeline.engine.job import Step
from pipeline.engine.progress import SilentConsole
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from pipeline.gates.runs import measured
from pipeline.recipe.load import load
from pipeline.recipe.schema import Recipe
from pipeline.reporting.schema.report import Report, read
from targets.formats import FORMATS
from tests.conftest import THREADS
from tests.toys import plugged_in

RECIPE = f"""
schema = "recipe/1"
name = "encoder"
threads = {THREADS}

[dataset]
name = "tokens"

[teacher]
family = "transformer"
optimizer = "adam"
learning_rate = 0.003
epochs = 6
batch_size = 32
embedding = 32
heads = 2
feed_forward = 64
layers = 2

[logits]
views = 2

[distill]
family = "transformer"
init = "teacher"
features = "cosine"
optimizer = "adam"
learning_rate = 0.003
epochs = 2
batch_size = 32
embedding = 32
heads = 2
feed_forward = 64
layers = 1

[convert]
targets = ["tflite", "onnx"]
precisions = ["float32", "dynamic"]

[bench]
processes = 2
min_queries = 4
min_duration_s = 0.02
warmup_runs = 1
warmup_s = 0.001

[gates]
size_kb = 45
all_int8 = false
"""
FILES = {
    f"{stem}.{kind}"
    for stem in ("teacher.float32", "student.float32", "student.dynamic")
    for kind in ("tflite", "onnx")
}


@dataclass(frozen=True)
class Ran:
    recipe: Recipe
    steps: dict[str, Step]
    out: Path

    @property
    def report(self) -> Report:
        return read(self.out / "report.json")


@pytest.fixture(autouse=True, scope="module")
def toys() -> Iterator[None]:
    with plugged_in():
        yield


@pytest.fixture(scope="module")
def ran(toys: None, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    out = tmp_path_factory.mktemp("encoder")
    file = out / "encoder.toml"
    file.write_text(RECIPE)
    recipe = load(str(file))
    runner = Runner(recipe=recipe, store=Store(out / ".store"), console=SilentConsole())
    steps = {step.name: step for step in runner.run(out / "run")}
    return Ran(recipe, steps, out / "run")


def test_nothing_is_quantized_in_training(ran: Ran) -> None:
    assert list(ran.steps) == ["teacher", "logits", "distill", "convert", "bench", "report"]


def test_every_file_is_proved_and_measured(ran: Ran) -> None:
    rows = {row.name: row for row in ran.report.models}
    assert rows.keys() == FILES
    for name, row in rows.items():
        assert row.top1 is not None
        assert row.top1 > 0.8
        assert row.median_ns is not None
        assert (row.size_bytes > 45_000) == ("dynamic" not in name)
    proofs = {row.name: row for row in ran.report.parity}
    assert proofs.keys() == FILES
    for name, proof in proofs.items():
        assert proof.agreement >= (0.95 if "dynamic" in name else 1)
        operators = FORMATS[proof.format].inspect(ran.out / "models" / name)
        assert (proof.int8_ops, proof.float_ops) == (operators.int8_ops, operators.float_ops)
        assert bool(proof.int8_ops) == ("dynamic" in name)  # the table of vectors


def test_the_student_has_half_the_layers_of_its_teacher(ran: Ran) -> None:
    store = ran.out.parent / ".store"
    teacher = Teacher.read(store / str(ran.steps["teacher"].folder)).checkpoint
    student = Checkpoint.read(store / str(ran.steps["distill"].folder))
    assert student.network.settings["layers"] == 1
    assert teacher.network.settings["layers"] == 2
    assert student.parameters < teacher.parameters


def test_gates_are_of_the_dynamic_files(ran: Ran) -> None:
    rows = [(row.name, row.file, row.verdict) for row in ran.report.gates]
    assert rows == [("size_kb", f"student.dynamic.{kind}", "passed") for kind in ("tflite", "onnx")]


def test_the_report_is_about_the_dynamic_files(ran: Ran) -> None:
    report = ran.report
    (decision,) = report.decision
    assert decision.device == "local"
    (recommended,) = report.recommended
    assert "dynamic" in str(recommended.smallest)
    assert any("dynamic" in one.model for one in report.per_class)
    assert {one.model for one in report.confidence} >= {"student.dynamic.tflite"}
    assert not report.scales
    assert not report.layer_noise
    assert report.sensitivity is None
    page = (ran.out / "report.html").read_text(encoding="utf-8")
    head, _, _ = page.partition("<table")
    assert "student.dynamic.tflite" in head


def test_a_finished_run_is_judged_again_as_it_was(ran: Ran) -> None:
    found = measured(ran.out)
    assert {one.row.name for one in found} == FILES

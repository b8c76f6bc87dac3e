"""The baseline may be somebody else's file, in its own runtime, or no file at all."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.engine.artifacts import DatasetSummary, Exports
from pipeline.engine.job import Job
from pipeline.engine.progress import SilentConsole
from pipeline.stages import bench as stage
from targets.bench.agent.preparation import prepare
from targets.evaluation.metrics import NotFiniteError
from targets.formats.input_spec import image_input
from targets.formats.model_io import ModelIO
from targets.formats.record import ExportedModel
from tests.conftest import Lane


def adapter(**fields: Any) -> dict[str, Any]:
    return ModelIO(**{"shape": (2, 1, 3), **fields}).model_dump()


def test_a_file_that_takes_raw_samples_is_given_them_as_they_are() -> None:
    raw = np.arange(12, dtype=np.uint8).reshape(2, 2, 1, 3)
    for described in (None, adapter()):
        given = prepare(raw, described, np.uint8)
        assert given.dtype == np.uint8
        np.testing.assert_array_equal(given, raw)


def test_a_foreign_file_is_given_scaled_samples_in_its_layout() -> None:
    raw = np.arange(12, dtype=np.uint8).reshape(2, 2, 1, 3)
    described = adapter(scale=(1, 2, 0.5), offset=-1, channels_first=True, shape=(3, 2, 1))
    given = prepare(raw, described, np.float32)
    assert given.dtype == np.float32
    assert given.flags.c_contiguous
    assert given[0, :, :, 0].tolist() == [[-1, 2], [1, 7], [0, 1.5]]


def test_a_quantized_input_is_given_the_stored_values_and_no_overflow() -> None:
    raw = np.array([0, 100, 255], np.uint8).reshape(1, 1, 3, 1)
    described = adapter(scale=1 / 255, input_quantization=(1 / 255, -128), shape=(1, 3, 1))
    given = prepare(raw, described, np.int8)
    assert given.dtype == np.int8
    assert given.ravel().tolist() == [-128, -28, 127]
    beyond = prepare(raw, {**described, "scale": 1.0}, np.int8)
    assert beyond.ravel().tolist() == [-128, 127, 127]


def test_what_a_foreign_file_gives_becomes_logits_in_our_order() -> None:
    gives = ModelIO(shape=(1,), output="probabilities", order=(2, 0, 1))
    seen = gives.logits(np.array([[0.25, 0.75, 0.0]], np.float64))
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, [[np.log(1e-30), np.log(0.25), np.log(0.75)]], rtol=1e-6)
    stored = gives.model_copy(update={"output_quantization": (1 / 256, -128), "order": None})
    np.testing.assert_allclose(
        stored.logits(np.array([[-128, 0, 127]], np.int8)),
        [[np.log(1 / 512), np.log(0.5), np.log(255 / 256)]],
        rtol=1e-6,
    )


@dataclass(frozen=True)
class Taught:
    """The tiny lane's student, beside a teacher of somebody else."""

    finished: Lane
    folder: Path
    notes: list[str] = field(default_factory=list)
    """Of all measurements."""

    def model(self, name: str, role: str, *, described: ModelIO | None = None) -> ExportedModel:
        kept = self.finished.out / "tiny" / "models" / name
        (self.folder / name).write_bytes(kept.read_bytes())
        return ExportedModel(
            name=name, role=role, format=kept.suffix[1:], precision="float32", file=name,
            sha256="", size_bytes=1, parameters=1, macs=1, adapter=described,
        )  # fmt: skip

    def measure(
        self, *models: ExportedModel, teacher_logits: str | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The rows by name, and the written document."""
        recipe = self.finished.recipe()
        job = Job(recipe=recipe, scratch=self.folder, console=SilentConsole())
        exports = Exports(
            folder=self.folder,
            input=image_input(12, 12, 1),
            dataset=DatasetSummary(
                name="x",
                classes=("a", "b", "c"),
                train=0,
                val=0,
                test=0,
                sha256="",
            ),
            models=models,
            parity=(),
            teacher_logits=teacher_logits,
        )
        seen = stage.run(recipe.bench, self.folder, job=job, convert=exports)
        self.notes.extend(seen.notes)
        document = json.loads((self.folder / "bench" / "local.json").read_text())
        return {row.name: row for row in seen.rows}, document


@pytest.fixture
def taught(finished: Lane, tmp_path: Path) -> Taught:
    return Taught(finished, tmp_path)


def test_a_teacher_in_another_runtime_is_the_baseline_and_is_named(taught: Taught) -> None:
    """As somebody else's file: its input is made ready for it, and its classes are in our order."""
    theirs = ModelIO(shape=(12, 12, 1), order=(0, 1, 2))
    rows, document = taught.measure(
        taught.model("student.int8.tflite", "student_qat"),
        taught.model("teacher.float32.onnx", "teacher", described=theirs),
    )
    student, teacher = rows["student.int8.tflite"], rows["teacher.float32.onnx"]
    assert teacher.top1 > 0.9
    assert student.agreement_with_teacher > 0.9
    assert student.runtime.startswith("ai_edge_litert ")
    assert student.teacher_runtime == teacher.teacher_runtime == teacher.runtime
    assert teacher.runtime.startswith("onnxruntime ")
    assert student.speedup_verdict == teacher.speedup_verdict == "invalid"  # too few processes
    (compared,) = [c for c in document["comparison"] if c["candidate"] == student.name]
    assert compared["baseline"] == teacher.name
    assert compared["baseline_runtime"] == teacher.runtime
    assert compared["candidate_runtime"] == student.runtime


def test_a_valid_verdict_brings_its_speed_up_into_the_report() -> None:
    """In a real measurement another process may disturb it: here the blocks are made."""
    from pipeline.reporting.model_rows import speed_up
    from tests.test_result import document

    found = speed_up("fast.onnx", document())
    assert found.speedup_verdict == "faster"
    assert found.speedup_ci is not None
    assert found.speedup_ci[0] < (found.speedup_vs_teacher or 0) == pytest.approx(2, rel=0.02)


def test_the_classes_of_a_foreign_file_are_put_in_our_order(taught: Taught) -> None:
    turned = ModelIO(shape=(12, 12, 1), order=(1, 2, 0))
    rows, _ = taught.measure(taught.model("teacher.float32.onnx", "teacher", described=turned))
    assert rows["teacher.float32.onnx"].top1 < 0.1  # it is wrong to turn this one's


def test_what_the_accuracies_do_not_say_is_noted(taught: Taught) -> None:
    turned = ModelIO(shape=(12, 12, 1), order=(1, 2, 0))
    taught.measure(
        taught.model("student.float32.tflite", "student"),
        taught.model("teacher.float32.onnx", "teacher", described=turned),
    )
    chance, outdone = taught.notes
    assert "most frequent class, which is right for 33.3 %" in chance
    assert "teacher.float32.onnx (" in chance
    assert "student.float32.tflite" not in chance
    assert "The student is better than its teacher" in outdone


def test_the_teacher_in_the_same_runtime_is_preferred(taught: Taught) -> None:
    rows, _ = taught.measure(
        taught.model("teacher.float32.onnx", "teacher"),
        taught.model("teacher.float32.tflite", "teacher"),
        taught.model("student.int8.tflite", "student_qat"),
    )
    for row in rows.values():
        assert row.teacher_runtime == row.runtime


def test_without_a_teachers_file_there_is_no_speed_up(taught: Taught) -> None:
    student = taught.model("student.int8.tflite", "student_qat")
    rows, document = taught.measure(student)
    row = rows[student.name]
    assert row.median_ns > 0
    for absent in ("speedup_vs_teacher", "speedup_ci", "teacher_runtime", "kl_to_teacher"):
        assert getattr(row, absent) is None
    assert row.agreement_with_teacher is None
    assert document["comparison"] == []


def test_precomputed_logits_are_compared_with_but_never_timed(taught: Taught) -> None:
    student = taught.model("student.int8.tflite", "student_qat")
    always_the_first = np.tile(np.array([5, 0, 0], np.float32), (120, 1))
    np.save(taught.folder / "teacher.npy", always_the_first)
    rows, _ = taught.measure(student, teacher_logits="teacher.npy")
    row = rows[student.name]
    assert row.agreement_with_teacher == pytest.approx(1 / 3, abs=0.05)
    assert row.kl_to_teacher > 0.1
    assert row.speedup_vs_teacher is None
    assert row.teacher_runtime is None


def test_a_model_that_gives_nan_has_no_row(taught: Taught) -> None:
    import onnx
    from onnx import helper

    lost = taught.model("teacher.float32.onnx", "teacher")
    file = onnx.load(taught.folder / lost.name)
    (output,) = file.graph.output
    nothing = helper.make_tensor("nothing", onnx.TensorProto.FLOAT, [], [np.nan])
    file.graph.initializer.append(nothing)
    file.graph.node.append(helper.make_node("Mul", [output.name, "nothing"], ["lost"]))
    output.name = "lost"
    onnx.save(file, taught.folder / lost.name)
    said = r"teacher\.float32\.onnx: 120 of 120 samples give outputs that are not finite"
    with pytest.raises(NotFiniteError, match=said):
        taught.measure(lost, taught.model("student.int8.tflite", "student_qat"))


def test_precomputed_logits_of_nan_are_compared_with_nothing(taught: Taught) -> None:
    np.save(taught.folder / "teacher.npy", np.full((120, 3), np.nan, np.float32))
    with pytest.raises(NotFiniteError, match="the teacher's logits: 120 of 120"):
        taught.measure(
            taught.model("student.int8.tflite", "student_qat"), teacher_logits="teacher.npy"
        )

"""A measurement is made in a process of its own, or fails with a reason."""

import ast
import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.artifacts import DatasetSummary, Exports
from pipeline.progress import SilentConsole
from pipeline.stages import bench as stage
from pipeline.stages.job import Job
from targets.adapter import Adapter
from targets.bench.agent import prepare
from targets.bench.protocol import AGENT, Bench, Protocol, Subject, logits_of
from targets.errors import DeviceError
from targets.formats.record import ExportedModel
from targets.inputs import image_input
from targets.links.local import LocalLink
from targets.runtimes import RUNTIMES, Runtime, runtime_for
from tests.conftest import Lane

QUICK = Protocol(
    processes=3,
    min_queries=9,
    min_duration_s=0.03,
    max_duration_s=30,
    warmup_runs=2,
    warmup_s=0,
    threads=1,
    seed=0,
    timeout_s=60,
)


@pytest.fixture
def subject(finished: Lane) -> Subject:
    path = finished.out / "tiny" / "models" / "student.int8.tflite"
    return Subject(name=path.name, format="tflite", path=path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    samples = tmp_path / "samples.npy"
    np.save(samples, np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1), np.uint8))
    return Bench(link=LocalLink(), samples=samples, folder=tmp_path, protocol=QUICK)


def blocks(bench: Bench, *subjects: Subject) -> list[dict[str, Any]]:
    return bench.latency(subjects, say=lambda text: None)


def test_both_minimums_are_met_by_all_processes_together(bench: Bench, subject: Subject) -> None:
    seen = blocks(bench, subject)
    assert len(seen) == 3
    assert all(len(block["samples_ns"]) >= 3 for block in seen)
    for block in seen:  # a third of 30 ms each, of which the queries are nearly all
        assert sum(block["samples_ns"]) >= 0.5 * 10e6
    assert {block["stop_reason"] for block in seen} == {"min_met"}
    assert all(len(block["warmup_ns"]) == 2 for block in seen)


def test_many_queries_are_made_where_they_are_asked_for(bench: Bench, subject: Subject) -> None:
    many = replace(bench, protocol=replace(QUICK, processes=1, min_queries=500))
    (block,) = blocks(many, subject)
    assert len(block["samples_ns"]) == len(block["sample_index"]) >= 500
    assert len(set(block["sample_index"])) == 20  # real samples, all of them in turn


def test_the_longest_time_ends_a_block_and_is_said(bench: Bench, subject: Subject) -> None:
    limits = replace(QUICK, processes=1, min_queries=10**9, max_duration_s=0.05)
    (block,) = blocks(replace(bench, protocol=limits), subject)
    assert block["stop_reason"] == "max_duration"


def test_the_same_seed_queries_the_same_samples(bench: Bench, subject: Subject) -> None:
    first, second = blocks(bench, subject), blocks(bench, subject)
    for a, b in zip(first, second, strict=True):
        shared = min(len(a["sample_index"]), len(b["sample_index"]))
        assert a["sample_index"][:shared] == b["sample_index"][:shared]


def test_accuracy_queries_every_sample_once_in_order(
    bench: Bench, subject: Subject, finished: Lane
) -> None:
    logits, record = bench.outputs(subject)
    assert logits.shape == (20, 3)
    assert record["samples"] == 20
    images = np.load(bench.samples)
    backwards = logits_of(subject.path, "tflite", images[::-1], bench.folder)
    np.testing.assert_array_equal(backwards[::-1], logits)


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\x1c\0\0\0TFL3" + bytes(100)], ids=["empty", "text", "cut"]
)
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_file_that_is_no_model_is_a_clear_error(bench: Bench, content: bytes, kind: str) -> None:
    path = bench.folder / f"broken.{kind}"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match=rf"device local: broken\.{kind} in "):
        blocks(bench, Subject(name="broken", format=kind, path=path))


def test_a_process_that_does_not_end_is_ended(bench: Bench, subject: Subject) -> None:
    endless = replace(QUICK, min_queries=10**9, max_duration_s=1000, timeout_s=3)
    with pytest.raises(DeviceError, match="not done after 3 s and ended"):
        blocks(replace(bench, protocol=endless), subject)


def test_a_limit_ends_the_children_too(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/child; wait"
    done = LocalLink().run(["sh", "-c", script], env={}, timeout_s=1)
    assert done.timed_out
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_a_runtime_that_is_not_installed_is_told_with_its_remedy(
    bench: Bench, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing(LocalLink):
        """The agent under a Python without the runtime."""

        def run(self, argv: Any, *, env: Any, timeout_s: float) -> Any:
            bare = [argv[0], "-S", *argv[1:]]
            return super().run(bare, env=env, timeout_s=timeout_s)

    with pytest.raises(DeviceError, match=r"ModuleNotFoundError.* Install it"):
        blocks(replace(bench, link=Missing()), subject)


def test_every_format_has_a_runtime_that_the_agent_knows() -> None:
    from targets.bench.agent import RUNTIMES as AGENTS
    from targets.formats import FORMATS

    assert {runtime_for(name).name for name in FORMATS} <= set(AGENTS)
    assert set(RUNTIMES) == set(AGENTS)
    assert all(isinstance(runtime, Runtime) for runtime in RUNTIMES.values())


def test_the_agent_needs_nothing_of_ours_and_parses_on_python_3_9() -> None:
    tree = ast.parse(AGENT.read_text(), feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy"}


def test_the_agent_runs_alone(tmp_path: Path, bench: Bench, subject: Subject) -> None:
    """Copied into an empty folder, as on a device."""
    alone = tmp_path / "device" / "agent.py"
    alone.parent.mkdir()
    alone.write_bytes(AGENT.read_bytes())
    job = bench._job(subject, mode="latency", index=0, out=tmp_path / "out.json")
    (tmp_path / "job.json").write_text(json.dumps(job))
    subprocess.run(
        [sys.executable, "-I", str(alone), str(tmp_path / "job.json")],
        cwd=alone.parent,
        check=True,
        capture_output=True,
    )
    assert json.loads((tmp_path / "out.json").read_text())["schema"] == "agent/1"


def adapter(**fields: Any) -> dict[str, Any]:
    return Adapter(**{"shape": (2, 1, 3), **fields}).model_dump()


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
    gives = Adapter(shape=(1,), output="probabilities", order=(2, 0, 1))
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

    def model(self, name: str, role: str, *, described: Adapter | None = None) -> ExportedModel:
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
            dataset=DatasetSummary(name="x", classes=(), train=0, val=0, test=0, sha256=""),
            models=models,
            parity=(),
            teacher_logits=teacher_logits,
        )
        seen = stage.run(recipe.bench, self.folder, job=job, convert=exports)
        document = json.loads((self.folder / "bench" / "local.json").read_text())
        return {row.name: row for row in seen.rows}, document


@pytest.fixture
def taught(finished: Lane, tmp_path: Path) -> Taught:
    return Taught(finished, tmp_path)


def test_a_teacher_in_another_runtime_is_the_baseline_and_is_named(taught: Taught) -> None:
    """As somebody else's file: its input is made ready for it, and its classes are in our order."""
    theirs = Adapter(shape=(12, 12, 1), order=(0, 1, 2))
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
    assert student.speedup_vs_teacher > 0
    assert teacher.speedup_vs_teacher == 1
    (compared,) = [c for c in document["comparison"] if c["candidate"] == student.name]
    assert (compared["baseline"], compared["ratio"]) == (teacher.name, student.speedup_vs_teacher)
    assert compared["baseline_runtime"] == teacher.runtime
    assert compared["candidate_runtime"] == student.runtime


def test_the_classes_of_a_foreign_file_are_put_in_our_order(taught: Taught) -> None:
    turned = Adapter(shape=(12, 12, 1), order=(1, 2, 0))
    rows, _ = taught.measure(taught.model("teacher.float32.onnx", "teacher", described=turned))
    assert rows["teacher.float32.onnx"].top1 < 0.1  # it is wrong to turn this one's


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
    (compared,) = document["comparison"]
    assert (compared["baseline"], compared["ratio"]) == (None, None)


def test_precomputed_logits_are_compared_with_but_never_timed(taught: Taught) -> None:
    student = taught.model("student.int8.tflite", "student_qat")
    always_the_first = np.tile(np.array([5, 0, 0], np.float32), (60, 1))
    np.save(taught.folder / "teacher.npy", always_the_first)
    rows, _ = taught.measure(student, teacher_logits="teacher.npy")
    row = rows[student.name]
    assert row.agreement_with_teacher == pytest.approx(1 / 3, abs=0.05)
    assert row.kl_to_teacher > 0.1
    assert row.speedup_vs_teacher is None
    assert row.teacher_runtime is None

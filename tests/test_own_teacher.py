"""A network from elsewhere teaches in the whole lane, and its own file is measured."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import Checkpoint, Exports, Teacher, TeacherLogits
from pipeline.engine.job import Step
from pipeline.engine.progress import SilentConsole
from pipeline.export.exporter import Exporter, Network, SampleSets
from pipeline.stages import convert, logits, teacher
from pipeline.teachers.logits_file import save_logits
from pipeline.teachers.trained import open_checkpoint
from pipeline.training.networks import restore
from targets.errors import InputError, ProofError
from targets.formats.contract import ServingFunction
from tests.conftest import Lane
from tests.kept import Setting, job, kept
from tests.teacher_files import onnx_file, tflite_file
from tests.test_end_to_end import BOTH, digest, report

QUICK: tuple[Setting, ...] = (
    ("distill.epochs", 4),
    ("distill.batch_size", 32),
    ("quantize.epochs", 1),
)
PLAIN: Setting = ("augmentation.shift", 0)
FLOAT: Setting = ("convert.precisions", ("float32",))


def exported(lane: Lane, suffix: str) -> Path:
    """The finished lane's teacher as it was exported there: it takes raw pixels."""
    return lane.out / "tiny" / "models" / f"teacher.float32.{suffix}"


def keras_file(path: Path, lane: Lane) -> Path:
    """The finished lane's teacher as Keras saves it: it takes pixels from -1 to 127/128."""
    network = restore(kept(lane, "teacher", Teacher).checkpoint)
    network.save(path)
    return path


def logits_file(path: Path, lane: Lane, *, test: bool = True) -> Path:
    data: Dataset = datasets.load(lane.recipe().dataset)
    network = open_checkpoint(kept(lane, "teacher", Teacher).checkpoint, data)
    parts = {part.value: network.logits(np.asarray(data[part].raw)) for part in Split}
    if not test:
        del parts["test"]
    save_logits(path, data=data, **parts)
    return path


@dataclass(frozen=True)
class Run:
    """A finished lane with a teacher of somebody else."""

    lane: Lane
    settings: tuple[Setting, ...]
    results: Path
    steps: dict[str, Step]

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in report(self.results)["models"]}

    def plan(self, *overrides: Setting) -> dict[str, Step]:
        steps = self.lane.runner(*self.settings, *overrides).plan()
        return {step.name: step for step in steps}


Taught = Callable[..., Run]


@pytest.fixture(scope="module")
def taught(finished: Lane, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """The whole lane, once for each teacher and settings."""

    @cache
    def run(file: Path, *overrides: Setting) -> Run:
        lane = replace(finished, out=tmp_path_factory.mktemp("own"))
        settings = (("teacher.file", file), *QUICK, *overrides)
        results, steps = lane.run(*settings)
        return Run(lane, settings, results, steps)

    return run


@pytest.fixture(scope="module")
def onnx_taught(taught: Taught, finished: Lane) -> Run:
    return taught(exported(finished, "onnx"), ("convert.targets", ("tflite", "onnx")))


@pytest.fixture(scope="module")
def logits_taught(taught: Taught, finished: Lane, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = logits_file(tmp_path_factory.mktemp("logits") / "logits.npz", finished)
    return taught(path, PLAIN, FLOAT)


def test_an_onnx_teacher_is_measured_as_its_own_file_beside_both_formats(
    onnx_taught: Run, finished: Lane
) -> None:
    rows = onnx_taught.rows
    students = {f"student.{p}.{f}" for p in ("float32", "int8") for f in ("tflite", "onnx")}
    assert set(rows) == students | {"teacher.onnx"}
    mine = rows["teacher.onnx"]
    assert digest(onnx_taught.results / mine["file"]) == digest(exported(finished, "onnx"))
    assert mine["sha256"] == digest(exported(finished, "onnx"))
    assert (mine["format"], mine["precision"]) == ("onnx", "float32")
    assert mine["parameters"] > 1000
    assert mine["macs"] is None  # nobody knows
    original = next(r for r in report(finished.out / "tiny")["models"] if r["role"] == "teacher")
    assert mine["top1"] == original["top1"]


def test_the_speed_up_names_the_runtimes_of_both(onnx_taught: Run) -> None:
    rows = onnx_taught.rows
    assert {row["teacher_runtime"] for row in rows.values()} == {rows["teacher.onnx"]["runtime"]}
    for row in rows.values():
        prefix = "ai_edge_litert" if row["format"] == "tflite" else "onnxruntime"
        assert row["runtime"].startswith(prefix)
        assert row["speedup_verdict"] == "invalid"  # too few processes
        assert row["speedup_vs_teacher"] is None
        assert row["agreement_with_teacher"] > 0.5


def test_a_tflite_teacher_is_measured_as_its_own_file(taught: Taught, finished: Lane) -> None:
    rows = taught(exported(finished, "tflite"), FLOAT).rows
    assert set(rows) == {"teacher.tflite", "student.float32.tflite"}
    assert rows["teacher.tflite"]["sha256"] == digest(exported(finished, "tflite"))
    for row in rows.values():
        assert row["runtime"] == row["teacher_runtime"]
        assert row["speedup_verdict"] == "invalid"  # too few processes
        assert row["speedup_vs_teacher"] is None


@dataclass(frozen=True)
class Stages:
    """A teacher of somebody else up to its logits, and its files beside the finished student."""

    teacher: Teacher
    logits: TeacherLogits
    exports: Exports


def stages(lane: Lane, folder: Path, file: Path, *overrides: Setting) -> Stages:
    given = job(lane, folder, ("teacher.file", file), FLOAT, *overrides)
    recipe = given.recipe
    for name in ("teacher", "logits", "convert"):
        (folder / name).mkdir()
    mine = teacher.run(recipe.teacher, folder / "teacher", job=given)
    stored = logits.run(recipe.logits, folder / "logits", job=given, teacher=mine)
    student = kept(lane, "distill", Checkpoint)
    exports = convert.run(
        recipe.convert, folder / "convert", job=given, teacher=mine, distill=student
    )
    return Stages(mine, stored, exports)


def test_a_keras_teacher_gives_its_trained_logits_and_is_exported_to_every_target(
    finished: Lane, tmp_path: Path
) -> None:
    spec = datasets.load(finished.recipe().dataset).input
    mine = stages(
        finished,
        tmp_path,
        keras_file(tmp_path / "mine.keras", finished),
        ("teacher.scale", spec.scale),
        ("teacher.offset", -spec.zero_point * spec.scale),
        ("convert.targets", ("tflite", "onnx")),
    )
    trained = kept(finished, "teacher", Teacher)
    assert (mine.teacher.kind, mine.teacher.file) == ("tensorflow", "teacher.keras")
    assert mine.teacher.parameters == trained.parameters
    here, there = np.load(mine.logits.path), np.load(kept(finished, "logits", TeacherLogits).path)
    np.testing.assert_allclose(here, there, rtol=2e-3, atol=1e-3)
    exported = {m.name for m in mine.exports.models if m.role == "teacher"}
    assert exported == {"teacher.float32.tflite", "teacher.float32.onnx"}
    assert {p.agreement for p in mine.exports.parity if p.name in exported} == {1.0}


def test_precomputed_logits_teach_and_are_no_model_to_time(logits_taught: Run) -> None:
    rows = logits_taught.rows
    assert set(rows) == {"student.float32.tflite"}
    for row in rows.values():
        assert row["median_ns"] > 0
        assert row["agreement_with_teacher"] > 0.5
        assert row["kl_to_teacher"] > 0
        for absent in ("speedup_vs_teacher", "speedup_ci", "teacher_runtime"):
            assert row[absent] is None
    measured = json.loads((logits_taught.results / "bench" / "local.json").read_text())
    assert measured["comparison"] == []


@pytest.mark.parametrize("test", [True, False])
def test_logits_of_the_test_split_are_handed_on_if_there_are_any(
    finished: Lane, tmp_path: Path, test: bool
) -> None:
    path = logits_file(tmp_path / "logits.npz", finished, test=test)
    mine = stages(finished, tmp_path, path, PLAIN)
    assert [model.role for model in mine.exports.models] == ["student"]
    assert mine.logits.views == 1
    name = mine.exports.teacher_logits
    if not test:
        assert name is None
        return
    assert name is not None
    with np.load(path) as given:
        np.testing.assert_array_equal(np.load(mine.exports.folder / name), given["test"])


def test_views_that_precomputed_logits_lack_are_refused_with_advice_that_works(
    finished: Lane, tmp_path: Path
) -> None:
    path = logits_file(tmp_path / "logits.npz", finished)
    views = (("augmentation.crop", 0.5), ("augmentation.brightness", 0.2))
    advice = (
        "Set augmentation.shift = 0, augmentation.crop = 1.0, augmentation.brightness = 0.0, or"
    )
    with pytest.raises(InputError, match=advice):
        stages(finished, tmp_path / "refused", path, *views)
    plain = (("augmentation.crop", 1.0), ("augmentation.brightness", 0.0))
    mine = stages(finished, tmp_path / "taken", path, *views, *plain, ("augmentation.shift", 0))
    assert mine.logits.views == 1


@pytest.mark.parametrize(
    ("suffix", "dtype", "precision"),
    [("onnx", "uint8", "float32"), ("tflite", None, "float32"), ("tflite", "uint8", "int8")],
)
def test_the_precision_of_a_file_is_that_of_its_operators_not_of_its_input(
    finished: Lane, tmp_path: Path, suffix: str, dtype: str | None, precision: str
) -> None:
    path, data = tmp_path / f"mine.{suffix}", datasets.load(finished.recipe().dataset)
    if suffix == "onnx":
        onnx_file(path, data, uint8=True)
        settings: tuple[Setting, ...] = ()
    else:
        tflite_file(path, data, dtype=dtype)
        settings = (("teacher.scale", 1 / 255), ("teacher.output", "probabilities"))
    exports = stages(finished, tmp_path, path, *settings).exports
    (mine,) = [model for model in exports.models if model.role == "teacher"]
    assert (mine.name, mine.precision) == (f"teacher.{suffix}", precision)


@pytest.mark.parametrize("run", ["onnx_taught", "logits_taught"])
def test_a_teacher_that_moved_is_the_same_teacher(
    run: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    done: Run = request.getfixturevalue(run)
    before = Path(str(dict(done.settings)["teacher.file"]))
    moved = tmp_path / f"elsewhere{before.suffix}"
    shutil.copyfile(before, moved)
    plan = done.plan(("teacher.file", moved))
    fresh = {name for name, step in plan.items() if not step.reused}
    assert fresh == {"bench", "report"}


def test_other_contents_at_the_same_place_are_another_teacher(
    finished: Lane, tmp_path: Path
) -> None:
    import onnx

    path = tmp_path / "mine.onnx"
    shutil.copyfile(exported(finished, "onnx"), path)
    lane = replace(finished, out=tmp_path)
    lane.runner(("teacher.file", path))
    first = lane.runner(("teacher.file", path)).plan()[0].folder
    network = onnx.load(path)
    network.producer_version = "tuned"
    onnx.save(network, path)
    assert lane.runner(("teacher.file", path)).plan()[0].folder != first


def test_a_file_that_changes_while_it_is_read_is_not_kept(finished: Lane, tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    shutil.copyfile(exported(finished, "onnx"), path)

    class Changing(SilentConsole):
        def say(self, text: str) -> None:
            if "mine.onnx: right for" in text:
                shutil.copyfile(exported(finished, "tflite"), path)

    lane = replace(finished, out=tmp_path, console=Changing())
    with pytest.raises(InputError, match=r"stage teacher: .* changed while it ran"):
        lane.run(("teacher.file", path))
    assert not list((tmp_path / ".store").glob("teacher-*"))


def test_the_plan_names_a_changed_teacher_file(onnx_taught: Run, finished: Lane) -> None:
    step = onnx_taught.plan(("teacher.file", exported(finished, "tflite")))["teacher"]
    assert not step.reused
    assert re.search(r"teacher\.file onnx \w+… → tflite \w+…", step.reason)


def test_the_trained_teacher_and_a_file_of_it_are_not_taken_for_one(
    finished: Lane,
) -> None:
    runner = finished.runner(BOTH, ("teacher.file", exported(finished, "onnx")))
    assert [step.reused for step in runner.plan()] == [False] * 7


def test_a_network_that_a_format_cannot_hold_still_teaches(finished: Lane, tmp_path: Path) -> None:
    """TFLite has no singular values: the file is left out, with a message."""
    import tensorflow as tf

    console = SilentConsole()
    data = job(finished, tmp_path / "scratch").dataset()

    def serve(image: Any) -> Any:
        return tf.linalg.svd(tf.reshape(image, [1, 12, 12]), compute_uv=False)[:, :3]

    function = ServingFunction(input=data.input, call=serve)
    network = Network(
        name="teacher",
        role="teacher",
        function=lambda precision, file: function,
        logits=lambda raw: np.zeros((len(raw), 3), np.float32),
        parameters=None,
        macs=None,
    )
    images = data[Split.VAL].raw
    exporter = Exporter(
        folder=tmp_path,
        scratch=tmp_path / "scratch",
        samples=SampleSets(calibration=images, comparison=images, pair=lambda: images),
        say=console.say,
    )
    files = [(network, "tflite", "float32")]
    assert convert.export_all(files, exporter, optional=("teacher",)) == []
    assert "the teacher is not measured as tflite" in console.lines[-1]
    with pytest.raises(ProofError, match=r"(?s)1 of 1 files.*teacher\.float32\.tflite"):
        convert.export_all(files, exporter)

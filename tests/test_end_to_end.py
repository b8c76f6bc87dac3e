"""The whole lane with the real libraries, on a tiny data set."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.engine.progress import SilentConsole
from targets.bench.statistics import summarise
from targets.evaluation.metrics import wilson_interval
from tests.conftest import Lane, stripes

BOTH = ("convert.targets", ["tflite", "onnx"])
TFLITE = "models/student.int8.tflite"


def report(results: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((results / "report.json").read_text())
    return content


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def results(finished: Lane) -> Path:
    return finished.out / "tiny"


def test_every_promised_file_is_there(results: Path) -> None:
    names = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    models = {
        f"models/{model}.{target}{sidecar}"
        for model in ("teacher.float32", "student.float32", "student.int8")
        for target in ("tflite", "onnx")
        for sidecar in ("", ".json")
    }
    others = {
        "report.html", "report.json", "labels.txt", "provenance.json", "bench/local.json",
        "predictions/local.json", "samples/samples.json",
    }  # fmt: skip
    samples = {f"samples/{place:02d}.png" for place in range(32)}
    assert names == models | others | samples
    assert (results / "labels.txt").read_text().split() == ["across", "down", "slanted"]


def test_the_report_holds_accuracy_against_chance(results: Path) -> None:
    content = report(results)
    assert content["dataset"]["majority_share"] == pytest.approx(1 / 3)
    assert not [note for note in content["notes"] if "Not shown to be better" in note]
    assert all(row["top1_ci"][0] > 1 / 3 for row in content["models"])


def test_the_report_has_a_measured_row_for_every_model(results: Path) -> None:
    content = report(results)
    rows, images = content["models"], content["dataset"]["test"]
    assert len(rows) == 6
    for row in rows:
        path = results / row["file"]
        assert row["sha256"] == digest(path)
        assert row["size_bytes"] == path.stat().st_size
        assert row["top1_ci"] == [*wilson_interval(row["top1"], images)]
        assert row["median_ns"] > 0
        assert row["p90_ns"] > 0
        assert row["runtime"].startswith("ai_edge" if row["format"] == "tflite" else "onnxruntime")
        assert row["teacher_runtime"] == row["runtime"]
        assert row["median_ci"] is None  # two processes are too few for an interval
        assert row["speedup_verdict"] == "invalid"  # and for a verdict
        assert (row["speedup_vs_teacher"], row["speedup_ci"]) == (None, None)
        assert row["peak_memory_bytes"] > 10e6
        assert row["valid"] is (row["invalid_reasons"] == [])
        for regression in ("negative_flip_rate", "worst_class_change"):
            assert (row[regression] is None) == (row["role"] == "teacher")  # made from nothing


def test_a_file_is_recommended_on_each_device(results: Path) -> None:
    content = report(results)
    (found,) = content["recommended"]
    assert found["device"] == "local"
    students = [row for row in content["models"] if row["role"] != "teacher"]
    smallest = min(students, key=lambda row: row["size_bytes"])
    assert found["smallest"] == smallest["name"]
    assert found["fastest"] is None  # two processes
    for row in content["models"]:
        made_from_float = (row["role"], row["precision"]) == ("student_qat", "int8")
        assert (row["accuracy_change"] is not None) == made_from_float


def test_the_teacher_is_its_own_baseline_in_each_runtime(results: Path) -> None:
    for row in report(results)["models"]:
        if row["role"] == "teacher":
            assert row["agreement_with_teacher"] == 1.0
            assert row["kl_to_teacher"] == pytest.approx(0, abs=1e-9)


def test_the_tiny_lane_learns(results: Path) -> None:
    """Chance is a third: this fails when training, conversion or measurement is broken."""
    assert {row["name"]: row["top1"] > 0.9 for row in report(results)["models"]} == {
        row["name"]: True for row in report(results)["models"]
    }


def test_summaries_can_be_computed_again_from_the_raw_samples(results: Path) -> None:
    measured = json.loads((results / "bench" / "local.json").read_text())
    for row in report(results)["models"]:
        blocks = [b["samples_ns"] for b in measured["blocks"] if b["model"] == row["name"]]
        again = summarise(blocks)
        assert (again.median_ns, again.p90_ns) == (row["median_ns"], row["p90_ns"])


def test_measuring_processes_are_fresh_and_thin(results: Path) -> None:
    blocks = json.loads((results / "bench" / "local.json").read_text())["blocks"]
    assert len({block["pid"] for block in blocks}) == len(blocks) == 12
    assert not any(block["tensorflow_imported"] for block in blocks)
    orders = [[b["model"] for b in blocks if b["index"] == index] for index in range(2)]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]  # shuffled: with this recipe's seed they differ


def test_int8_files_say_the_same_in_both_formats(results: Path) -> None:
    measured = json.loads((results / "bench" / "local.json").read_text())
    hashes = {a["model"]: a["outputs_sha256"] for a in measured["accuracy"]}
    assert hashes["student.int8.tflite"] == hashes["student.int8.onnx"]
    assert hashes["student.int8.tflite"] != hashes["student.float32.tflite"]


def test_the_page_shows_every_model_and_fetches_nothing(results: Path) -> None:
    page = (results / "report.html").read_text()
    for row in report(results)["models"]:
        assert row["name"] in page
    assert "<svg" in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_provenance_names_what_each_stage_was_made_from(results: Path) -> None:
    stages = json.loads((results / "provenance.json").read_text())["stages"]
    assert set(stages) == {"teacher", "logits", "distill", "quantize", "convert"}
    assert stages["distill"]["made_from"]["recipe"]["distill"]["temperature"] == 4.0
    assert stages["convert"]["files"]["models/student.int8.onnx"]


def test_a_second_run_reuses_everything_but_bench_and_report(finished: Lane) -> None:
    again = replace(finished, console=SilentConsole())
    before = digest(finished.out / "tiny" / TFLITE)
    results, steps = again.run(BOTH)
    assert [name for name, step in steps.items() if step.reused] == [
        "teacher",
        "logits",
        "distill",
        "quantize",
        "convert",
    ]
    assert digest(results / TFLITE) == before


def test_a_plan_says_why(finished: Lane) -> None:
    changed = finished.runner(BOTH, ("distill.temperature", 2)).plan()
    steps = {step.name: (step.reused, step.reason) for step in changed}
    assert steps["teacher"] == (True, "nothing changed")
    assert steps["distill"] == (False, "distill.temperature 4.0 → 2.0")
    assert steps["quantize"][1].startswith("waits for distill")
    assert steps["bench"] == (False, "always made again")
    forced = finished.runner(BOTH, force=("distill",)).plan()
    assert {step.name: step.reason for step in forced}["distill"] == "--force"


def test_a_forced_stage_is_made_again_to_the_same_bytes(lane: Lane, finished: Lane) -> None:
    shutil.copytree(finished.out / ".store", lane.out / ".store")
    _, steps = lane.run(BOTH, ("bench.enabled", False), force=("distill",))
    assert not steps["distill"].reused
    assert steps["quantize"].reused  # the forced result has the bytes of the one before


def test_damage_in_the_store_is_repaired_and_reported(lane: Lane, finished: Lane) -> None:
    shutil.copytree(finished.out / ".store", lane.out / ".store")
    (exports,) = (lane.out / ".store").glob("convert-*")
    (exports / TFLITE).write_bytes(b"rotten")
    results, steps = lane.run(BOTH, ("bench.enabled", False))
    assert steps["convert"].reason == f"the stored result is damaged ({TFLITE})"
    assert digest(results / TFLITE) == digest(finished.out / "tiny" / TFLITE)


def test_without_a_bench_nothing_is_invented(lane: Lane, finished: Lane) -> None:
    shutil.copytree(finished.out / ".store", lane.out / ".store")
    results, _ = lane.run(BOTH, ("bench.enabled", False))
    for row in report(results)["models"]:
        assert row["size_bytes"] > 0
        for key in ("top1", "median_ns", "speedup_vs_teacher", "device", "runtime"):
            assert row[key] is None
    assert "Nothing was measured" in (results / "report.html").read_text()
    assert not (results / "bench").exists()


def test_a_mobilenet_v2_of_colour_images_is_int8_in_both_formats(
    lane: Lane, tmp_path: Path
) -> None:
    """Residual additions, three channels, not square: what the tiny recipe does not have."""
    grey = stripes(side=16)
    colour = np.stack([grey["images"]] * 3, axis=-1)[:, :, :14]
    np.savez(tmp_path / "colour.npz", **{**grey, "images": colour})
    results, _ = replace(lane, data_file=tmp_path / "colour.npz").run(
        BOTH, ("distill.family", "mobilenet_v2"), ("teacher.epochs", 1), ("distill.epochs", 1)
    )
    rows = {row["name"]: row for row in report(results)["parity"]}
    for name in ("student.int8.tflite", "student.int8.onnx"):
        assert rows[name]["float_ops"] == 0
        assert rows[name]["int8_ops"] > 20
    measured = json.loads((results / "bench" / "local.json").read_text())
    hashes = {a["model"]: a["outputs_sha256"] for a in measured["accuracy"]}
    assert hashes["student.int8.tflite"] == hashes["student.int8.onnx"]

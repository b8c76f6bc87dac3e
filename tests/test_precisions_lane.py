"""Every precision of every format comes out of one lane, each shown to be what was asked for."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from targets.errors import ProofError
from targets.formats import FORMATS
from targets.formats.contract import ExportContext
from targets.formats.onnx import inspect as inspect_onnx
from targets.formats.precisions import PRECISIONS
from targets.formats.tflite import inspect as inspect_tflite
from targets.formats.tflite import proofs
from tests.conftest import Lane
from tests.formats import OtherNetwork, offered
from tests.kept import Setting
from tests.test_end_to_end import report

OFF: Setting = ("bench.enabled", False)
Content = dict[str, Any]


@pytest.fixture(scope="module")
def tflite(finished: Lane, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Content]:
    """The six of TFLite, of the finished lane's networks."""
    return converted(finished, tmp_path_factory.mktemp("six"), "tflite")


@pytest.fixture(scope="module")
def both(finished: Lane, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Content]:
    """The four that both formats can hold."""
    return converted(finished, tmp_path_factory.mktemp("four"), "tflite", "onnx")


def converted(finished: Lane, out: Path, *targets: str) -> tuple[Path, Content]:
    shutil.copytree(finished.out / ".store", out / ".store")
    chosen = [name for name, precision in PRECISIONS.items() if precision.chosen]
    precisions = [p for p in chosen if all(p in FORMATS[t].precisions for t in targets)]
    results, steps = replace(finished, out=out).run(
        ("convert.targets", list(targets)), ("convert.precisions", precisions),
        ("convert.keep_float", ["block1_depthwise_conv"]), OFF,
    )  # fmt: skip
    assert [name for name, step in steps.items() if step.reused] == [
        "teacher", "logits", "distill", "quantize",
    ]  # fmt: skip
    return results, report(results)


def students(content: Content, target: str) -> dict[str, Content]:
    """The students' files of a format by their precision."""
    return {
        row["precision"]: row
        for row in content["models"]
        if row["role"] != "teacher" and row["format"] == target
    }


def test_the_report_has_every_precision_of_tflite(tflite: tuple[Path, Content]) -> None:
    results, content = tflite
    rows = students(content, "tflite")
    assert set(rows) == set(FORMATS["tflite"].precisions)
    for precision, row in rows.items():
        assert row["name"] == f"student.{precision}.tflite"
        assert row["size_bytes"] == (results / row["file"]).stat().st_size
        aware = PRECISIONS[precision].quantization_aware
        assert row["role"] == ("student_qat" if aware else "student")
    assert rows["float16"]["size_bytes"] < rows["float32"]["size_bytes"]


def test_the_report_has_every_precision_of_onnx(both: tuple[Path, Content]) -> None:
    assert set(students(both[1], "onnx")) == set(FORMATS["onnx"].precisions)
    assert set(students(both[1], "tflite")) == set(FORMATS["onnx"].precisions)


def test_each_file_is_compared_with_the_network_it_came_from(
    tflite: tuple[Path, Content], both: tuple[Path, Content]
) -> None:
    for _, content in (tflite, both):
        first = {row["name"]: row for row in reversed(content["parity"])}
        assert set(first) == {row["name"] for row in content["models"]}
        for row in content["models"]:
            compared = first[row["name"]]
            assert compared["source"] == row["role"]
            assert compared["samples"] == content["dataset"]["val"]
            assert row["agreement_with_source"] == compared["agreement"] > 0.9
            if row["precision"] == "float32":
                assert compared["agreement"] == 1.0
                assert compared["max_abs_diff"] < 1e-3


def test_the_report_counts_the_operators_of_the_files(
    tflite: tuple[Path, Content], both: tuple[Path, Content]
) -> None:
    for results, content in (tflite, both):
        for row in content["parity"]:
            path = results / "models" / row["name"]
            look = inspect_tflite if row["format"] == "tflite" else inspect_onnx
            actual = look.inspect(path)
            assert (row["int8_ops"], row["float_ops"]) == (actual.int8_ops, actual.float_ops)
            if row["precision"] in ("int8", "int8_ptq"):
                assert row["float_ops"] == 0
                assert row["int8_ops"] > 5
            if row["precision"] in ("float32", "float16"):
                assert row["float_ops"] > 5


def test_each_tflite_file_is_what_was_asked_for(tflite: tuple[Path, Content]) -> None:
    results, _ = tflite
    models = results / "models"
    proofs.require_float16(models / "student.float16.tflite")
    proofs.require_dynamic(models / "student.dynamic.tflite")
    proofs.require_int16x8(models / "student.int16x8.tflite")


def test_both_formats_agree_over_the_whole_test_split(both: tuple[Path, Content]) -> None:
    _, content = both
    across = {row["name"]: row for row in content["parity"] if row["source"].endswith(".tflite")}
    assert set(across) == {f"student.{p}.onnx" for p in ("int8", "mixed", "int8_ptq")}
    for name, row in across.items():
        assert row["source"] == name.replace(".onnx", ".tflite")
        assert row["samples"] == content["dataset"]["test"] == 120
        assert row["agreement"] >= 0.999
        assert row["scales_equal"] is True


def test_the_scale_table_has_every_tensor_of_both_files(both: tuple[Path, Content]) -> None:
    scales = both[1]["scales"]
    assert {row["kind"] for row in scales} == {"activation", "weights", "bias"}
    assert all(row["equal"] for row in scales)
    paired = [row for row in scales if row["tensor"] and row["onnx_tensor"]]
    assert len(paired) > 20
    for row in paired:
        assert row["tflite_scale"] == row["onnx_scale"]
        assert row["tflite_zero_point"] == row["onnx_zero_point"]
    assert max(row["channels"] for row in scales) > 1


def test_without_onnx_there_is_no_scale_table(tflite: tuple[Path, Content]) -> None:
    assert tflite[1]["scales"] == []
    assert {row["scales_equal"] for row in tflite[1]["parity"]} == {None}


def test_a_run_with_a_file_that_is_not_proved_names_the_others_and_publishes_none(
    finished: Lane, tmp_path: Path
) -> None:
    with OtherNetwork("int8_ptq").offered(), pytest.raises(ProofError) as error:
        converted(finished, tmp_path, "tflite", "onnx")
    message, first, second = str(error.value).split("\n- ")
    assert "2 of 12 files are not proved" in message
    assert {f"student.{p}.{t}" for p in ("float32", "int8") for t in ("tflite", "onnx")} <= {
        name.strip() for name in message.split("Proved: ")[1].split(". Not")[0].split(",")
    }
    assert first.startswith("student.int8_ptq.tflite: differs from the network")
    assert second == (
        "student.int8_ptq.onnx: is made from student.int8_ptq.tflite, which is refused."
    )
    assert not (tmp_path / "tiny").exists()
    kept = {path.name.split("-")[0] for path in (tmp_path / ".store").iterdir()}
    assert {"teacher", "logits", "distill", "quantize"} <= kept


def test_the_settings_of_a_format_reach_its_export(finished: Lane, tmp_path: Path) -> None:
    """`convert.onnx_weights` is the option `weights` of onnx."""
    found: list[dict[str, str]] = []

    def export(*_: object, context: ExportContext) -> None:
        found.append(dict(context.options))
        raise ProofError("not written")

    shutil.copytree(finished.out / ".store", tmp_path / ".store")
    sets: list[Setting] = [
        ("convert.targets", ["onnx"]), ("convert.precisions", ["int8"]),
        ("convert.onnx_weights", "int8"), OFF,
    ]  # fmt: skip
    with (
        offered("onnx", export=export),
        pytest.raises(ProofError, match="2 of 2 files are not proved"),
    ):
        replace(finished, out=tmp_path).run(*sets)
    assert found == [{"weights": "int8"}] * 2

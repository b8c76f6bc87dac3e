"""Any model file is measured, or is one clear error beside the results of the others."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest

from pipeline.cli.app import main
from pipeline.cli.bench_request import shape
from pipeline.reporting.pages import bench as bench_page
from pipeline.reporting.tables.bench import print_measured, rows
from targets.bench.assemble import baselines
from targets.bench.plan import BenchPlan
from targets.bench.request import BenchRequest, cases
from targets.bench.result import BenchResult, read
from targets.bench.summary import comparisons, summarise_blocks
from targets.bench.validity import judged
from targets.errors import EdgeDistillError, InputError
from targets.runtimes import RUNTIMES
from tests.blocks import block
from tests.brief import brief
from tests.conftest import Lane
from tests.test_result import document as result_document

FLOAT, INT64, STRING = 1, 7, 8


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest tier in a fraction of its time; no process waits to be warm."""
    brief(monkeypatch)


Write = Callable[..., Path]


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """An ONNX file of nodes `(operator, inputs, outputs, domain)` and open dimensions."""
    from onnx import TensorProto, helper, save

    folder = tmp_path_factory.mktemp("onnx")

    def write(name: str, nodes: Any, inputs: Any, outputs: Any) -> Path:
        graph = helper.make_graph(
            [helper.make_node(op, of, to, domain=domain) for op, of, to, domain in nodes],
            name,
            [helper.make_tensor_value_info(*one) for one in inputs],
            [helper.make_tensor_value_info(*one) for one in outputs],
        )
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid("nobody.has", 1)]
        path = folder / f"{name}.onnx"
        save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path

    assert (TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING) == (FLOAT, INT64, STRING)
    return write


@pytest.fixture(scope="session")
def text(onnx_file: Write) -> Path:
    """As text networks are: several integer inputs, open in batch and length, scores of classes."""
    return onnx_file(
        "text",
        [
            ("Mul", ["ids", "mask"], ["kept"], ""),
            ("Add", ["kept", "ids"], ["scores"], ""),
        ],
        [("ids", INT64, ["n", "length"]), ("mask", INT64, ["n", "length"])],
        [("scores", INT64, ["n", "length"])],
    )


@pytest.fixture(scope="session")
def foreign(onnx_file: Write) -> Path:
    node = ("Unheard", ["x"], ["y"], "nobody.has")
    return onnx_file("foreign", [node], [("x", FLOAT, [1, 3])], [("y", FLOAT, [1, 3])])


def bench(tmp_path: Path, *argv: object) -> Any:
    """The command in this process: its tier is the patched one."""
    given = ["bench", *map(str, argv), "--tier", "rapid", "--out", str(tmp_path / "bench")]
    return click.testing.CliRunner().invoke(main, given, standalone_mode=False)


def document(tmp_path: Path) -> BenchResult:
    return read(tmp_path / "bench" / "local.json")


@pytest.fixture
def models(finished: Lane) -> Path:
    return finished.out / "tiny" / "models"


def test_both_formats_are_measured_compared_and_right(
    models: Path, tmp_path: Path, data_file: Path
) -> None:
    int8, other = models / "student.int8.tflite", models / "student.float32.onnx"
    done = bench(tmp_path, int8, other, "--baseline", other, "--data", data_file)
    assert done.return_value == 0, done.output
    seen = document(tmp_path)
    assert {row.model for row in seen.summary} == {int8.name, other.name}
    for row in seen.summary:
        assert row.median_ns is not None
        assert row.load_ns is not None
        assert row.first_inference_ns is not None
        assert row.peak_memory_bytes is not None
        assert row.peak_memory_bytes > 10e6
    (compared,) = seen.comparison
    assert (compared.baseline, compared.candidate) == (other.name, int8.name)
    assert compared.verdict == "invalid"  # two processes can show nothing
    accuracy = {row.model: row for row in seen.accuracy}
    assert accuracy[int8.name].samples == 480
    assert (accuracy[int8.name].top1 or 0) > 0.9
    assert (accuracy[int8.name].agreement or 0) > 0.9
    for word in ("student.int8.tflite", "median", "first", "load", "peak memory", "agrees %"):
        assert word in done.output


def test_every_summary_can_be_computed_again_from_the_file(models: Path, tmp_path: Path) -> None:
    int8, other = models / "student.int8.tflite", models / "student.int8.onnx"
    bench(tmp_path, int8, other, "--baseline", other)
    seen = document(tmp_path)
    names = [model.name for model in seen.models]
    assert summarise_blocks(seen.blocks, seen.memory, names) == seen.summary
    assert comparisons(seen.blocks, other.name, [int8.name]) == seen.comparison


def test_a_text_network_with_open_dimensions_needs_their_sizes(text: Path, tmp_path: Path) -> None:
    done = bench(tmp_path, text)
    assert done.return_value == 2
    assert "not the batch: 'ids' int64 [?, ?]; 'mask' int64 [?, ?]" in done.output
    assert "--shape ids=1,N --shape mask=1,N." in done.output
    done = bench(tmp_path, text, "--shape", "ids=1,16", "--shape", "mask=1,16", "--profile")
    assert done.return_value == 0, done.output
    seen = document(tmp_path)
    assert [tensor.name for tensor in seen.models[0].inputs or ()] == ["ids", "mask"]
    (profile,) = seen.op_profile
    assert {op.type for op in profile.ops or ()} == {"Mul", "Add"}


def test_an_input_is_given_a_file(text: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.arange(4)[None])
    np.save(tmp_path / "mask.npy", np.ones((1, 4), np.int64))
    given = ["--input", f"ids={tmp_path}/ids.npy", "--input", f"mask={tmp_path}/mask.npy"]
    assert bench(tmp_path, text, *given).return_value == 0


def test_what_cannot_be_measured_is_told_and_the_others_stand(
    models: Path, foreign: Path, onnx_file: Write, tmp_path: Path
) -> None:
    good = models / "student.int8.tflite"
    same = ("Identity", ["said"], ["y"], "")
    words = onnx_file("said", [same], [("said", STRING, [1])], [("y", STRING, [1])])
    np.save(tmp_path / "said.npy", np.array(["dog"]))
    whole = good.read_bytes()
    (tmp_path / "cut.tflite").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "words.onnx").write_text("not a model at all")
    broken = [tmp_path / "cut.tflite", tmp_path / "words.onnx", foreign, words]
    given = ["--input", f"said={tmp_path}/said.npy"]
    done = bench(tmp_path, *broken[:1], good, *broken[1:], *given)
    assert done.return_value == 2
    assert "cut.tflite: ai_edge_litert cannot load it: " in done.output
    assert "words.onnx: onnxruntime cannot load it: " in done.output
    assert "foreign.onnx: holds an operator that onnxruntime does not have: " in done.output
    assert "Unheard" in done.output
    assert "said.onnx: input 'said' takes tensor(string), and only numbers" in done.output
    seen = document(tmp_path)
    assert [row.model for row in seen.summary] == [good.name]
    assert [model.error is None for model in seen.models] == [False, True, False, False, False]


def test_data_of_another_shape_is_one_error_and_the_others_stand(
    models: Path, text: Path, tmp_path: Path, data_file: Path
) -> None:
    good = models / "student.int8.tflite"
    done = bench(tmp_path, good, text, "--data", data_file)
    assert done.return_value == 2
    assert "none of its inputs takes a sample of [12, 12]" in done.output
    assert [row.model for row in document(tmp_path).summary] == [good.name]


def test_labels_that_the_model_has_no_scores_for_are_told(models: Path, tmp_path: Path) -> None:
    images = np.zeros((4, 12, 12), np.uint8)
    np.savez(tmp_path / "many.npz", images=images, labels=np.arange(4))
    done = bench(tmp_path, models / "student.int8.tflite", "--data", tmp_path / "many.npz")
    assert done.return_value == 2
    assert (
        "has labels from 0 to 3, and student.int8.tflite gives scores of 3 classes" in done.output
    )


def test_json_is_the_document(models: Path, tmp_path: Path) -> None:
    done = bench(tmp_path, models / "student.int8.tflite", "--json")
    shown = json.loads(done.stdout)
    assert shown == json.loads((tmp_path / "bench" / "local.json").read_text())
    assert shown["schema"] == "bench-result/1"


def test_a_stored_measurement_is_shown_again_and_another_version_refused(
    models: Path, tmp_path: Path
) -> None:
    done = bench(tmp_path, models / "student.int8.tflite")
    stored = tmp_path / "bench" / "local.json"
    runner = click.testing.CliRunner()
    shown = runner.invoke(main, ["report", str(stored)], standalone_mode=False)
    assert shown.stdout.splitlines()[:2] == done.stdout.splitlines()[:2]
    stored.write_text(stored.read_text().replace("bench-result/1", "bench-result/2"))
    refused = runner.invoke(main, ["report", str(stored)], standalone_mode=False)
    assert "only 'bench-result/1' can be read here" in str(refused.exception)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["none.tflite"], "model none.tflite: there is no such file"),
        (["model.keras"], "its name must end in .tflite or .onnx"),
        (["GOOD", "--device", "locl"], "--device: unknown device 'locl'; did you mean 'local'?"),
        (["GOOD", "--threads", "0"], "--threads 0: is a whole number above 0, or big"),
        (["GOOD", "--runtime", "onnx"], "unknown runtime 'onnx'; did you mean 'onnxruntime'?"),
        (["GOOD", "--runtime", "onnxruntime"], "--runtime onnxruntime: takes no tflite files"),
        (["GOOD", "--shape", "x"], "--shape x: is not NAME=VALUE"),
        (["GOOD", "--shape", "x=1,b"], "--shape x=1,b: sizes are whole numbers above 0"),
        (["GOOD", "--shape", "nobody=1,3"], "--shape: unknown input 'nobody'"),
        (["GOOD", "--scale", "much"], "--scale much: is a number"),
        (["GOOD", "--data", "none.npz"], "--data none.npz: there is no such file or folder"),
        (["GOOD", "--native", "none"], "none is not there"),
    ],
)
def test_a_mistake_is_told_before_anything_is_measured(
    models: Path, tmp_path: Path, argv: list[str], said: str
) -> None:
    good = str(models / "student.int8.tflite")
    done = bench(tmp_path, *[good if part == "GOOD" else part for part in argv])
    assert isinstance(done.exception, EdgeDistillError)
    assert done.exception.exit_code == 2
    assert said in str(done.exception)
    assert not (tmp_path / "bench").exists()


def request(*models: Path, **changes: Any) -> BenchRequest:
    return replace(BenchRequest(models=models, plan=BenchPlan.of_tier("rapid")), **changes)


def test_each_file_runtime_and_number_of_threads_is_a_row(models: Path) -> None:
    int8 = models / "student.int8.tflite"
    runtimes = (RUNTIMES["ai_edge_litert"], RUNTIMES["tflite_runtime"])
    found = cases(request(int8, runtimes=runtimes, threads=(1, 2)))
    assert list(found) == [
        f"student.int8.tflite in {runtime} ({threads})"
        for runtime in ("ai_edge_litert", "tflite_runtime")
        for threads in ("1 thread", "2 threads")
    ]


def test_files_of_one_name_are_told_apart_by_their_folders(models: Path, tmp_path: Path) -> None:
    here, there = models / "student.int8.tflite", tmp_path / "student.int8.tflite"
    there.write_bytes(here.read_bytes())
    assert list(cases(request(here, there))) == [str(here), str(there)]


def test_a_model_is_compared_with_the_baseline_on_as_many_threads(models: Path) -> None:
    int8, other = models / "student.int8.tflite", models / "student.int8.onnx"
    asked = request(int8, baselines={int8: other}, threads=(1, 2))
    pairs = baselines(asked, cases(asked))
    assert pairs == {
        "student.int8.tflite (1 thread)": "student.int8.onnx (1 thread)",
        "student.int8.tflite (2 threads)": "student.int8.onnx (2 threads)",
    }


def test_a_name_of_an_input_may_hold_a_colon() -> None:
    assert shape("serving_default_x:0=1,3") == ("serving_default_x:0", (1, 3))
    with pytest.raises(InputError, match="sizes are whole numbers"):
        shape("x=1,,3")


def test_the_terminal_and_the_page_of_a_disturbed_measurement_claim_no_speed_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet, disturbed = measured_document(), measured_document(others_cpu=1.5)
    print_measured({"local": quiet})
    assert re.search(r"2\.\d\dx \(.*faster", capsys.readouterr().out)
    print_measured({"local": disturbed}, details="bench.html")
    out = capsys.readouterr().out
    assert "speed-up" not in out
    assert out.splitlines()[-1] == (
        "disturbed: others used 1.50 of 2 cores in 12 of 12 blocks: no verdict; "
        "details in bench.html"
    )
    bench_page.write({"local": disturbed}, {}, tmp_path / "bench.html")
    page = (tmp_path / "bench.html").read_text()
    assert not re.search(r"\d\.\d\dx", page)
    assert page.count("1.50 of 2 cores</span>") == 2
    assert page.count("<td data-label=") == page.count("<td")


def test_a_ratio_in_a_document_of_before_is_not_shown_beside_an_invalid_verdict() -> None:
    quiet = measured_document()
    old = quiet.comparison[0].model_copy(update={"verdict": "invalid"})
    header, cells = rows({"local": quiet.model_copy(update={"comparison": (old,)})})
    assert "speed-up" not in header
    assert "invalid" in cells[1]


def measured_document(others_cpu: float = 0.02) -> BenchResult:
    """Six rounds of two models, the second twice as fast, beside other work."""
    blocks = [
        judged(
            block(name, index, others_cpu=others_cpu, samples_ns=[ns + index * 10] * 70),
            sentinel_baseline_ns=None,
            cpus=2,
        )
        for index in range(6)
        for name, ns in (("slow.onnx", 800_000), ("fast.onnx", 400_000))
    ]
    names = ("slow.onnx", "fast.onnx")
    return result_document(
        models=[{"name": n, "format": "onnx", "sha256": None, "size_bytes": 9} for n in names],
        blocks=blocks,
        summary=summarise_blocks(blocks, names=names),
        comparison=comparisons(blocks, "slow.onnx", ["fast.onnx"]),
        memory=(),
        accuracy=(),
        op_profile=(),
    )

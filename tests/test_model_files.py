"""A model is all of its files: weights that lie beside it are measured, digested and sent along."""

import hashlib
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from pipeline.cli.app import main
from targets.bench import model_files
from targets.bench.model_files import ModelFiles
from targets.bench.result import read
from targets.errors import InputError
from tests.brief import brief

WIDTH = 64


def files_of(path: Path) -> ModelFiles:
    return model_files.files_of(path)


def outside(name: str, location: str) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def network() -> Any:
    """y = x W, W in the graph's initializers."""
    value = helper.make_tensor_value_info
    weights = numpy_helper.from_array(np.eye(WIDTH, dtype=np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
        [value("x", 1, ["n", WIDTH])], [value("y", 1, ["n", WIDTH])], [weights],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """As torch.onnx.export writes it."""
    path = tmp_path / "split.onnx"
    onnx.save_model(
        network(), str(path), save_as_external_data=True, location="split.onnx.data",
        size_threshold=0,
    )  # fmt: skip
    return path


def bench(tmp_path: Path, *argv: object) -> Any:
    given = ["bench", *map(str, argv), "--tier", "rapid", "--out", str(tmp_path / "bench")]
    return click.testing.CliRunner().invoke(main, given, standalone_mode=False)


def test_size_and_digest_are_of_all_files(split: Path) -> None:
    data = split.with_name("split.onnx.data")
    files = files_of(split)
    assert files.all == (split, data)
    assert files.size_bytes == split.stat().st_size + data.stat().st_size > 4 * WIDTH**2
    lines = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in (split, data))
    before = files.sha256
    assert before == hashlib.sha256("".join(f"{one}\n" for one in lines).encode()).hexdigest()
    data.write_bytes(bytes(4 * WIDTH**2))
    assert files_of(split).sha256 != before


def test_a_single_file_has_its_own_digest(tmp_path: Path) -> None:
    onnx.save(network(), tmp_path / "one.onnx")
    files = files_of(tmp_path / "one.onnx")
    assert files.all == (tmp_path / "one.onnx",)
    assert files.sha256 == hashlib.sha256((tmp_path / "one.onnx").read_bytes()).hexdigest()


def test_files_are_found_wherever_a_tensor_can_stand(tmp_path: Path) -> None:
    constant = helper.make_node("Constant", [], ["c"], value=outside("c", "constant"))
    inner = helper.make_graph([constant], "inner", [], [], [outside("i", "deep/inner")])
    branch = helper.make_node("If", ["t"], ["y"], then_branch=inner, else_branch=inner)
    model = helper.make_model(helper.make_graph([branch], "g", [], [], [outside("w", "weights")]))
    node = helper.make_node("Constant", [], ["f"], value=outside("f", "function"))
    opsets = [helper.make_opsetid("", 13)]
    model.functions.append(helper.make_function("d", "f", [], ["f"], [node], opsets))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "deep").mkdir()
    names = ("constant", "deep/inner", "function", "weights")
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert files_of(tmp_path / "m.onnx").beside == names


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../secret"])
def test_nothing_outside_of_the_folder_is_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    folder = tmp_path / "model"
    (folder / "a").mkdir(parents=True)
    graph = helper.make_graph([], "g", [], [], [outside("w", location)])
    (folder / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(InputError, match="outside of its folder"):
        files_of(folder / "m.onnx")


def test_a_missing_file_is_that_models_error(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief(monkeypatch)
    (tmp_path / "alone").mkdir()
    alone = tmp_path / "alone" / "alone.onnx"
    alone.write_bytes(split.read_bytes())
    done = bench(tmp_path, alone, split)
    assert done.return_value == 2
    assert f"{alone}: keeps its weights in {alone.parent}/split.onnx.data, and" in done.output
    lost, whole = read(tmp_path / "bench" / "local.json").models
    assert (lost.size_bytes, lost.sha256) == (None, None)
    assert whole.size_bytes == files_of(split).size_bytes
    assert whole.error is None

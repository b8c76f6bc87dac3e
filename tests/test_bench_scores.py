"""What `pipeline bench` reads from a classifier's outputs: a right figure, or a word why not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest

from pipeline.cli import main
from targets.bench.record import AccuracyPass
from targets.bench.result import Document, read
from tests.brief import brief

SAMPLES, CLASSES = 40, 4
Node = tuple[str, Sequence[str], Sequence[str], dict[str, Any]]
Output = tuple[str, str, Sequence[int | str]]
"""Name, numpy's name of the type, shape."""
SCORES: Output = ("scores", "float32", ["n", CLASSES])
SAME: Node = ("Identity", ["x"], ["scores"], {})


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    brief(monkeypatch)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples [4] whose largest value is the label's, each class as often as any other."""
    labels = np.arange(SAMPLES) % CLASSES
    x = np.random.default_rng(0).uniform(0, 1, (SAMPLES, CLASSES)).astype(np.float32)
    x[np.arange(SAMPLES), labels] += 1
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(path, samples=x, labels=labels)
    return path


Write = Callable[..., Path]


@pytest.fixture
def network(tmp_path: Path) -> Write:
    """An ONNX file of nodes behind the input "x" [n, 4]."""
    from onnx import helper, numpy_helper, save

    def value(name: str, dtype: str, shape: Sequence[int | str]) -> Any:
        return helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
        )

    def write(
        name: str,
        *nodes: Node,
        outputs: Sequence[Output] = (SCORES,),
        constants: dict[str, Any] | None = None,
        batch: int | str = "n",
    ) -> Path:
        graph = helper.make_graph(
            [helper.make_node(op, of, to, **more) for op, of, to, more in nodes or (SAME,)],
            name,
            [value("x", "float32", [batch, CLASSES])],
            [value(*one) for one in outputs],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
        )
        path = tmp_path / f"{name}.onnx"
        opset = [helper.make_opsetid("", 13)]
        save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        return path

    return write


def bench(tmp_path: Path, *argv: object) -> Any:
    given = ["bench", *map(str, argv), "--tier", "rapid", "--out", str(tmp_path / "bench")]
    return click.testing.CliRunner().invoke(main, given, standalone_mode=False)


def document(tmp_path: Path) -> Document:
    return read(tmp_path / "bench" / "local.json")


def accuracy(tmp_path: Path) -> dict[str, AccuracyPass]:
    return {row.model: row for row in document(tmp_path).accuracy}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_an_error_and_no_class(
    network: Write, data: Path, tmp_path: Path, bad: float
) -> None:
    good = network("good")
    constants = {"bad": np.array([0, 0, bad, 0], np.float32)}
    lost = network("lost", ("Add", ["x", "bad"], ["scores"], {}), constants=constants)
    done = bench(tmp_path, good, lost, "--baseline", good, "--data", data)
    assert done.return_value == 2
    assert "lost.onnx: 40 of 40 samples give outputs that are not finite" in done.output
    assert "the first of them sample 0" in done.output
    seen = accuracy(tmp_path)
    assert seen["good.onnx"].top1 == 1
    assert (seen["lost.onnx"].top1, seen["lost.onnx"].agreement) == (None, None)


def test_a_baseline_that_is_not_finite_is_compared_with_nothing(
    network: Write, data: Path, tmp_path: Path
) -> None:
    constants = {"bad": np.full(CLASSES, np.nan, np.float32)}
    lost = network("lost", ("Add", ["x", "bad"], ["scores"], {}), constants=constants)
    good = network("good")
    assert bench(tmp_path, good, "--baseline", lost, "--data", data).return_value == 2
    row = accuracy(tmp_path)["good.onnx"]
    assert (row.top1, row.agreement) == (1, None)

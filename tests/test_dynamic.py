"""Weights of 8 bits beside float32 activations, in both formats and in networks with loops."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tf_keras import Sequential, layers

from pipeline.models.network import NetworkSpec, build
from pipeline.training import session
from pipeline.training.inference import make_predict
from targets.bench.plan import logits_of
from targets.errors import ProofError
from targets.formats import FORMATS
from targets.formats.contract import ExportContext, ServingFunction
from targets.formats.front_end import PREFIX, SoundFrontEnd
from targets.formats.input_spec import InputSpec, array_input, token_input, waveform_input
from targets.formats.onnx.dynamic import export_dynamic, require_dynamic
from targets.formats.onnx.inspect import optimised
from targets.formats.onnx.products import saturating_products
from targets.formats.tflite import proofs
from targets.formats.tflite.inspect import Weights, inspect
from targets.untyped import KerasModel

TOKENS = token_input(24, 90)
SOUND = waveform_input(2000, SoundFrontEnd(rate=4000))
PLAIN, SMALL = "float32", "dynamic"
CASES: dict[str, tuple[InputSpec, dict[str, Any]]] = {
    "gru": (TOKENS, {"embedding": 16, "units": 64}),
    "crnn": (SOUND, {"filters": 8, "units": 32}),
    "transformer": (TOKENS, {"embedding": 48, "layers": 1, "feed_forward": 32}),
}
"""The vectors of positions have 1,024 elements or more."""


@dataclass(frozen=True)
class Files:
    spec: InputSpec
    model: KerasModel
    folder: Path

    def path(self, kind: str, precision: str) -> Path:
        return self.folder / f"student.{precision}.{kind}"


def write(model: KerasModel, spec: InputSpec, path: Path) -> Path:
    """The file of the precision and the format that its name says."""
    _, precision, kind = path.name.split(".")
    function = ServingFunction(input=spec, call=lambda x: model(x, training=False))
    context = ExportContext(samples=np.zeros(0), scratch=path.parent)
    FORMATS[kind].export(function, precision, path, context=context)
    return path


def network(family: str) -> KerasModel:
    session.start(seed=0, threads=2)
    spec, settings = CASES[family]
    return build(
        NetworkSpec(role="student", family=family, settings=settings, input=spec, classes=3)
    )


@pytest.fixture(scope="module", params=CASES)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    spec, _ = CASES[request.param]
    found = Files(spec, network(request.param), tmp_path_factory.mktemp(request.param))
    for kind in ("tflite", "onnx"):
        for precision in (PLAIN, SMALL):
            write(found.model, spec, found.path(kind, precision))
    return found


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_loops_and_attention_have_8_bit_weights(files: Files, kind: str, tmp_path: Path) -> None:
    plain, small = files.path(kind, PLAIN), files.path(kind, SMALL)
    raw = np.random.default_rng(0).integers(0, 90, (32, *files.spec.shape)).astype(files.spec.dtype)
    wanted = make_predict(files.model, files.spec)(raw)
    off = {path: np.abs(wanted - logits_of(path, kind, raw, tmp_path)) for path in (plain, small)}
    assert off[plain].max() < 1e-5 * np.abs(wanted).max() + 1e-6
    assert off[plain].max() < off[small].max() < 0.1 * np.abs(wanted).max()
    assert small.stat().st_size < 0.7 * plain.stat().st_size


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_float_file_is_no_dynamic_one(files: Files, kind: str) -> None:
    require = {"tflite": proofs.require_dynamic, "onnx": require_dynamic}[kind]
    with pytest.raises(ProofError, match="dynamic was asked for, but these weights stay in float"):
        require(files.path(kind, PLAIN))


def test_both_formats_count_the_same_operators_as_float_and_as_front_end(files: Files) -> None:
    for kind in ("tflite", "onnx"):
        plain, small = (FORMATS[kind].inspect(files.path(kind, p)) for p in (PLAIN, SMALL))
        assert plain.int8_ops == 0
        assert small.int8_ops == (files.spec.kind == "tokens")  # the table of vectors
        assert small.float_ops > 3
        assert bool(small.front_ops) == bool(plain.front_ops) == (files.spec.kind == "waveform")


def constants(path: Path) -> dict[str, Any]:
    return {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}


def test_large_weights_are_uint8_where_they_are_multiplied_and_int8_where_they_are_stored(
    files: Files,
) -> None:
    path = files.path("onnx", SMALL)
    graph, held = onnx.load(path).graph, constants(path)
    read_by = {name: node.op_type for node in graph.node for name in node.input}
    large = {name: held[name].dtype for name in held if held[name].size >= 1024}
    of_network = {name: kind for name, kind in large.items() if not name.startswith(PREFIX)}
    matrices = {n for n, kind in of_network.items() if kind == np.uint8}
    stored = {n for n, kind in of_network.items() if kind == np.int8}
    assert {read_by[name] for name in matrices} <= {"MatMulInteger", "Gather"}
    assert {read_by[name] for name in stored} <= {"Cast"}
    assert {read_by[n] for n in of_network.keys() - matrices - stored} <= {"Add"}  # positions
    assert saturating_products(path) == ()


def test_onnx_runtime_makes_stored_kernels_float_when_it_loads_them(files: Files) -> None:
    runs = optimised(files.path("onnx", SMALL))
    constants = {one.name for one in runs.initializer}
    kernels = [node for node in runs.node if node.op_type in ("Conv", "GRU")]
    assert all(node.input[1] in constants for node in kernels)
    assert "Cast" not in {node.op_type for node in runs.node}


def test_a_front_end_keeps_its_matrices(files: Files) -> None:
    plain, small = (constants(files.path("onnx", precision)) for precision in (PLAIN, SMALL))
    front = {name for name in plain if name.startswith(PREFIX)}
    assert bool(front) == (files.spec.front_end is not None)
    for name in front:
        np.testing.assert_array_equal(plain[name], small[name])
        assert plain[name].dtype == small[name].dtype


def test_a_file_has_the_same_bytes_whatever_was_built_before(tmp_path: Path) -> None:
    names = ("first.dynamic.onnx", "second.dynamic.onnx")
    first, second = (write(network("transformer"), TOKENS, tmp_path / name) for name in names)
    assert first.read_bytes() == second.read_bytes()


def test_a_network_without_a_large_matrix_cannot_be_dynamic(tmp_path: Path) -> None:
    spec = array_input(8, 16)
    model = Sequential([layers.Input((8, 16)), layers.Flatten(), layers.Dense(7)])
    with pytest.raises(ProofError, match=r"1,024 elements or more.* ask for float32 or int8_ptq"):
        export_dynamic(lambda x: model(x, training=False), spec, tmp_path / "x.onnx")


@pytest.mark.parametrize("op", ["MatMul", "Transpose"])
def test_a_matrix_in_float_is_found_behind_other_operators(op: str, tmp_path: Path) -> None:
    """And on either side of a product."""
    from onnx import TensorProto, helper

    matrix = numpy_helper.from_array(np.ones((32, 32), np.float32), "matrix")
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("MatMul", ["matrix", "x"], ["y"], name="product")]
    if op == "Transpose":
        nodes = [
            helper.make_node("Transpose", ["matrix"], ["turned"]),
            helper.make_node("MatMul", ["x", "turned"], ["y"], name="product"),
        ]
    ends = [value(name, TensorProto.FLOAT, [32, 32]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], [matrix])
    onnx.save(helper.make_model(graph), tmp_path / "x.onnx")
    with pytest.raises(ProofError, match=r"stay in float: those of MatMul \(product\)"):
        require_dynamic(tmp_path / "x.onnx")


def floats(path: Path) -> list[Weights]:
    """The large constants of a TFLite network that stayed in float."""
    found = inspect(path).constants
    return [c for c in found if c.dtype == "FLOAT32" and c.elements >= 1024 and not c.front]


def test_vectors_of_positions_are_no_weights(files: Files) -> None:
    found = floats(files.path("tflite", SMALL))
    assert len(found) == (files.model.layers[2].name == "positions")
    assert not any(c.multiplied for c in found)


def test_the_empty_results_of_a_loop_are_no_weights(tmp_path: Path) -> None:
    loop = layers.GRU(32, return_sequences=True)
    model = Sequential([layers.Input((40, 8)), loop, layers.Flatten(), layers.Dense(3)])
    path = write(model, array_input(40, 8), tmp_path / "student.dynamic.tflite")
    assert [(c.elements, c.multiplied) for c in floats(path)] == [(40 * 32, False)]


def test_a_kernel_that_the_converter_leaves_in_float_is_an_error(tmp_path: Path) -> None:
    """No operator is known to have none: TFLite does not quantize the kernels of CONV_3D."""
    wide = layers.Conv3D(16, 3, padding="same")
    model = Sequential([layers.Input((4, 4, 4, 8)), wide, layers.Flatten(), layers.Dense(3)])
    with pytest.raises(ProofError, match="these weights stay in float"):
        write(model, array_input(4, 4, 4, 8), tmp_path / "student.dynamic.tflite")

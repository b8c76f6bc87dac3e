"""One int8 ONNX file gives the same on every kind of processor, emulated where it is not here."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.cli.app import main
from targets.bench.agent.kernel import cpu_features
from targets.bench.plan import logits_of
from targets.bench.result import read
from targets.errors import InputError, ProofError
from targets.formats.onnx import qdq
from targets.formats.onnx.products import require_exact_products, saturating_products
from targets.processors import PROCESSORS, require_emulated, saturates
from targets.processors.emulation import emulated
from targets.processors.proof import prove, same
from targets.runtimes import RUNTIMES
from targets.runtimes.contract import Conditions
from tests.brief import brief
from tests.conftest import Lane
from tests.emulators import requires

AVX2_ONLY = "flags\t\t: fpu sse4_1 avx avx2 bmi2 fma\n"
ZEN4 = "processor\t: 0\nflags\t\t: sse4_1 avx2 avx512f avx512_vnni\n"
RASPBERRY_PI_5 = "Features\t: fp asimd evtstrm aes asimdrdm asimddp\nCPU part\t: 0xd0b\n"


@pytest.fixture(scope="module")
def student(finished: Lane) -> Path:
    return finished.out / "tiny" / "models" / "student.int8.tflite"


@pytest.fixture(scope="module")
def images(finished: Lane) -> Any:
    with np.load(finished.data_file) as data:
        return data["images"][:24, ..., np.newaxis]


@pytest.mark.parametrize("name", PROCESSORS)
def test_both_int8_files_give_the_same_on_every_processor(
    student: Path, images: Any, tmp_path: Path, name: str
) -> None:
    requires(name)
    onnx_file = student.with_suffix(".onnx")
    here, there = prove(onnx_file, source=student, samples=images, on=[name], scratch=tmp_path)
    assert (here.how, there.processor) == ("this machine", PROCESSORS[name].what)
    assert (here.agreement, there.agreement) == (1, 1)
    assert (here.max_abs_diff, there.max_abs_diff) == (0, 0)


def test_int8_weights_are_shown_to_be_wrong_where_they_are(
    student: Path, images: Any, tmp_path: Path
) -> None:
    """What the default is there for, and that the emulation would show it."""
    requires("x86-avx2")
    fast = tmp_path / "student.int8.onnx"
    qdq.export_int8(student, fast, weights="int8")
    assert saturating_products(fast)
    exact = logits_of(student, "tflite", images, tmp_path)
    with emulated("x86-avx2", tmp_path) as host:
        actual = logits_of(fast, "onnx", images, tmp_path, runner=host)
    assert np.abs(actual - exact).max() > 0.1
    with pytest.raises(ProofError, match=r"multiply with int8 weights.*without VNNI"):
        require_exact_products(fast)


def test_behind_a_front_end_labels_may_differ_where_two_classes_are_a_step_apart() -> None:
    logits = np.random.default_rng(0).integers(-128, 128, (40, 8)).astype(np.float32)
    logits[0, :2] = 127
    a_step_away, far_away = logits.copy(), logits.copy()
    a_step_away[0, 0] -= 1
    far_away[1:4] = far_away[1:4, ::-1]
    assert same(logits, logits, has_front_end=False)
    assert same(logits, a_step_away, has_front_end=True)
    assert not same(logits, a_step_away, has_front_end=False)
    assert not same(logits, far_away, has_front_end=True)


def test_int8_weights_load_with_the_option_that_makes_them_exact(
    student: Path, images: Any, tmp_path: Path
) -> None:
    import onnxruntime

    fast = tmp_path / "student.int8.onnx"
    qdq.export_int8(student, fast, weights="int8")
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(fast, options)
    actual = [session.run(None, {"image": image[np.newaxis]})[0][0] for image in images]
    exact = logits_of(student, "tflite", images, tmp_path)
    np.testing.assert_array_equal(np.stack(actual), exact)


Weights = np.ndarray[Any, np.dtype[np.int8]]


def product(op: str, weights: Weights, **attributes: Any) -> onnx.ModelProto:
    """uint8 [1, ...] through one dequantized product with `weights`, all scales 1."""
    shape = [1, 8, 3, 3] if op == "Conv" else [1, 8]
    constants = {
        "one": np.float32(1),
        "zero": np.uint8(0),
        "weight_zero": np.zeros((), weights.dtype),
        "w": weights,
        "out_scale": np.float32(32768),
        "out_zero": np.uint8(128),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "one", "zero"], ["real"]),
        helper.make_node("DequantizeLinear", ["w", "one", "weight_zero"], ["real_w"]),
        helper.make_node(op, ["real", "real_w"], ["sum"], **attributes),
        helper.make_node("QuantizeLinear", ["sum", "out_scale", "out_zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "out_scale", "out_zero"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def weights(*shape: int, value: int = 127) -> Weights:
    return np.full(shape, value, np.int8)


PRODUCTS: dict[str, tuple[Callable[[], onnx.ModelProto], bool]] = {
    "convolution": (lambda: product("Conv", weights(4, 8, 3, 3)), True),
    "negative": (lambda: product("Conv", weights(4, 8, 3, 3, value=-127)), True),
    "7 bits": (lambda: product("Conv", weights(4, 8, 3, 3, value=64)), False),
    "depthwise": (lambda: product("Conv", weights(8, 1, 3, 3), group=8), False),
    "matrix": (lambda: product("MatMul", weights(8, 4)), True),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_file_is_known_to_saturate_where_it_does(name: str, tmp_path: Path) -> None:
    """By what the AVX2 kernels give for the largest activations."""
    import onnxruntime

    requires("x86-avx2")
    make, expected = PRODUCTS[name]
    path = tmp_path / "x.onnx"
    onnx.save(make(), path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options)
    samples = np.full((1, *session.get_inputs()[0].shape[1:]), 255, np.uint8)
    exact = session.run(None, {"x": samples})[0]
    with emulated("x86-avx2", tmp_path) as host:
        actual = logits_of(path, "onnx", samples, tmp_path, runner=host)
    assert bool(saturating_products(path)) == expected
    assert bool(np.any(actual.ravel() != exact.ravel())) == expected


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        (["SSE4.1", "AVX2"], None, True),
        (["SSE4.1", "AVX2"], {"session.x64quantprecision": "1"}, False),
        (["AVX2", "VNNI"], None, False),
        (None, None, False),
    ],
)
def test_a_file_that_saturates_on_a_device_has_a_note_beside_its_accuracy(
    features: list[str] | None, options: dict[str, str] | None, message: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x.onnx"
    onnx.save(product("MatMul", weights(8, 4)), path)
    conditions = Conditions(abi="x86_64", cpu_features=features or (), options=options or {})
    notes = list(RUNTIMES["onnxruntime"].accuracy_notes(path, conditions))
    assert len(notes) == message
    for note in notes:
        assert "1 operators multiply with int8 weights" in note
        assert "--ort-option session.x64quantprecision=1" in note


def test_options_reach_the_session_and_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief(monkeypatch)
    path = tmp_path / "x.onnx"
    onnx.save(product("MatMul", weights(8, 4)), path)
    option = ["--ort-option", "session.x64quantprecision=1"]
    given = ["bench", str(path), "--tier", "rapid", *option, "--out", str(tmp_path / "out")]
    assert click.testing.CliRunner().invoke(main, given).exit_code == 0
    blocks = read(tmp_path / "out" / "local.json").blocks
    assert all(b.runtime.ort_options == {"session.x64quantprecision": "1"} for b in blocks)
    assert blocks[0].cpu_features == tuple(cpu_features())


@pytest.mark.parametrize(
    ("given", "message"),
    [("x.tflite", "no model is .onnx"), ("x.onnx", "is not NAME=VALUE")],
)
def test_an_option_that_no_session_can_have_is_refused(
    given: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / given).write_bytes(b"")
    option = "a=b" if given.endswith(".tflite") else "a"
    actual = click.testing.CliRunner().invoke(
        main, ["bench", str(tmp_path / given), "--ort-option", option]
    )
    assert isinstance(actual.exception, InputError)
    assert message in str(actual.exception)


def test_the_features_of_a_processor_are_read_from_linux() -> None:
    assert cpu_features(AVX2_ONLY) == ["SSE4.1", "AVX2"]
    assert cpu_features(ZEN4) == ["SSE4.1", "AVX2", "AVX-512", "VNNI"]
    assert cpu_features(RASPBERRY_PI_5) == ["NEON", "dotprod"]
    assert cpu_features("") == []


def test_x86_without_vnni_saturates() -> None:
    assert saturates("x86_64", cpu_features(AVX2_ONLY))
    assert not saturates("x86_64", cpu_features(ZEN4))
    assert not saturates("aarch64", cpu_features(RASPBERRY_PI_5))


def test_a_processor_that_cannot_be_emulated_is_refused_before_anything_is_made(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ("convert.targets", ["tflite", "onnx"])
    with pytest.raises(InputError, match=r"unknown processor 'x86-avx'; did you mean 'x86-avx2'"):
        lane.recipe(both, ("convert.prove_on", ["x86-avx"]))
    with pytest.raises(InputError, match=r"needs the targets tflite and onnx"):
        lane.recipe(("convert.prove_on", ["x86-avx2"]))
    monkeypatch.setenv("PATH", str(lane.out))  # without qemu
    with pytest.raises(InputError, match=r"apt-get install qemu-user-static"):
        lane.runner(both, ("convert.prove_on", ["x86-avx2"])).run(lane.out / "tiny")
    assert not (lane.out / ".store").exists()
    with pytest.raises(InputError, match="unknown processor 'z80'"):
        require_emulated(["z80"], place="convert.prove_on")


def test_an_arm_system_that_cannot_be_made_ends_the_run_before_anything_is_trained(
    lane: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without apt-get there are no packages for it, and an empty home has none kept."""
    requires("aarch64")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    qemu = PROCESSORS["aarch64"].qemu
    (tmp_path / qemu).symlink_to(shutil.which(qemu) or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    proved = lane.runner(("convert.targets", ["tflite", "onnx"]), ("convert.prove_on", ["aarch64"]))
    with pytest.raises(InputError, match="packages for ARM: no apt-get on this machine"):
        proved.run(lane.out / "tiny")
    assert not (lane.out / ".store").exists()


def test_a_run_proves_its_files_on_the_processors_that_are_asked_for(finished: Lane) -> None:
    import json

    requires("x86-sse4")
    lane = replace(finished)
    given = (("convert.targets", ["tflite", "onnx"]), ("convert.prove_on", ["x86-sse4"]))
    results = lane.out / "proved" / "tiny"
    runner = lane.runner(*given, ("bench.enabled", False))
    runner.run(results)
    report = json.loads((results / "report.json").read_text())
    assert [row["how"] for row in report["processors"]] == ["this machine", "emulated (Nehalem)"]
    assert {row["agreement"] for row in report["processors"]} == {1}
    held = {row["holds_on"] for row in report["parity"] if row["scales_equal"]}
    assert held == {"every processor"}

"""What a runtime says of a file that it cannot load is cut to what a person can use."""

from pathlib import Path

import pytest

from targets.bench.case import BenchCase
from targets.bench.failures import agent_error, shortened

SOURCE = (
    "[ONNXRuntimeError] : 1 : FAIL : Load model from /tmp/m.onnx failed:"
    "/onnxruntime_src/onnxruntime/core/graph/model.cc:256 onnxruntime::Model::Model("
    "onnx::ModelProto&&, const onnxruntime::PathString&, const onnxruntime::logging::Logger&) "
)


def said(message: str, kind: str = "onnx") -> str:
    subject = BenchCase(name="m", format=kind, path=Path(f"m.{kind}"))
    told = {"phase": "load", "type": "Fail", "message": message}
    return str(agent_error(told, subject, "here"))


def test_a_newer_ir_version_is_told_with_the_highest_and_the_remedy() -> None:
    assert said(f"{SOURCE}Unsupported model IR version: 99, max supported IR version: 14\n") == (
        "m.onnx: made for a newer onnxruntime: IR version 99; this one takes up to 14. Update it "
        "(python -m pip install -U onnxruntime), or export it again with ir_version 14 or less."
    )


def test_a_newer_opset_and_a_newer_operator_are_told_too() -> None:
    opset = (
        "Opset 99 is under development and support for this is limited. Current official support "
        "for domain ai.onnx is till opset 28."
    )
    assert "newer onnxruntime: opset 99; this one takes up to 28. Update" in said(SOURCE + opset)
    op = "Didn't find op for builtin opcode 'CONV_2D' version '99'. An older version of this"
    assert "operator CONV_2D in version 99, which this one does not have" in said(op, "tflite")


def test_the_place_in_the_runtimes_source_is_left_out() -> None:
    assert shortened(f"{SOURCE}node_index (3) < size was false.") == (
        "Load model from /tmp/m.onnx failed: node_index (3) < size was false"
    )
    kept = "graph.cc:12 Type Error (of node): a::b is not 3"
    assert shortened(kept) == "Type Error (of node): a::b is not 3"


@pytest.mark.parametrize("length", [39, 41, 120])
def test_a_cut_is_between_words(length: int) -> None:
    text = "the number that matters is 1234567890 " * 30
    cut = shortened(text, length)
    assert len(cut) <= length
    assert cut.endswith(" …")
    assert set(cut.split()) <= {*text.split(), "…"}
    assert shortened("x" * 999, 10) == "xxxxxxxxxx…"

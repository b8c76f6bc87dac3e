"""What makes a result another one, and how that is said."""

import ast
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.engine import fingerprint
from pipeline.engine.graph import STAGES, Stage
from pipeline.recipe.load import load, parse_override

BY_NAME = {stage.name: stage for stage in STAGES}


def document(stage: str, *sets: str, sha256: str = "d") -> fingerprint.Document:
    recipe = load("digits", [parse_override(text) for text in sets])
    needs = dict.fromkeys(BY_NAME[stage].needs, "x")
    return fingerprint.document(BY_NAME[stage], recipe, inputs=needs, dataset_sha256=sha256)


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("distill", "distill.temperature=2"),
        ("logits", "views.shift=1"),
        ("logits", "views.cutout=3"),
        ("logits", "seed=1"),
        ("logits", "logits.views=3"),
        ("logits", "dataset.split_seed=3"),
        ("distill", "views.shift=1"),
        ("distill", "seed=1"),
        ("distill", "threads=1"),
        ("convert", 'convert.targets=["onnx"]'),
        ("teacher", "dataset.split_seed=3"),
    ],
)
def test_what_decides_the_result_changes_the_key(stage: str, change: str) -> None:
    assert fingerprint.digest(document(stage)) != fingerprint.digest(document(stage, change))


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("teacher", "distill.temperature=2"),
        ("teacher", "logits.views=3"),
        ("logits", "distill.seed=1"),
        ("logits", "distill.loss=dkd"),
        ("logits", "teacher.epochs=1"),
        ("distill", "quantize.epochs=9"),
        ("distill", "bench.enabled=false"),
        ("distill", "name=other"),
        ("distill", "about.cost=much"),
        ("convert", "seed=1"),
        ("teacher", "dataset.path=elsewhere"),
    ],
)
def test_what_does_not_decide_it_leaves_the_key(stage: str, change: str) -> None:
    assert fingerprint.digest(document(stage)) == fingerprint.digest(document(stage, change))


def test_the_contents_of_the_data_decide() -> None:
    assert document("teacher") != document("teacher", sha256="other")


@pytest.mark.parametrize(
    ("stage", "holds", "lacks"),
    [
        ("teacher", "pipeline/training/loop.py", "targets/formats/onnx/qdq.py"),
        ("teacher", "pipeline/training/augmentation.py", "pipeline/teachers/onnx_file.py"),
        ("logits", "pipeline/training/augmentation.py", "pipeline/quantization/qat.py"),
        ("logits", "pipeline/teachers/trained.py", "targets/bench/agent/accuracy.py"),
        ("distill", "pipeline/models/mobilenet_v1.py", "pipeline/quantization/qat.py"),
        ("quantize", "pipeline/quantization/scheme.py", "pipeline/stages/bench.py"),
        ("convert", "targets/formats/onnx/qdq.py", "pipeline/cli/app.py"),
        ("convert", "targets/bench/agent/accuracy.py", "pipeline/engine/results.py"),
    ],
)
def test_the_code_that_a_stage_reaches_decides(stage: str, holds: str, lacks: str) -> None:
    code = document(stage)["code"]
    assert holds in code
    assert lacks not in code
    assert "pipeline/recipe/schema.py" not in code  # its values are in the key themselves


@pytest.mark.parametrize("stage", ["teacher", "logits"])
def test_how_a_file_teaches_decides_where_one_does(stage: str, tmp_path: Path) -> None:
    (tmp_path / "t.onnx").write_bytes(b"a network")
    code = document(stage, f"teacher.file={tmp_path / 't.onnx'}")["code"]
    assert {"pipeline/teachers/onnx_file.py", "targets/bench/agent/preparation.py"} <= code.keys()
    assert "targets/formats/tflite/export.py" not in code


def test_words_about_the_code_do_not_count(tmp_path: Path) -> None:
    def parsed(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return ast.dump(fingerprint._parsed(tmp_path / name))

    plain = parsed("a.py", "def f():\n    return 1\n")
    assert parsed("b.py", '"""M."""\n# c\ndef f():\n    """D."""\n    return 1\n') == plain
    assert parsed("c.py", "def f():\n    return 2\n") != plain


def changed(**parts: Any) -> str:
    old = document("distill")
    return fingerprint.difference(old, cast(fingerprint.Document, {**old, **parts}))


def test_a_changed_value_is_said_with_both_values() -> None:
    said = fingerprint.difference(
        document("distill"), document("distill", "distill.temperature=2", "seed=7")
    )
    assert said == "distill.temperature 4.0 → 2.0; seed 0 → 7"


def test_changed_code_is_said_by_file() -> None:
    code = {**document("distill")["code"], "pipeline/training/loop.py": "other"}
    assert changed(code=code) == "code changed: pipeline/training/loop.py"


def test_a_changed_library_and_input_are_said() -> None:
    libraries = {**document("distill")["libraries"], "tensorflow": "1.0"}
    said = changed(libraries=libraries, inputs={"teacher": "y", "logits": "x"})
    assert said == "version of tensorflow; another result of teacher"


def test_a_missing_library_is_told_with_its_remedy() -> None:
    stage = Stage(
        "teacher",
        BY_NAME["teacher"].run,
        BY_NAME["teacher"].makes,
        libraries=("no-such-distribution",),
    )
    with pytest.raises(Exception, match="pip install 'no-such-distribution'"):
        fingerprint.document(stage, load("digits"), inputs={}, dataset_sha256="d")

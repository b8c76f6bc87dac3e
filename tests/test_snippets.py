"""The code in a bundle: C++ that compiles and runs, and class names that stay names."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from targets.bundle import card, snippets
from targets.bundle.facts import DataFacts, Facts, ModelFacts, Origin, Table
from targets.bundle.templating import cpp, kotlin
from targets.formats.confidence import Confidence
from targets.formats.input_spec import image_input
from targets.formats.sidecar import Sidecar
from targets.images.preprocessing import Preprocessing
from tests.hostile_names import HOSTILE

STUB = Path(__file__).parent / "stubs" / "tflite"
Program = tuple[Path, str]
COMPILER = shutil.which("c++") or shutil.which("g++")
EMPTY = Table(header=("a",), rows=())
"""A model that cannot be loaded is one whose file does not exist."""


def facts(*formats: str, precision: str = "int8") -> Facts:
    models = tuple(
        ModelFacts(
            name=f"student.{precision}.{name}",
            file=f"models/student.{precision}.{name}",
            format=name,
            precision=precision,
            sha256="0" * 64,
            size_bytes=1,
            parameters=1,
            top1=0.5,
            top1_interval=(0.4, 0.6),
        )
        for name in formats
    )
    return Facts(
        name="tiny",
        version="1.0",
        license='x"\n: y',
        summary="",
        models=models,
        recommended=models[0],
        reason="on local: smallest",
        data=DataFacts(name=HOSTILE[0], sha256="1" * 64, classes=HOSTILE, splits={"test": 4}),
        origin=Origin(
            version="1", libraries={}, recipe={}, seed=0, stages={}, began_utc="", ended_utc=""
        ),
        results=EMPTY,
        classes=Table(header=("class",), rows=tuple((name,) for name in HOSTILE)),
        training=EMPTY,
        limits=HOSTILE,
    )


def described(*shape: int, confidence: Confidence | None = None) -> Sidecar:
    picture = None
    if len(shape) == 3:
        channels = 1 if shape[2] == 1 else 3
        picture = Preprocessing(height=shape[0], width=shape[1], channels=channels, fit="pad")
    return Sidecar(
        schema="model-sidecar/1",
        name="student.int8.tflite",
        file="student.int8.tflite",
        sha256="0" * 64,
        format="tflite",
        precision="int8",
        classes=HOSTILE,
        input=image_input(*shape),
        preprocessing=picture,
        confidence=confidence,
    )


def written(
    folder: Path, *shape: int, dtype: str = "uint8", confidence: Confidence | None = None
) -> Path:
    found, about = facts("tflite"), described(*shape, confidence=confidence)
    snippets.write(folder, found, found.models[0], about, dtype=dtype)
    return folder / "snippets"


def compiled(folder: Path, *options: str) -> Path:
    if COMPILER is None:
        pytest.skip("there is no C++ compiler")
    program = folder / "classify"
    done = subprocess.run(
        [COMPILER, "-std=c++17", "-Wall", "-Wextra", "-Werror", "-DCLASSIFIER_MAIN",
         "-I", str(STUB), *options, str(folder / "classifier.cpp"), "-o", str(program)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module", params=["uint8", "float32"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The code for a file of 2x3 grey pixels with inputs of this type, and the type."""
    folder = written(tmp_path_factory.mktemp("cpp"), 2, 3, 1, dtype=request.param)
    return compiled(folder, str(STUB / "stub.cpp")), request.param


def classified(program: Path, model: Path, *, first: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Run it with a stub's model and an input whose first value is `first`."""
    raw = model.with_suffix(".raw")
    raw.write_bytes(bytes([first, 1, 2, 3, 4, 5]))
    return subprocess.run([program, model, raw], capture_output=True)


def stub_model(path: Path, dtype: str, logits: Sequence[float], *, values: int = 6) -> Path:
    size = values * np.dtype(dtype).itemsize
    path.write_text(f"{dtype} {size} {len(logits)} {' '.join(map(str, logits))}")
    return path


def test_the_cpp_compiles_and_prints_the_label(program: Program, tmp_path: Path) -> None:
    runs, dtype = program
    for place, name in enumerate(HOSTILE):
        logits = [3.0 if index == place else 0.0 for index in range(len(HOSTILE))]
        done = classified(runs, stub_model(tmp_path / "model", dtype, logits))
        share = np.exp(3) / (np.exp(3) + len(HOSTILE) - 1)
        expected = name.encode("utf-8", "surrogateescape") + f" {share:.3f}\n".encode()
        assert (done.returncode, done.stdout) == (0, expected), done.stderr


SURE = Confidence(
    temperature=2.5,
    precision=0.9,
    level=0.95,
    validation_samples=99,
    class_thresholds=(0.4, 0.5, *[None] * (len(HOSTILE) - 2)),
)


def test_the_cpp_is_as_sure_as_the_sidecar(tmp_path: Path) -> None:
    """With a probability of 0.45 for each; the last class has no threshold, others have."""
    folder = written(tmp_path, 2, 3, 1, confidence=SURE)
    runs = compiled(folder, str(STUB / "stub.cpp"))
    powers = np.exp(5 / 2.5)
    share = powers / (powers + len(HOSTILE) - 1)
    assert 0.4 < share < 0.5
    for place, unknown in ((0, False), (1, True), (len(HOSTILE) - 1, True)):
        logits = [5.0 if index == place else 0.0 for index in range(len(HOSTILE))]
        done = classified(runs, stub_model(tmp_path / "model", "uint8", logits))
        ending = f" {share:.3f}{' (unknown)' * unknown}\n".encode()
        assert done.stdout.endswith(ending), (place, done.stdout)


def test_the_kotlin_has_temperature_and_thresholds(tmp_path: Path) -> None:
    text = (written(tmp_path, 2, 3, 1, confidence=SURE) / "Classifier.kt").read_text()
    assert "const val TEMPERATURE = 2.5" in text
    (limits,) = re.findall(r"doubleArrayOf\((.*?)\)", text, re.DOTALL)
    assert [float(one) for one in limits.split(",")[:-1]] == [0.4, 0.5] + [2.0] * (len(HOSTILE) - 2)


@pytest.mark.parametrize("threshold", [None, 0.7])
def test_without_thresholds_of_classes_all_have_the_same(threshold: float | None) -> None:
    sure = SURE.model_copy(update={"class_thresholds": (), "threshold": threshold})
    assert snippets.thresholds(sure, 2) == (threshold or 0.0,) * 2
    assert snippets.thresholds(None, 2) == (0.0, 0.0)


def test_the_cpp_gives_the_model_the_raw_values(program: Program, tmp_path: Path) -> None:
    """The stub adds the first value of the input to the first logit."""
    runs, dtype = program
    model = stub_model(tmp_path / "model", dtype, [0.0, 199.0] + [0.0] * (len(HOSTILE) - 2))
    names = [name.encode("utf-8", "surrogateescape") for name in HOSTILE]
    assert classified(runs, model, first=198).stdout.startswith(names[1])
    assert classified(runs, model, first=200).stdout.startswith(names[0])


def test_the_cpp_refuses_another_model(program: Program, tmp_path: Path) -> None:
    runs, dtype = program
    scores = [0.0] * len(HOSTILE)
    other = {"uint8": "float32", "float32": "uint8"}[dtype]
    wrong = {
        "type": stub_model(tmp_path / "type", other, scores),
        "size": stub_model(tmp_path / "size", dtype, scores, values=7),
        "classes": stub_model(tmp_path / "classes", dtype, scores[:2]),
    }
    for model in wrong.values():
        done = classified(runs, model)
        assert done.returncode == 1
        assert b"not the model that this was written for" in done.stderr
    assert b"no model" in classified(runs, tmp_path / "nothing").stderr


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_one_literal_of_kotlin(name: str) -> None:
    literal = kotlin(name)
    assert literal.isascii()
    assert re.fullmatch(r'"([\w \-.,:;()/+]|\\u[0-9a-f]{4})*"', literal)
    units = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), literal[1:-1])
    assert units.encode("utf-16-be", "surrogatepass") == name.encode("utf-16-be", "surrogatepass")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_one_literal_of_cpp(name: str) -> None:
    literal = cpp(name)
    assert re.fullmatch(r'"([\w \-.,:;()/+]|\\[0-7]{3})*"', literal, re.ASCII)
    content = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), literal[1:-1])
    assert content.encode("latin-1") == name.encode("utf-8", "surrogateescape")


def test_names_stand_in_no_comment(tmp_path: Path) -> None:
    for path in written(tmp_path, 2, 3, 3).iterdir():
        text = path.read_text(encoding="utf-8")
        assert text.isascii()
        assert "evil" not in re.sub(r'"[^"\n]*"', "", text)


def test_the_kotlin_has_the_shape_and_the_type(tmp_path: Path) -> None:
    text = (written(tmp_path, 2, 3, 3, dtype="float32") / "Classifier.kt").read_text()
    assert "const val HEIGHT = 2" in text
    assert "const val WIDTH = 3" in text
    assert "const val INPUT_SIZE = 18" in text
    assert "const val SCALE = 0.0078125" in text
    assert "const val ZERO_POINT = 128" in text
    assert "INPUT_SIZE * 4" in text
    assert "fitted to that" in text
    assert text.count("{") == text.count("}")


def test_other_data_than_pictures_have_no_pixels(tmp_path: Path) -> None:
    for path in written(tmp_path, 7).iterdir():
        text = path.read_text()
        assert "RGB" not in text
        assert "Height" not in text
        assert "IntArray" not in text
    compiled(tmp_path / "snippets", "-fsyntax-only")


def test_the_code_is_for_the_recommended_file_or_one_of_its_precision() -> None:
    assert snippets.model_for(facts("onnx"), image_input(2, 2, 1)) is None
    both = facts("onnx", "tflite")
    assert snippets.model_for(both, image_input(2, 2, 1)) == both.models[1]


def test_hostile_names_end_no_block_of_the_card(tmp_path: Path) -> None:
    card.write(
        tmp_path, facts("tflite"), described(2, 3, 3), samples=["samples/00.png"], margin=0.1,
        snippets=True, signed=False,
    )  # fmt: skip
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    _, block, body = text.split("---\n", 2)
    metadata = yaml.safe_load(block)
    assert len(metadata["datasets"]) == 1
    assert metadata["license"] == 'x"\\n: y'
    assert "<script" not in body.replace("\\<script", "")
    rows = [line for line in body.splitlines() if "evil" in line and line.startswith("| ")]
    assert len(rows) == len([name for name in HOSTILE if "evil" in name])
    assert json.dumps(metadata)

"""Every wrong teacher, recipe or amount of data ends the real command before anything trains."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from pipeline import datasets
from pipeline.cli import app
from pipeline.datasets.splits import Dataset, Split
from pipeline.teachers.logits_file import save_logits
from tests.conftest import Command, Lane, stripes
from tests.teacher_files import expected, onnx_file

TO_1 = ["--set", f"teacher.scale={1 / 255}"]


@pytest.fixture(scope="module")
def data(finished: Lane) -> Dataset:
    return datasets.load(finished.recipe().dataset)


Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Typed:
    """The command in this process, which has imported TensorFlow: exit code, stdout, stderr."""

    def run(*argv: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        code = app.exit_code(argv)
        return code, *capsys.readouterr()

    return run


def refused(typed: Typed, lane: Lane, *argv: str, data_file: Path | None = None) -> str:
    """The one paragraph that the command ends in, with nothing trained."""
    code, out, message = typed(
        "run", str(lane.recipe_file), "--data", str(data_file or lane.data_file), *argv
    )
    assert code == 2, message
    assert out == ""
    assert "Traceback" not in message
    assert "epoch" not in message
    errors = [line for line in message.splitlines() if line.startswith("Error: ")]
    assert message.splitlines()[-1:] == errors
    return errors[0]


def nothing_kept(folder: Path) -> bool:
    kept = {path.name for path in (folder / "runs").rglob("*-*") if path.parent.name == ".store"}
    return not kept and not (folder / "runs" / "tiny").exists()


def damaged(path: Path, name: str, value: float) -> Path:
    """The file with every number of one of its constants replaced."""
    model = onnx.load(path)
    (old,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
    filled = np.full_like(numpy_helper.to_array(old), value)
    old.CopyFrom(numpy_helper.from_array(filled, name))
    onnx.save(model, path)
    return path


def test_a_teacher_of_other_classes(
    typed: Typed, finished: Lane, data: Dataset, tmp_path: Path
) -> None:
    arrays: dict[str, Any] = stripes()
    arrays["labels"] = np.arange(480) % 4
    np.savez(tmp_path / "four.npz", **{**arrays, "classes": ["a", "b", "c", "d"]})
    teacher = onnx_file(tmp_path / "t.onnx", data)
    message = refused(
        typed, finished, "--teacher", str(teacher), *TO_1, data_file=tmp_path / "four.npz"
    )
    assert "gives [1, 3] for one image, and the data set has 4 classes" in message
    assert nothing_kept(tmp_path)


def test_a_teacher_of_nan(typed: Typed, finished: Lane, data: Dataset, tmp_path: Path) -> None:
    teacher = damaged(onnx_file(tmp_path / "t.onnx", data), "b", np.nan)
    message = refused(typed, finished, "--teacher", str(teacher), *TO_1)
    assert "gives NaN or infinity for 72 of 72 validation images" in message
    assert nothing_kept(tmp_path)


def test_a_teacher_at_chance_level(
    typed: Typed, finished: Lane, data: Dataset, tmp_path: Path
) -> None:
    teacher = damaged(onnx_file(tmp_path / "t.onnx", data), "w", 0.0)
    message = refused(typed, finished, "--teacher", str(teacher), *TO_1)
    assert "no better than chance" in message
    assert re.search(r"Likely causes.*label order.*normalisation", message)
    assert nothing_kept(tmp_path)


def test_a_process_of_its_own_ends_as_well(
    command: Command, finished: Lane, data: Dataset, tmp_path: Path
) -> None:
    teacher = damaged(onnx_file(tmp_path / "t.onnx", data), "w", 0.0)

    def typed(*argv: str) -> tuple[int, str, str]:
        done = command(*argv)
        return done.returncode, done.stdout, done.stderr

    message = refused(typed, finished, "--teacher", str(teacher), *TO_1)
    assert "no better than chance" in message
    assert nothing_kept(tmp_path)


def test_pixels_that_the_teacher_was_not_made_for(
    typed: Typed, finished: Lane, data: Dataset, tmp_path: Path
) -> None:
    message = refused(typed, finished, "--teacher", str(onnx_file(tmp_path / "t.onnx", data)))
    assert "Set teacher.scale = 0.00392156863 and teacher.offset = 0." in message
    assert nothing_kept(tmp_path)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "trains the student on augmented ones"),
        (
            ["--set", "augmentation.shift=0", "--set", "distill.mixup=0.2"],
            "not those of mixed images",
        ),
        (["--set", "augmentation.shift=0", "--set", "distill.features=rkd"], "gives logits only"),
        (["--set", "augmentation.shift=0", "--set", "dataset.split_seed=1"], "for another split"),
    ],
)
def test_precomputed_logits_that_do_not_fit_the_recipe(
    typed: Typed, finished: Lane, data: Dataset, tmp_path: Path, argv: list[str], message: str
) -> None:
    of = {part.value: expected(data, part) for part in Split}
    save_logits(tmp_path / "logits.npz", data=data, **of)
    assert message in refused(typed, finished, "--teacher", str(tmp_path / "logits.npz"), *argv)
    assert nothing_kept(tmp_path)


def test_too_few_images_to_calibrate_with(typed: Typed, finished: Lane, tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", **stripes(samples=400))
    message = refused(typed, finished, data_file=tmp_path / "few.npz")
    assert "few.npz, training part of its 400 samples: 240 samples are too few" in message
    assert "too few to calibrate int8 with; at least 256 real ones are needed" in message
    assert """--set 'convert.precisions=["float32"]'""" in message
    assert nothing_kept(tmp_path)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--target", "onnx", "--set", 'convert.precisions=["float16"]'],
            "onnx cannot be float16; it can be: float32, dynamic, int8, int8_ptq",
        ),
        (["--teacher", "missing.onnx"], "teacher missing.onnx: not there"),
        (["--teacher", "/dev/null"], "unknown kind of file"),
        (["--teacher", "."], "a folder without saved_model.pb"),
        (["--set", "quantize.calibration_samples=100"], "greater than or equal to 256"),
        (["--set", "distill.loss=function_matching", "--set", "distill.alpha=0.5"], "no labels"),
    ],
)
def test_what_the_recipe_or_a_look_at_the_place_can_tell(
    typed: Typed, finished: Lane, tmp_path: Path, argv: list[str], message: str
) -> None:
    assert message in refused(typed, finished, *argv)
    assert nothing_kept(tmp_path)

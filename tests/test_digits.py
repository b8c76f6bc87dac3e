"""The default recipe at full length: what the README and its recipe header promise."""

import json
import shlex
import time

import pytest

from tests.conftest import Command
from tests.test_docs import workflow

TEACHER, STUDENT = 0.98, 0.97


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_digits_reach_their_accuracy(command: Command, seed: int) -> None:
    done = command("run", "--target", "tflite", "--seed", str(seed), "--json", timeout=900)
    assert done.returncode == 0, done.stderr
    rows = {row["role"]: row for row in json.loads(done.stdout)["models"]}
    assert rows["teacher"]["top1"] >= TEACHER
    assert rows["student_qat"]["top1"] >= STUDENT
    assert rows["student_qat"]["parameters"] * 10 <= rows["teacher"]["parameters"]


@pytest.mark.slow
def test_the_workflow_makes_its_artifact(command: Command, tmp_path: object) -> None:
    steps = workflow()["jobs"]["models"]["steps"]
    (line,) = [s["run"] for s in steps if s.get("run", "").startswith("pipeline")]
    begun = time.monotonic()
    done = command(*shlex.split(line)[1:], "--json", timeout=900)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["models"]
    assert sorted((row["role"], row["format"]) for row in rows) == [
        (role, kind)
        for role in ("student", "student_qat", "teacher")
        for kind in ("onnx", "tflite")
    ]
    print(f"both targets in {time.monotonic() - begun:.0f} s")

"""The agent says what is wrong with a runtime, a file or a job, and tests itself."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from targets.bench.agent.job import Job, finish
from targets.runtimes import RUNTIMES
from tests.agents import AGENT, BOTH, Device, random_input


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


SELFTEST = "from targets.bench.agent import selftest"


def selftest(*names: str, before: str = "") -> tuple[dict[str, Any], int]:
    start = (
        f"import os, runpy, sys; sys.argv = [{str(AGENT)!r}, '--selftest', *{list(names)}]; "
        f"sys.path.insert(0, sys.argv[0]); {before}\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", start], capture_output=True, text=True)
    return json.loads(done.stdout), done.returncode


def test_the_self_test_proves_every_runtime_that_is_here() -> None:
    seen, code = selftest()
    assert code == 0
    assert seen["schema"] == "agent-selftest/1"
    assert seen["pointer_bits"] in (32, 64)
    assert seen["numpy"] == np.__version__
    assert set(seen["runtimes"]) == set(RUNTIMES)
    for name in ("ai_edge_litert", "onnxruntime"):
        assert seen["runtimes"][name]["ok"], seen["runtimes"][name]["error"]
        assert seen["runtimes"][name]["version"]


def test_the_self_test_fails_where_one_that_was_named_does_not_work() -> None:
    seen, code = selftest("onnxruntime", "abacus")
    assert code == 1
    assert seen["runtimes"]["onnxruntime"]["ok"]
    assert "abacus" in seen["runtimes"]["abacus"]["error"]


def test_the_self_test_survives_a_runtime_that_takes_its_process_with_it() -> None:
    seen, code = selftest(
        "onnxruntime", before=f"{SELFTEST}; selftest.double = lambda *_: os.abort()"
    )
    assert code == 1
    assert seen["runtimes"]["onnxruntime"]["error"] == "ended by signal 6"


def test_the_self_test_fails_on_a_wrong_answer() -> None:
    right = base64.b64decode(RUNTIMES["onnxruntime"].session.SELF_TEST_MODEL)
    model = base64.b64encode(right.replace(b"Add", b"Sub")).decode()
    before = "from targets.runtimes.onnxruntime import session; session.SELF_TEST_MODEL = "
    seen, code = selftest("onnxruntime", before=f"{before}{model!r}")
    assert code == 1
    assert "doubled is not" in seen["runtimes"]["onnxruntime"]["error"]


@BOTH
def test_an_operator_that_is_not_there_is_named_in_full(device: Device, runtime: str) -> None:
    model = device.model(runtime, "Mystery", ("x", "float32", [1, 2]))
    specs = {"x": random_input("float32", [1, 2])}
    error, code, stderr = device.process("latency", runtime, model, inputs=specs)
    assert code == 1
    assert error["error"]["phase"] == "load"
    assert "Mystery" in error["error"]["message"]
    assert "Traceback" in stderr


def test_custom_operators_are_listed_by_a_description_all_the_same(device: Device) -> None:
    model = device.model("ai_edge_litert", "Mystery", ("x", "float32", [1, 2]))
    assert device.run("describe", "ai_edge_litert", model)["operators"] == {"Mystery": 1}


@BOTH
@pytest.mark.parametrize("cut", [0, 20, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_an_error_of_loading(
    device: Device, runtime: str, cut: float
) -> None:
    path = Path(device.model(runtime, "Cast", ("x", "float32", [1, 2])))
    content = path.read_bytes()
    path.write_bytes(content[: int(cut if cut >= 1 else cut * len(content))])
    result, code, _ = device.process("describe", runtime, str(path))
    assert code == 1
    assert result["error"]["phase"] == "load"
    assert result["error"]["message"]


def test_a_python_without_the_runtime_is_an_error_of_importing(device: Device) -> None:
    """-S: no numpy either, which is told in the same way."""
    result, code, stderr = device.process(
        "describe", "onnxruntime", device.tiny("onnxruntime"), flags=("-I", "-S")
    )
    assert code == 1
    assert result["error"]["phase"] == "import"
    assert result["error"]["type"] == "ModuleNotFoundError"
    assert "ModuleNotFoundError" in stderr.strip().splitlines()[-1]


def test_a_wrong_job_says_what_is_wrong_with_it(device: Device) -> None:
    tiny = device.tiny("onnxruntime")
    specs = {"x": random_input("float32", [1, 4])}
    wrong: dict[str, dict[str, Any]] = {
        "no mode 'dance'": {"mode": "dance"},
        "no runtime 'abacus'": {"runtime": "abacus"},
        "there is no output 1: the model has 1": {"output_index": 1},
    }
    for why, change in wrong.items():
        job = {"mode": "latency", "runtime": "onnxruntime", "model": tiny, "inputs": specs}
        seen = {**job, **change}
        error = device.fails(seen.pop("mode"), seen.pop("runtime"), seen.pop("model"), **seen)
        assert error["phase"] == "job"
        assert why in error["message"]
    with pytest.raises(ValueError, match="no key 'min_queries'"):
        Job()["min_queries"]


def test_the_cause_of_an_error_is_told_with_it(device: Device) -> None:
    def broken() -> dict[str, object]:
        raise SystemError("returned an error") from ImportError("numpy 1 is needed")

    assert finish(broken, str(device.folder / "out.json")) == 1
    error = json.loads((device.folder / "out.json").read_text())["error"]
    assert error["message"] == "returned an error (ImportError: numpy 1 is needed)"

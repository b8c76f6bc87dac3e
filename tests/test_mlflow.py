"""MLflow against a real server with SQLite. The job `mlflow` of ci.yml installs it: 47 packages."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.progress import SilentConsole
from pipeline.recipe.load import load, parse_override
from pipeline.recipe.schema import Recipe
from pipeline.tracking.contract import Epoch
from pipeline.tracking.guard import opened
from pipeline.tracking.mlflow_run import MlflowRun
from tests.conftest import Command, Lane

mlflow = pytest.importorskip("mlflow", reason="its server is 47 packages: the job `mlflow` of CI")
pytestmark = pytest.mark.filterwarnings("default")
"""Those of MLflow's libraries are not ours."""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A server in a process of its own, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"), "--workers", "1",
    ]  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_for(f"{address}/health", folder / "log")
            yield address, process
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def wait_for(address: str, log: Path) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=1)
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as (address, _):
        yield address


def recipe(server: str, *sets: str) -> Recipe:
    return load("digits", [parse_override(s) for s in (f"tracking.mlflow={server}", *sets)])


def epochs(*numbers: int) -> list[Epoch]:
    return [Epoch(number=n, loss=1 / n, accuracy=0.5, learning_rate=0.1) for n in numbers]


def history(server: str, run_id: str, name: str) -> list[tuple[int, float]]:
    found = mlflow.MlflowClient(tracking_uri=server).get_metric_history(run_id, name)
    return [(metric.step, metric.value) for metric in found]


def test_a_run_has_its_parameters_epochs_files_and_digests_in_mlflow(
    server: str, finished: Lane, command: Command, tmp_path: Path
) -> None:
    shutil.copytree(finished.out / ".store", tmp_path / "runs" / ".store")
    done = command(
        "run", str(finished.recipe_file), "--data", str(finished.data_file), "--json",
        "--target", "tflite", "--target", "onnx", "--set", "bench.enabled=false",
        "--set", f"tracking.mlflow={server}", "--set", "tracking.experiment=tests",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "tracking " not in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    run_id = report["tracked"]["mlflow_run_id"]
    client = mlflow.MlflowClient(tracking_uri=server)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["distill.width_multiplier"] == "0.25"
    assert [step for step, _ in history(server, run_id, "distill/loss")] == list(range(1, 9))
    lines = next((tmp_path / "runs/.store").glob("teacher-*")) / "history.jsonl"
    losses = [json.loads(line)["loss"] for line in lines.read_text().splitlines()]
    assert [loss for _, loss in history(server, run_id, "teacher/loss")] == losses
    digests = {row["name"]: row["sha256"] for row in report["models"]}
    assert run.data.tags["sha256.student.int8.onnx"] == digests["student.int8.onnx"]
    assert run.data.tags["sha256.dataset"] == report["dataset"]["sha256"]
    assert {one.path for one in client.list_artifacts(run_id)} == {
        "models", "report.html", "report.json",
    }  # fmt: skip
    assert not (tmp_path / "runs/.tracking/tiny/mlflow.json").exists()


def test_an_interrupted_run_is_resumed_with_each_step_once(server: str, tmp_path: Path) -> None:
    state = tmp_path / "mlflow.json"
    first = MlflowRun(recipe(server), state=state)
    first.start()
    for epoch in epochs(1, 2):
        first.epoch("teacher", epoch)
    first.interrupted()
    again = MlflowRun(recipe(server), state=state)
    again.start()
    assert again.tracked == first.tracked
    assert again.tracked is not None
    again.epoch("teacher", epochs(4)[0])
    again.trained("teacher", epochs(1, 2, 3, 4))
    found = history(server, again.tracked.mlflow_run_id, "teacher/loss")
    assert sorted(step for step, _ in found) == [1, 2, 3, 4]
    other = MlflowRun(recipe(server, "seed=1"), state=state)
    other.start()
    assert other.tracked != first.tracked


def test_a_server_that_goes_away_is_one_line_in_time(tmp_path: Path) -> None:
    console = SilentConsole()
    with serving(tmp_path) as (address, process):
        mlflow.MlflowClient(tracking_uri=address).search_experiments()  # it is awake
        state = tmp_path / "mlflow.json"
        tracker = opened("MLflow", lambda: MlflowRun(recipe(address), state=state), console.say)
        assert console.lines == []
        os.killpg(process.pid, 9)
        process.wait()
        begun = time.monotonic()
        tracker.tell(lambda one: one.epoch("teacher", epochs(1)[0]))
        tracker.tell(lambda one: one.epoch("teacher", epochs(2)[0]))
        assert time.monotonic() - begun < 20
    assert len(console.lines) == 1

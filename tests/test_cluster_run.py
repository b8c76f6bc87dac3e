"""`pipeline run` on a cluster: what is made first, signals, refusals, and the same bytes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import psutil
import pytest

from pipeline.cli.app import exit_code
from pipeline.cluster.ahead import make_ahead, with_variants
from pipeline.cluster.contract import Outcome, Task
from pipeline.cluster.signals import ENDING, deferred
from pipeline.engine.progress import Console, SilentConsole
from pipeline.engine.store import Store, digests
from targets.errors import EdgeDistillError, InputError
from tests.conftest import Lane
from tests.test_cluster import copied, stored


def run_tiny(lane: Lane, out: Path) -> list[str]:
    return ["run", str(lane.recipe_file), "--data", str(lane.data_file), "--out", str(out)]


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("ray://127.0.0.1:{free}", "Connection refused"),
        ("127.0.0.1:{free}", "Connection refused"),
        ("moon", "is no cluster. Give local, auto"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_paragraph_at_once(
    finished: Lane, tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str, says: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    begun = time.monotonic()
    argv = [*run_tiny(finished, tmp_path), "--cluster", where.format(free=free)]
    assert exit_code(argv) == 2
    assert time.monotonic() - begun < 10
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_without_ray_the_extra_is_named(
    finished: Lane,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert exit_code([*run_tiny(finished, tmp_path), "--cluster", "local"]) == 2
    assert "pip install 'edge-distill[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--seed", "1", "--seed", "1"], "2 runs have the results folder tiny-seed1"),
        (["--force", "distill", "--cluster", "local"], "--force: trains in this process"),
    ],
)
def test_what_cannot_be_several_runs_is_refused(
    finished: Lane,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    says: str,
) -> None:
    assert exit_code([*run_tiny(finished, tmp_path), *options]) == 2
    assert says in capsys.readouterr().err


ABLATION = (("ablation.enabled", True), ("ablation.seeds", [1]))


@dataclass
class Planned:
    """A cluster that makes nothing."""

    workers: int = 1
    tasks: list[Task] = field(default_factory=list)

    def make(self, tasks: Sequence[Task], *, console: Console) -> list[Outcome]:
        self.tasks += tasks
        return [Outcome(task=task, wall_s=0.0) for task in tasks]


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([], [("tiny", "teacher")]),
        (["teacher", "logits"], [
            ("tiny", "convert"),
            ("tiny, seed 1: scratch", "convert"),
            ("tiny, seed 1: kd", "distill"),  # which `hard` takes too
        ]),
    ],
)  # fmt: skip
def test_what_several_runs_wait_for_is_made_once_and_first(
    finished: Lane, tmp_path: Path, stages: list[str], expected: list[tuple[str, str]]
) -> None:
    lane = Lane(finished.recipe_file, finished.data_file, tmp_path)
    if stages:
        copied(finished, tmp_path / ".store")
    cluster = Planned()
    runners = dict(with_variants(lane.runner(*ABLATION)))
    with pytest.raises(InputError, match="is not the result that this machine asks for"):
        make_ahead(runners, cluster, console=SilentConsole())
    assert [(task.name, task.last) for task in cluster.tasks] == expected


@dataclass
class Failing(Planned):
    def make(self, tasks: Sequence[Task], *, console: Console) -> list[Outcome]:
        return [Outcome(task=one, wall_s=0.0, error=EdgeDistillError(one.name)) for one in tasks]


def test_the_error_of_a_task_is_the_error_of_the_run(finished: Lane, tmp_path: Path) -> None:
    lane = Lane(finished.recipe_file, finished.data_file, tmp_path)
    with pytest.raises(EdgeDistillError, match="tiny"):
        make_ahead({"tiny": lane.runner()}, Failing(), console=SilentConsole())


class Handled(Exception):
    """Of the handler that was there before."""


@pytest.fixture
def handler() -> Iterator[Callable[[int, object], None]]:
    def handle(number: int, frame: object) -> None:
        raise Handled

    before = {number: signal.signal(number, handle) for number in ENDING}
    yield handle
    for number, one in before.items():
        signal.signal(number, one)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_waits_for_the_end_of_a_call_and_then_is_handled(
    handler: Callable[[int, object], None], number: signal.Signals
) -> None:
    reached = []

    def interrupted() -> None:
        with deferred() as heed:
            signal.raise_signal(number)
            reached.append("a call of Ray")
            heed()
            reached.append("never")

    with pytest.raises(Handled):
        interrupted()
    assert reached == ["a call of Ray"]
    assert signal.getsignal(number) is handler


def test_the_handler_of_sigterm_that_ray_installs_does_not_decide(
    handler: Callable[[int, object], None],
) -> None:
    def interrupted() -> None:
        with deferred():
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Handled):
        interrupted()
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),  # as long, and the same way
    ],
)
def test_a_signal_ends_the_driver_with_its_code_and_leaves_no_process(
    finished: Lane, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
        "os.execv(sys.executable, [sys.executable, '-m', 'pipeline', *sys.argv[1:]])"
    )
    argv = [*run_tiny(finished, tmp_path / "runs"), "--set", "teacher.epochs=2000"]
    path = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
    with subprocess.Popen(
        [sys.executable, "-c", heeding, *argv, "--cluster", "local"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stderr is not None
        lines = iter(driver.stderr)
        said = [*takewhile(lambda line: "teacher   epoch" not in line, lines)]
        assert driver.poll() is None, said
        assert len(working_in(tmp_path)) > 3
        driver.send_signal(number)
        errors = list(lines)
        assert driver.wait(60) == code, errors
    assert "run the same command again" in errors[-1]
    assert not [line for line in errors if "Traceback" in line]
    assert working_in(tmp_path) == []
    assert list((tmp_path / "runs" / ".store").glob("teacher-*")) == []


def working_in(folder: Path) -> list[str]:
    """The processes whose working folder this is: all of the driver's, Ray's too."""
    found = psutil.process_iter(["cwd", "cmdline", "status"])
    return [
        " ".join(one.info["cmdline"] or ())
        for one in found
        if one.info["cwd"] == str(folder) and one.info["status"] != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.slow
def test_several_seeds_and_an_ablation_on_a_cluster_are_those_of_this_process(
    finished: Lane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["distill.epochs=2", "ablation.distill_epochs=1", "ablation.seeds=[0]"]
    small += ["bench.enabled=false", "ablation.corrupted_samples=20"]
    options = ["--seed", "0", "--seed", "1", "--ablation"]
    options += [word for value in small for word in ("--set", value)]
    here, there = tmp_path / "here", tmp_path / "there"
    assert exit_code([*run_tiny(finished, here), *options]) == 0
    assert exit_code([*run_tiny(finished, there), *options, "--cluster", "local"]) == 0
    last = capsys.readouterr().err.rpartition("ablation  seed 0: scratch")[2]
    assert "reused: nothing changed" in last
    assert "epoch" not in last
    assert stored(Store(there / ".store")) == stored(Store(here / ".store"))
    for name in ("tiny-seed0", "tiny-seed1"):
        assert digests(there / name / "models") == digests(here / name / "models")

"""A measurement is made in a process of its own, or fails with a reason."""

import ast
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from targets.bench.protocol import AGENT, Bench, Protocol, Subject, logits_of
from targets.errors import DeviceError
from targets.links.local import LocalLink
from targets.runtimes import RUNTIMES, Runtime, runtime_for
from tests.conftest import Lane

QUICK = Protocol(
    processes=3,
    min_queries=9,
    min_duration_s=0.03,
    max_duration_s=30,
    warmup_runs=2,
    warmup_s=0,
    threads=1,
    seed=0,
    timeout_s=60,
)


@pytest.fixture
def subject(finished: Lane) -> Subject:
    path = finished.out / "tiny" / "models" / "student.int8.tflite"
    return Subject(name=path.name, format="tflite", path=path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    samples = tmp_path / "samples.npy"
    np.save(samples, np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1), np.uint8))
    return Bench(link=LocalLink(), samples=samples, folder=tmp_path, protocol=QUICK)


def blocks(bench: Bench, *subjects: Subject) -> list[dict[str, Any]]:
    return bench.latency(subjects, say=lambda text: None)


def test_both_minimums_are_met_by_all_processes_together(bench: Bench, subject: Subject) -> None:
    seen = blocks(bench, subject)
    assert len(seen) == 3
    assert all(len(block["samples_ns"]) >= 3 for block in seen)
    for block in seen:  # a third of 30 ms each, of which the queries are nearly all
        assert sum(block["samples_ns"]) >= 0.5 * 10e6
    assert {block["stop_reason"] for block in seen} == {"min_met"}
    assert all(len(block["warmup_ns"]) == 2 for block in seen)


def test_many_queries_are_made_where_they_are_asked_for(bench: Bench, subject: Subject) -> None:
    many = replace(bench, protocol=replace(QUICK, processes=1, min_queries=500))
    (block,) = blocks(many, subject)
    assert len(block["samples_ns"]) == len(block["sample_index"]) >= 500
    assert len(set(block["sample_index"])) == 20  # real samples, all of them in turn


def test_the_longest_time_ends_a_block_and_is_said(bench: Bench, subject: Subject) -> None:
    limits = replace(QUICK, processes=1, min_queries=10**9, max_duration_s=0.05)
    (block,) = blocks(replace(bench, protocol=limits), subject)
    assert block["stop_reason"] == "max_duration"


def test_the_same_seed_queries_the_same_samples(bench: Bench, subject: Subject) -> None:
    first, second = blocks(bench, subject), blocks(bench, subject)
    for a, b in zip(first, second, strict=True):
        shared = min(len(a["sample_index"]), len(b["sample_index"]))
        assert a["sample_index"][:shared] == b["sample_index"][:shared]


def test_accuracy_queries_every_sample_once_in_order(
    bench: Bench, subject: Subject, finished: Lane
) -> None:
    logits, record = bench.outputs(subject)
    assert logits.shape == (20, 3)
    assert record["samples"] == 20
    images = np.load(bench.samples)
    backwards = logits_of(subject.path, "tflite", images[::-1], bench.folder)
    np.testing.assert_array_equal(backwards[::-1], logits)


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\x1c\0\0\0TFL3" + bytes(100)], ids=["empty", "text", "cut"]
)
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_file_that_is_no_model_is_a_clear_error(bench: Bench, content: bytes, kind: str) -> None:
    path = bench.folder / f"broken.{kind}"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match=rf"device local: broken\.{kind} in "):
        blocks(bench, Subject(name="broken", format=kind, path=path))


def test_a_process_that_does_not_end_is_ended(bench: Bench, subject: Subject) -> None:
    endless = replace(QUICK, min_queries=10**9, max_duration_s=1000, timeout_s=3)
    with pytest.raises(DeviceError, match="not done after 3 s and ended"):
        blocks(replace(bench, protocol=endless), subject)


def test_a_limit_ends_the_children_too(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/child; wait"
    done = LocalLink().run(["sh", "-c", script], env={}, timeout_s=1)
    assert done.timed_out
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_a_runtime_that_is_not_installed_is_told_with_its_remedy(
    bench: Bench, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing(LocalLink):
        """The agent under a Python without the runtime."""

        def run(self, argv: Any, *, env: Any, timeout_s: float) -> Any:
            bare = [argv[0], "-S", *argv[1:]]
            return super().run(bare, env=env, timeout_s=timeout_s)

    with pytest.raises(DeviceError, match=r"ModuleNotFoundError.* Install it"):
        blocks(replace(bench, link=Missing()), subject)


def test_every_format_has_a_runtime_that_the_agent_knows() -> None:
    from targets.bench.agent import RUNTIMES as AGENTS
    from targets.formats import FORMATS

    assert {runtime_for(name).name for name in FORMATS} <= set(AGENTS)
    assert set(RUNTIMES) == set(AGENTS)
    assert all(isinstance(runtime, Runtime) for runtime in RUNTIMES.values())


def test_the_agent_needs_nothing_of_ours_and_parses_on_python_3_9() -> None:
    tree = ast.parse(AGENT.read_text(), feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy"}


def test_the_agent_runs_alone(tmp_path: Path, bench: Bench, subject: Subject) -> None:
    """Copied into an empty folder, as on a device."""
    alone = tmp_path / "device" / "agent.py"
    alone.parent.mkdir()
    alone.write_bytes(AGENT.read_bytes())
    job = bench._job(subject, mode="latency", index=0, out=tmp_path / "out.json")
    (tmp_path / "job.json").write_text(json.dumps(job))
    subprocess.run(
        [sys.executable, "-I", str(alone), str(tmp_path / "job.json")],
        cwd=alone.parent,
        check=True,
        capture_output=True,
    )
    assert json.loads((tmp_path / "out.json").read_text())["schema"] == "agent/1"

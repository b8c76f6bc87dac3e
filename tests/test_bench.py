"""A measurement is made in a process of its own, or fails with a reason."""

import ast
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from targets.bench.archive import packed
from targets.bench.case import BenchCase
from targets.bench.plan import Bench, BenchPlan, counted, logits_of
from targets.bench.record import Block
from targets.bench.runner import AgentRunner, local_runner
from targets.bench.tiers import TIERS
from targets.devices.contract import Completed
from targets.devices.local.link import LocalLink
from targets.errors import DeviceError, EdgeDistillError, InputError
from targets.runtimes import RUNTIMES
from tests.conftest import Lane

QUICK = BenchPlan(
    processes=3,
    min_queries=9,
    min_duration_s=0.03,
    max_duration_s=30,
    warmup_runs=2,
    warmup_s=0,
)


@pytest.fixture
def subject(finished: Lane) -> BenchCase:
    path = finished.out / "tiny" / "models" / "student.int8.tflite"
    return BenchCase(name=path.name, format="tflite", path=path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    samples = tmp_path / "samples.npy"
    np.save(samples, np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1), np.uint8))
    return Bench(runner=local_runner(tmp_path), samples=samples, plan=QUICK)


def blocks(bench: Bench, *subjects: BenchCase) -> list[Block]:
    return bench.latency(subjects, say=lambda text: None)


def test_both_minimums_are_met_by_all_processes_together(bench: Bench, subject: BenchCase) -> None:
    seen = blocks(bench, subject)
    assert len(seen) == 3
    for block in seen:  # a third of 30 ms each; on a busy machine much of it passes between queries
        assert block.samples_ns is not None
        assert block.warmup_ns is not None
        assert len(block.samples_ns) >= 3
        assert sum(block.samples_ns) >= 0.1 * 10e6  # three queries take 0.1 ms
        assert len(block.warmup_ns) == 2
    assert {block.stop_reason for block in seen} == {"min_met"}


def test_many_queries_are_made_where_they_are_asked_for(bench: Bench, subject: BenchCase) -> None:
    many = replace(bench, plan=replace(QUICK, processes=1, min_queries=500))
    (block,) = blocks(many, subject)
    assert len(block.samples_ns or ()) == len(block.sample_index) >= 500
    assert len(set(block.sample_index)) == 20  # real samples, all of them in turn


def test_the_longest_time_ends_a_block_and_is_said(bench: Bench, subject: BenchCase) -> None:
    limits = replace(QUICK, processes=1, min_queries=10**9, max_duration_s=0.05)
    (block,) = blocks(replace(bench, plan=limits), subject)
    assert block.stop_reason == "max_duration"
    assert not block.valid


def test_the_same_seed_queries_the_same_samples(bench: Bench, subject: BenchCase) -> None:
    first, second = blocks(bench, subject), blocks(bench, subject)
    for a, b in zip(first, second, strict=True):
        shared = min(len(a.sample_index), len(b.sample_index))
        assert shared > 0
        assert a.sample_index[:shared] == b.sample_index[:shared]


def test_another_seed_queries_other_samples(bench: Bench, subject: BenchCase) -> None:
    plans = [replace(QUICK, processes=1, min_queries=40, seed=seed) for seed in (0, 1)]
    (first,), (second,) = (blocks(replace(bench, plan=plan), subject) for plan in plans)
    assert first.sample_index[:40] != second.sample_index[:40]


def test_accuracy_queries_every_sample_once_in_order(
    bench: Bench, subject: BenchCase, finished: Lane
) -> None:
    logits, record = bench.outputs(subject)
    assert logits is not None
    assert logits.shape == (20, 3)
    assert record["samples"] == 20
    assert bench.samples is not None
    images = np.load(bench.samples)
    backwards = logits_of(subject.path, "tflite", images[::-1], bench.runner.folder)
    np.testing.assert_array_equal(backwards[::-1], logits)


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\x1c\0\0\0TFL3" + bytes(100)], ids=["empty", "text", "cut"]
)
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_file_that_is_no_model_is_a_clear_error(bench: Bench, content: bytes, kind: str) -> None:
    path = bench.runner.folder / f"broken.{kind}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"broken\.{kind}: \w+ cannot load it: "):
        blocks(bench, BenchCase(name="broken", format=kind, path=path))


def test_a_process_that_does_not_end_is_ended(bench: Bench, subject: BenchCase) -> None:
    endless = replace(QUICK, min_queries=10**9, max_duration_s=1000)
    host = replace(bench.runner, timeout_s=3)
    with pytest.raises(DeviceError, match="not done after 3 s and ended"):
        blocks(replace(bench, plan=endless, runner=host), subject)


def test_a_limit_ends_the_children_too(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/child; wait"
    done = LocalLink(tmp_path).run(["sh", "-c", script], env={}, timeout_s=1)
    assert done.timed_out
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_a_runtime_that_is_not_installed_is_told_with_its_remedy(
    bench: Bench, subject: BenchCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing(LocalLink):
        """The agent under a Python without the runtime."""

        def run(self, argv: Any, *, env: Any, timeout_s: float) -> Any:
            bare = [argv[0], "-S", *argv[1:]]
            return super().run(bare, env=env, timeout_s=timeout_s)

    host = replace(bench.runner, link=Missing(bench.runner.folder))
    with pytest.raises(DeviceError, match=r"No module named .* Install it"):
        blocks(replace(bench, runner=host), subject)


def imported(source: str) -> set[str]:
    """The modules that the source imports; it must parse on Python 3.9."""
    return {
        name
        for node in ast.walk(ast.parse(source, feature_version=(3, 9)))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }


def test_the_agent_needs_numpy_and_what_is_packed_with_it() -> None:
    with ZipFile(packed(RUNTIMES["onnxruntime"])) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/__init__.py")]
        needed = set().union(*(imported(archive.read(name).decode()) for name in names))
    outside = {name for name in needed if name.split(".")[0] not in sys.stdlib_module_names}
    packages = {"targets.bench.agent", "numpy", "numpy.typing"}
    assert outside <= {name.removesuffix(".py").replace("/", ".") for name in names} | packages


def test_the_same_sources_are_packed_into_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "from targets.bench.archive import packed; from targets.runtimes import RUNTIMES; "
        f"import shutil; shutil.copy(packed(RUNTIMES['onnxruntime']), {str(tmp_path / 'other')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "TZ": "Asia/Tokyo"})
    ours = packed(RUNTIMES["ai_edge_litert"])  # of every built-in runtime, whichever is asked for
    assert ours.read_bytes() == (tmp_path / "other").read_bytes()


def test_the_agent_runs_alone(tmp_path: Path) -> None:
    """In an empty folder, as on a device, it finds the runtimes that work."""
    alone = tmp_path / "device" / "agent.pyz"
    alone.parent.mkdir()
    alone.write_bytes(packed(RUNTIMES["onnxruntime"]).read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", str(alone), "--selftest", "ai_edge_litert", "onnxruntime"],
        cwd=alone.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = {name: one["ok"] for name, one in json.loads(done.stdout)["runtimes"].items()}
    assert found == {"ai_edge_litert": True, "onnxruntime": True}


@dataclass(frozen=True, kw_only=True)
class Scripted(AgentRunner):
    """A runner whose blocks are made up: what the plan does with them is real."""

    disturbed: Iterator[bool]

    def run(self, subject: BenchCase, job: Any) -> dict[str, Any]:
        if subject.name == "broken":
            raise DeviceError("broken")
        others = 1.5 if next(self.disturbed, False) else 0.0
        return {
            "schema": "agent/2",
            "pid": 1,
            "runtime": {"name": "ai_edge_litert", "version": "0", "threads": 1},
            "phases": {"import_ns": 1, "load_ns": 1},
            "warmup_ns": [1],
            "samples_ns": [1],
            "stop_reason": "min_met",
            "others_cpu": others,
        }


def scripted(
    names: str, disturbed: Sequence[bool], *, repeats: int, processes: int = 1
) -> tuple[list[Block], dict[str, EdgeDistillError]]:
    protocol = replace(QUICK, processes=processes, repeats=repeats)
    failed: dict[str, EdgeDistillError] = {}
    nowhere = Path("nowhere")
    host = Scripted(link=LocalLink(nowhere), folder=nowhere, disturbed=iter(disturbed))
    bench = Bench(runner=host, plan=protocol)
    seen = bench.latency(
        [BenchCase(name=name, format="tflite", path=Path(name)) for name in names.split()],
        say=lambda text: None,
        failed=lambda subject, error: failed.update({subject.name: error}),
    )
    return seen, failed


def test_a_disturbed_block_is_measured_again_and_stays_marked() -> None:
    seen, _ = scripted("a", [True, True, False], repeats=3)
    assert [(b.attempt, b.valid, b.counted) for b in seen] == [
        (0, False, False),
        (1, False, False),
        (2, True, True),
    ]
    assert "others used 1.50 of a core" in seen[0].invalid_reasons[0]


def test_a_block_is_repeated_as_often_as_the_tier_says_and_then_counts() -> None:
    seen, _ = scripted("a", [True] * 9, repeats=3)
    assert [(b.attempt, b.counted) for b in seen] == [(0, False), (1, False), (2, False), (3, True)]
    marked, _ = scripted("a", [True] * 9, repeats=0)
    assert [(b.valid, b.counted) for b in marked] == [(False, True)]


def test_only_what_was_disturbed_is_repeated() -> None:
    seen, _ = scripted("a b", [True, False], repeats=3)
    assert len(seen) == 3
    assert seen[2].model == seen[0].model != seen[1].model


def test_a_model_that_fails_takes_part_no_more_and_the_others_go_on() -> None:
    seen, failed = scripted("a broken b", [], repeats=0, processes=4)
    assert list(failed) == ["broken"]
    assert sorted(b.model for b in seen) == ["a"] * 4 + ["b"] * 4


def test_the_order_of_the_models_changes_and_is_the_seed_s() -> None:
    orders = [[b.model for b in scripted("a b c", [], repeats=0, processes=6)[0]] for _ in range(2)]
    assert orders[0] == orders[1]
    assert len({tuple(orders[0][i : i + 3]) for i in range(0, 18, 3)}) > 1


def test_of_a_round_s_attempts_the_valid_one_counts_else_the_last() -> None:
    template = scripted("a", [], repeats=0)[0][0]

    def attempts(*valid: bool) -> list[bool]:
        made = [template.model_copy(update={"attempt": i, "valid": v}) for i, v in enumerate(valid)]
        return [block.counted for block in counted(made)]

    assert attempts(False, True) == [False, True]
    assert attempts(False, False) == [False, True]
    assert attempts(True) == [True]


def test_the_tiers_are_those_of_mlperf_mobile() -> None:
    assert {name: tier[:4] for name, tier in TIERS.items()} == {
        "rapid": (6, 64, 6, 60),
        "quick": (6, 128, 10, 60),
        "normal": (10, 1024, 60, 600),
    }


@pytest.mark.parametrize(
    ("returncode", "stderr", "said"),
    [
        (-11, "Fatal Python error", r"the runtime crashed \(SIGSEGV\)"),
        (139, "Segmentation fault", r"the runtime crashed \(SIGSEGV\)"),  # through a shell
        (-9, "", "was killed, most likely because memory ran out"),
        (1, "Traceback\nMemoryError", "the measuring process failed: MemoryError"),
    ],
)
def test_a_process_that_leaves_no_result_is_told_by_how_it_ended(
    bench: Bench, subject: BenchCase, returncode: int, stderr: str, said: str
) -> None:
    class Ends(LocalLink):
        def run(self, argv: Any, *, env: Any, timeout_s: float) -> Any:
            return Completed(returncode=returncode, stderr=stderr)

    host = replace(bench.runner, link=Ends(bench.runner.folder))
    with pytest.raises(DeviceError, match=said):
        blocks(replace(bench, runner=host), subject)

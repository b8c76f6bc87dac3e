"""How far the figures of the real runtime can be trusted: disturbed is said, different is found."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from targets.bench.plan import Bench, Protocol, Subject
from targets.bench.runner import AGENT, local_host
from targets.bench.summary import ComparisonRow, comparisons, summarise_blocks
from targets.devices.cpus import available_cpus
from targets.devices.local.link import LocalLink
from tests.conftest import Lane

PROTOCOL = Protocol(
    processes=6, min_queries=6, min_duration_s=1.8, max_duration_s=30, warmup_s=0.05
)


@pytest.fixture
def subject(finished: Lane) -> Subject:
    path = finished.out / "tiny" / "models" / "student.int8.tflite"
    return Subject(name="model", format="tflite", path=path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    samples = tmp_path / "samples.npy"
    np.save(samples, np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1), np.uint8))
    return Bench(host=local_host(tmp_path), samples=samples, protocol=PROTOCOL)


@contextmanager
def background_load() -> Iterator[None]:
    """Two processes for every CPU that do nothing but calculate."""
    argv = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(argv) for _ in range(2 * len(available_cpus()))]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_under_a_background_load_the_verdict_is_unstable(bench: Bench, subject: Subject) -> None:
    with background_load():
        blocks = replace(bench, protocol=replace(PROTOCOL, repeats=1)).latency(
            [subject], say=lambda text: None
        )
    (row,) = summarise_blocks(blocks)
    assert row.stability == "unstable"
    assert not row.valid
    assert any("others used" in reason for reason in row.invalid_reasons)
    assert any(block.attempt == 1 for block in blocks)  # it was tried again before


SLOWED = """
import sys, time
sys.path.insert(0, {folder!r})
import agent

def slower(build):
    def query(self, output_index):
        inner = build(self, output_index)
        def wrapped(feed):
            output, ns, invoke_ns = inner(feed)
            until = time.perf_counter_ns() + {extra_ns}
            while time.perf_counter_ns() < until:
                pass
            return output, ns + {extra_ns}, invoke_ns
        return wrapped
    return query

agent.Tflite.query = slower(agent.Tflite.query)
sys.exit(agent.main(sys.argv[1:]))
"""


@dataclass
class SlowLink(LocalLink):
    """Starts the agent with every query of one model delayed: it spins, and the caches cool."""

    folder: Path
    model: str
    extra_ns: int = 0

    def push(self, path: Path) -> str:
        if path != AGENT or not self.extra_ns:
            return super().push(path)
        return str(path)

    def run(self, argv, *, env, timeout_s):  # type: ignore[no-untyped-def]
        job = Path(argv[-1])
        if self.extra_ns and f'"{self.model}"' in job.read_text():
            script = self.folder / "slowed.py"
            script.write_text(SLOWED.format(folder=str(AGENT.parent), extra_ns=self.extra_ns))
            argv = [*argv[:-2], str(script), argv[-1]]
        return super().run(argv, env=env, timeout_s=timeout_s)


def compared(bench: Bench, subject: Subject, other: Subject) -> ComparisonRow:
    blocks = bench.latency([subject, other], say=lambda text: None)
    # Whether the machine was quiet is another question than whether a difference is found.
    (row,) = comparisons(
        [block.model_copy(update={"valid": True}) for block in blocks], subject.name, [other.name]
    )
    return row


@pytest.mark.slow
def test_a_planted_difference_of_twice_the_detectable_one_is_found(
    bench: Bench, subject: Subject, tmp_path: Path
) -> None:
    """In at least 17 of 20 measurements; the models are the same file."""
    twin = tmp_path / "twin.tflite"
    twin.write_bytes(subject.path.read_bytes())
    other = replace(subject, name="other", path=twin)
    link = SlowLink(folder=tmp_path, model=str(twin))
    planted = replace(bench, host=replace(bench.host, link=link))
    pilot = sorted(compared(planted, subject, other).mdd or 0 for _ in range(5))
    blocks = bench.latency([subject], say=lambda text: None)
    median_ns = summarise_blocks(blocks)[0].median_ns
    assert median_ns is not None
    link.extra_ns = round(2 * pilot[2] * median_ns)
    found = [compared(planted, subject, other).verdict for _ in range(20)]
    print(f"detectable {100 * pilot[2]:.2f} %, planted {link.extra_ns} ns of {median_ns:.0f}")
    assert found.count("slower") >= 17, found

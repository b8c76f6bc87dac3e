"""How a device is measured: fresh processes, models interleaved in seeded random order.

The unit of replication is a process, because consecutive inferences in one process are not
independent (an interval over them covered the truth 45 % of the time). Sources of the rules:
MLPerf Mobile (tiers), pyperf (processes), google/benchmark (random interleaving).
"""

import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from targets.adapter import Adapter
from targets.errors import DeviceError
from targets.links.local import LocalLink
from targets.runtimes import Runtime, runtime_for

# Named as a module too: its code decides what `logits_of` gives, and a fingerprint finds it here.
AGENT_MODULE = "targets.bench.agent"
AGENT = Path(__file__).with_name(f"{AGENT_MODULE.rpartition('.')[2]}.py")
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """When to stop; the three limits are for all processes of one model together."""

    processes: int
    min_queries: int
    min_duration_s: float
    max_duration_s: float
    warmup_runs: int
    warmup_s: float
    threads: int
    seed: int
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A file to measure."""

    name: str
    format: str
    path: Path
    adapter: Adapter | None = None
    """Of a file that somebody else made."""

    @property
    def runtime(self) -> Runtime:
        return runtime_for(self.format)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One device, one set of samples, one folder for the files in between."""

    link: LocalLink
    samples: Path
    folder: Path
    protocol: Protocol

    def latency(self, subjects: Sequence[Subject], *, say: Say) -> list[dict[str, Any]]:
        """Every block, in the order measured: one fresh process of one model each."""
        order = random.Random(self.protocol.seed)
        blocks = []
        for index in range(self.protocol.processes):
            shuffled = order.sample(list(subjects), len(subjects))
            say(f"bench     block {index + 1}/{self.protocol.processes}: {len(shuffled)} models")
            for place, subject in enumerate(shuffled):
                block = self._agent(subject, mode="latency", index=index)
                blocks.append({"index": index, "order": place, "model": subject.name, **block})
        return blocks

    def outputs(self, subject: Subject) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """The logits of every sample, each queried exactly once, and the agent's record of it."""
        record = self._agent(subject, mode="accuracy", index=0)
        given = np.load(self._outputs_path(subject), allow_pickle=False)
        return given if subject.adapter is None else subject.adapter.logits(given), record

    def _agent(self, subject: Subject, *, mode: str, index: int) -> dict[str, Any]:
        out = self.folder / f"{subject.name}-{mode}-{index}.json"
        job_file = out.with_suffix(".job.json")
        out.unlink(missing_ok=True)
        job_file.write_text(json.dumps(self._job(subject, mode=mode, index=index, out=out)))
        # -I: neither the current folder nor PYTHONPATH can stand in for a runtime.
        argv = [sys.executable, "-I", str(AGENT), str(job_file)]
        done = self.link.run(argv, env=subject.runtime.env, timeout_s=self.protocol.timeout_s)
        if done.returncode != 0 or not out.exists():
            raise DeviceError(_why(done.timed_out, done.stderr, subject, self))
        result: dict[str, Any] = json.loads(out.read_text())
        return result

    def _job(self, subject: Subject, *, mode: str, index: int, out: Path) -> dict[str, Any]:
        protocol = self.protocol
        share = 1 / protocol.processes
        return {
            "runtime": subject.runtime.name,
            "model": str(subject.path),
            "adapter": None if subject.adapter is None else subject.adapter.model_dump(),
            "samples": str(self.samples),
            "outputs": str(self._outputs_path(subject)),
            "out": str(out),
            "mode": mode,
            "threads": protocol.threads,
            "seed": f"{protocol.seed}:{index}",
            "warmup_runs": protocol.warmup_runs,
            "warmup_ns": int(protocol.warmup_s * 1e9),
            "min_queries": -(-protocol.min_queries // protocol.processes),
            "min_duration_ns": int(protocol.min_duration_s * share * 1e9),
            "max_duration_ns": int(protocol.max_duration_s * share * 1e9),
        }

    def _outputs_path(self, subject: Subject) -> Path:
        return self.folder / f"{subject.name}-outputs.npy"


def _why(timed_out: bool, stderr: str, subject: Subject, bench: Bench) -> str:
    what = f"device {bench.link.name}: {subject.path.name} in {subject.runtime.name}"
    if timed_out:
        return (
            f"{what}: not done after {bench.protocol.timeout_s:g} s and ended. Raise "
            "bench.timeout_s or lower bench.max_duration_s."
        )
    last = (stderr.strip().splitlines() or ["no message"])[-1]
    if "ModuleNotFoundError" in last:
        package = subject.runtime.distribution
        return f"{what}: {last}. Install it: python -m pip install '{package}'."
    return f"{what}: the measuring process failed: {last}"


def logits_of(
    path: Path,
    format_name: str,
    samples: npt.NDArray[Any],
    scratch: Path,
    *,
    adapter: Adapter | None = None,
) -> npt.NDArray[np.float32]:
    """The logits of a model file for raw `samples`, by the same agent that measures it."""
    stored = scratch / "samples.npy"
    np.save(stored, samples)
    once = Protocol(
        processes=1, min_queries=1, min_duration_s=0, max_duration_s=0, warmup_runs=0,
        warmup_s=0, threads=1, seed=0, timeout_s=3600,
    )  # fmt: skip
    bench = Bench(link=LocalLink(), samples=stored, folder=scratch, protocol=once)
    subject = Subject(name=path.name, format=format_name, path=path, adapter=adapter)
    logits, _ = bench.outputs(subject)
    return logits

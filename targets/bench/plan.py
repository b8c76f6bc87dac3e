"""How a device is measured: fresh processes, models interleaved in seeded random order.

The unit of replication is a process, because consecutive inferences in one process are not
independent (an interval over them covered the truth 45 % of the time). Sources of the rules:
MLPerf Mobile (tiers), pyperf (processes), google/benchmark (random interleaving).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from targets.bench import validity
from targets.bench.native import native_block
from targets.bench.record import Block
from targets.bench.runner import Host, local_host
from targets.bench.tiers import TIERS
from targets.devices.contract import LinkLost
from targets.devices.cpus import available_cpus
from targets.errors import EdgeDistillError
from targets.formats.model_io import Adapter
from targets.runtimes import Runtime, runtime_for
from targets.runtimes.benchmark_model import BenchmarkModel

# Named as a module too: its code decides what `logits_of` gives, and a fingerprint finds it here.
AGENT_MODULE = "targets.bench.agent"
Say = Callable[[str], None]
STORED_AT_ONCE = 1024
"""Samples."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """When to stop; the three limits are for all processes of one model together."""

    tier: str | None = None
    """Null where the numbers below are nobody's tier."""
    processes: int
    min_queries: int
    min_duration_s: float
    max_duration_s: float
    repeats: int = 0
    warmup_runs: int = 5
    warmup_s: float = 0.5
    seed: int = 0

    @classmethod
    def of_tier(cls, name: str, *, seed: int = 0) -> "Protocol":
        return cls(tier=name, seed=seed, **TIERS[name]._asdict())


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A file to measure, and what it is measured in."""

    name: str
    format: str
    path: Path
    runtime: Runtime | None = None
    """None: the first that takes the format."""
    threads: int = 1
    affinity: tuple[int, ...] | None = None
    """The CPUs that it may use; None: those that the system gives."""
    adapter: Adapter | None = None
    """Of a file that somebody else made."""
    batch: int = 1
    """Samples of one query."""
    inputs: Mapping[str, Any] | None = None
    """What each input is given (`targets.bench.inputs`); None: the samples, to the only input."""
    output_index: int = 0
    ort_options: Mapping[str, str] | None = None
    """Entries of an ONNX Runtime session's configuration."""
    native: BenchmarkModel | None = None
    """Google's own tool in place of a runtime: it times itself, and gives neither its samples nor
    what the model says."""

    @property
    def executed_by(self) -> Runtime:
        return self.runtime or runtime_for(self.format)


Failed = Callable[[Subject, EdgeDistillError], None]


def _raise(subject: Subject, error: EdgeDistillError) -> None:
    raise error


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One device, one set of samples."""

    host: Host
    protocol: Protocol
    samples: Path | None = None
    """.npy [samples, ...] of raw values."""
    cpus: int = field(default_factory=lambda: len(available_cpus()))

    def latency(
        self, subjects: Sequence[Subject], *, say: Say, failed: Failed = _raise
    ) -> list[Block]:
        """Every block, in the order measured: one fresh process of one model each.

        A block that the machine disturbed is measured again, as often as the protocol says, and
        stays in the list marked; `counted` is true for one block of each model and round. A model
        that fails is told to `failed` and takes part no more.
        """
        blocks: list[Block] = []
        left = list(subjects)
        for index in range(self.protocol.processes):
            pending = left
            for attempt in range(1 + self.protocol.repeats):
                self._say_block(say, index, attempt, pending)
                for subject in self._round(blocks, pending, index, attempt, failed):
                    left = [one for one in left if one is not subject]
                blocks = self._judged(blocks)
                again = {
                    b.model
                    for b in blocks
                    if (b.index, b.attempt) == (index, attempt) and validity.worth_repeating(b)
                }
                pending = [subject for subject in left if subject.name in again]
                if not pending:
                    break
        return counted(blocks)

    def _say_block(self, say: Say, index: int, attempt: int, pending: Sequence[Subject]) -> None:
        again = f", disturbed and again ({attempt}/{self.protocol.repeats})" if attempt else ""
        names = f"{len(pending)} model{'s' if len(pending) != 1 else ''}"
        say(f"bench     block {index + 1}/{self.protocol.processes}: {names}{again}")

    def _round(
        self,
        blocks: list[Block],
        pending: Sequence[Subject],
        index: int,
        attempt: int,
        failed: Failed,
    ) -> list[Subject]:
        """Measure each once, adding to `blocks`; those that failed."""
        order = random.Random(f"{self.protocol.seed}:{index}:{attempt}")
        broken = []
        for place, subject in enumerate(order.sample(list(pending), len(pending))):
            try:
                seen = self.host.waited(subject, partial(self._block, subject, index))
            except LinkLost:  # of the device, not of one model
                raise
            except EdgeDistillError as error:
                failed(subject, error)
                broken.append(subject)
                continue
            where = {"index": index, "order": place, "attempt": attempt, "model": subject.name}
            blocks.append(Block.model_validate({**where, **seen}))
        return broken

    def _block(self, subject: Subject, index: int) -> Mapping[str, Any]:
        job = self._latency_job(subject, index)
        self.host.cool()
        before = self.host.conditions()
        if subject.native is None:
            seen = self.host.run(subject, job)
        else:
            seen = native_block(subject.native, subject, job, self.host)
        after = self.host.conditions()
        return {
            **seen,
            "env_before": _with(seen.get("env_before"), before),
            "env_after": _with(seen.get("env_after"), after),
        }

    def _judged(self, blocks: Sequence[Block]) -> list[Block]:
        """Each with its verdict; the sentinel's baseline is of all that were seen so far."""
        baseline = validity.sentinel_baseline(blocks)
        return [
            validity.judged(block, sentinel_baseline_ns=baseline, cpus=self.cpus)
            for block in blocks
        ]

    def _latency_job(self, subject: Subject, index: int) -> dict[str, Any]:
        protocol = self.protocol
        share = 1 / protocol.processes
        return {
            **self._job(subject, "latency"),
            "seed": f"{protocol.seed}:{index}",
            "warmup_runs": protocol.warmup_runs,
            "warmup_ns": int(protocol.warmup_s * 1e9),
            "min_queries": -(-protocol.min_queries // protocol.processes),
            "min_duration_ns": int(protocol.min_duration_s * share * 1e9),
            "max_duration_ns": int(protocol.max_duration_s * share * 1e9),
        }

    def _job(self, subject: Subject, mode: str) -> dict[str, Any]:
        return {
            "mode": mode,
            "seed": str(self.protocol.seed),
            "samples": None if self.samples is None else self.host.link.push(self.samples),
        }

    def once(self, subject: Subject, mode: str) -> dict[str, Any]:
        """What a pass of its own saw: `describe`, `memory` or `profile`."""
        return self.host.waited(subject, lambda: self.host.run(subject, self._job(subject, mode)))

    def outputs(self, subject: Subject) -> tuple[npt.NDArray[Any] | None, dict[str, Any]]:
        """What the model gives for every sample, each queried exactly once, and the record of it.

        [samples, ...], of a model with an adapter its logits; None where the outputs of the samples
        have different shapes.
        """
        record = self.host.waited(
            subject,
            lambda: self.host.run(subject, self._job(subject, "accuracy"), writes="outputs"),
        )
        given = record.pop("outputs")
        if given is None or subject.adapter is None:
            return given, record
        return subject.adapter.logits(given), record


def _with(env: Mapping[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the agent read, and what only the host can ask of the device."""
    known = {key: value for key, value in more.items() if value is not None}
    return {**(env or {}), **known} or None


def counted(blocks: Sequence[Block]) -> list[Block]:
    """Each block with `counted`: of a round's attempts the valid one, else the last."""
    chosen: dict[tuple[int, str], int] = {}
    for place, block in enumerate(blocks):
        before = chosen.get((block.index, block.model))
        if before is None or not blocks[before].valid:
            chosen[block.index, block.model] = place
    kept = set(chosen.values())
    return [
        block.model_copy(update={"counted": place in kept}) for place, block in enumerate(blocks)
    ]


def store(samples: npt.NDArray[Any], path: Path) -> None:
    """What the agent queries, as `.npy`; mapped samples are never in memory as a whole."""
    numpy_format: Any = np.lib.format
    file = numpy_format.open_memmap(path, "w+", samples.dtype, samples.shape)
    for start in range(0, len(samples), STORED_AT_ONCE):
        file[start : start + STORED_AT_ONCE] = samples[start : start + STORED_AT_ONCE]
    file.flush()


def logits_of(
    path: Path,
    format_name: str,
    samples: npt.NDArray[Any],
    scratch: Path,
    *,
    adapter: Adapter | None = None,
    host: Host | None = None,
) -> npt.NDArray[np.float32]:
    """The logits of a model file for raw `samples`, by the same agent that measures it.

    On this machine, or on `host`.
    """
    stored = scratch / "samples.npy"
    store(samples, stored)
    once = Protocol(processes=1, min_queries=1, min_duration_s=0, max_duration_s=0)
    host = host or local_host(scratch, timeout_s=3600)
    bench = Bench(host=host, samples=stored, protocol=once)
    subject = Subject(name=path.name, format=format_name, path=path, adapter=adapter)
    logits, _ = bench.outputs(subject)
    assert logits is not None  # a classifier's
    return logits

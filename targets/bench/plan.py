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

import numpy as np
import numpy.typing as npt

from targets.bench import validity
from targets.bench.agent.job import AgentJob
from targets.bench.case import BenchCase
from targets.bench.native import native_block
from targets.bench.record import Block
from targets.bench.runner import AgentResult, AgentRunner, Array, local_runner
from targets.bench.tiers import TIERS
from targets.devices.contract import LinkLost
from targets.devices.cpus import available_cpus
from targets.errors import EdgeDistillError
from targets.files.npy_file import new_npy
from targets.formats.model_io import ModelIO

Say = Callable[[str], None]
SAMPLES_PER_WRITE = 1024


@dataclass(frozen=True, kw_only=True)
class BenchPlan:
    """When to stop; the three limits are for all processes of one model together."""

    tier: str | None = None
    """The name of the tier that has these numbers; None: another choice."""
    processes: int
    min_queries: int
    min_duration_s: float
    max_duration_s: float
    repeats: int = 0
    warmup_runs: int = 5
    warmup_s: float = 0.5
    seed: int = 0

    @classmethod
    def of_tier(cls, name: str, *, seed: int = 0) -> "BenchPlan":
        return cls(tier=name, seed=seed, **TIERS[name]._asdict())


Failed = Callable[[BenchCase, EdgeDistillError], None]


def _raise(case: BenchCase, error: EdgeDistillError) -> None:
    raise error


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One device, and the samples of every case that has none of its own."""

    runner: AgentRunner
    plan: BenchPlan
    samples: Path | None = None
    """.npy [samples, ...] of raw values."""
    cpus: int = field(default_factory=lambda: len(available_cpus()))

    def latency(
        self, cases: Sequence[BenchCase], *, say: Say, failed: Failed = _raise
    ) -> list[Block]:
        """Every block, in the order measured: one fresh process of one model each.

        A block that was disturbed is measured again, up to `plan.repeats` times, and stays in the
        list marked; `counted` is true for one block of each model and round. A model that fails
        goes to `failed` and is not measured again.
        """
        blocks: list[Block] = []
        left = list(cases)
        for index in range(self.plan.processes):
            pending = left
            for attempt in range(1 + self.plan.repeats):
                self._say_block(say, index, attempt, pending)
                for case in self._round(blocks, pending, index, attempt, failed):
                    left = [one for one in left if one is not case]
                blocks = self._judged(blocks)
                again = {
                    b.model
                    for b in blocks
                    if (b.index, b.attempt) == (index, attempt) and validity.worth_repeating(b)
                }
                pending = [case for case in left if case.name in again]
                if not pending:
                    break
        return counted(blocks)

    def _say_block(self, say: Say, index: int, attempt: int, pending: Sequence[BenchCase]) -> None:
        again = f", disturbed and again ({attempt}/{self.plan.repeats})" if attempt else ""
        names = f"{len(pending)} model{'s' if len(pending) != 1 else ''}"
        say(f"bench     block {index + 1}/{self.plan.processes}: {names}{again}")

    def _round(
        self,
        blocks: list[Block],
        pending: Sequence[BenchCase],
        index: int,
        attempt: int,
        failed: Failed,
    ) -> list[BenchCase]:
        """Measure each case once and add to `blocks`; returns the cases that failed."""
        order = random.Random(f"{self.plan.seed}:{index}:{attempt}")
        broken = []
        for place, case in enumerate(order.sample(list(pending), len(pending))):
            try:
                measured = self.runner.waited(case, partial(self._block, case, index))
            except LinkLost:  # of the device, not of one model
                raise
            except EdgeDistillError as error:
                failed(case, error)
                broken.append(case)
                continue
            where = {"index": index, "order": place, "attempt": attempt, "model": case.name}
            blocks.append(Block.model_validate({**where, **measured}))
        return broken

    def _block(self, case: BenchCase, index: int) -> Mapping[str, object]:
        job = self._latency_job(case, index)
        self.runner.cool()
        before = self.runner.conditions()
        if case.native is None:
            block: Mapping[str, object] = self.runner.run(case, job)
        else:
            block = native_block(case.native, case, job, self.runner)
        after = self.runner.conditions()
        return {
            **block,
            "env_before": _merged(block.get("env_before"), before),
            "env_after": _merged(block.get("env_after"), after),
        }

    def _judged(self, blocks: Sequence[Block]) -> list[Block]:
        """Each with its verdict; the sentinel's baseline is of all blocks so far."""
        baseline = validity.sentinel_baseline(blocks)
        return [
            validity.judged(block, sentinel_baseline_ns=baseline, cpus=self.cpus)
            for block in blocks
        ]

    def _latency_job(self, case: BenchCase, index: int) -> AgentJob:
        plan = self.plan
        share = 1 / plan.processes
        return {
            **self._job(case, "latency"),
            "seed": f"{plan.seed}:{index}",
            "warmup_runs": plan.warmup_runs,
            "warmup_ns": int(plan.warmup_s * 1e9),
            "min_queries": -(-plan.min_queries // plan.processes),
            "min_duration_ns": int(plan.min_duration_s * share * 1e9),
            "max_duration_ns": int(plan.max_duration_s * share * 1e9),
        }

    def _job(self, case: BenchCase, mode: str) -> AgentJob:
        samples = case.samples or self.samples
        return {
            "mode": mode,
            "seed": str(self.plan.seed),
            "samples": None if samples is None else self.runner.link.push(samples),
        }

    def once(self, case: BenchCase, mode: str) -> AgentResult:
        """The result of a process of its own: `describe`, `memory` or `profile`."""
        return self.runner.waited(case, lambda: self.runner.run(case, self._job(case, mode)))

    def outputs(self, case: BenchCase) -> tuple[Array | None, AgentResult]:
        """The output for every sample, each queried exactly once, and the record of the pass.

        [samples, ...], of a model with an adapter its logits; None where the outputs of the samples
        have different shapes.
        """
        outputs, record = self.runner.waited(case, lambda: self._outputs(case))
        if outputs is None or case.adapter is None:
            return outputs, record
        return case.adapter.logits(outputs), record

    def _outputs(self, case: BenchCase) -> tuple[Array | None, AgentResult]:
        record = self.runner.run(case, self._job(case, "accuracy"))
        there = record.pop("outputs")
        return None if there is None else self.runner.array(there), record


def _merged(env: object, more: Mapping[str, object]) -> Mapping[str, object] | None:
    """The conditions that the agent read, and those that only the host can ask the device for."""
    known = {key: value for key, value in more.items() if value is not None}
    return {**(env if isinstance(env, dict) else {}), **known} or None


def counted(blocks: Sequence[Block]) -> list[Block]:
    """Each block with `counted` set: of a round's attempts the valid one, else the last."""
    chosen: dict[tuple[int, str], int] = {}
    for place, block in enumerate(blocks):
        before = chosen.get((block.index, block.model))
        if before is None or not blocks[before].valid:
            chosen[block.index, block.model] = place
    kept = set(chosen.values())
    return [
        block.model_copy(update={"counted": place in kept}) for place, block in enumerate(blocks)
    ]


def store(samples: Array, path: Path) -> None:
    """Write the samples that the agent queries, as `.npy`, and never hold them all in memory."""
    file = new_npy(path, samples.dtype, samples.shape)
    for start in range(0, len(samples), SAMPLES_PER_WRITE):
        file[start : start + SAMPLES_PER_WRITE] = samples[start : start + SAMPLES_PER_WRITE]
    file.flush()


def logits_of(
    path: Path,
    format_name: str,
    samples: Array | Path,
    scratch: Path,
    *,
    adapter: ModelIO | None = None,
    output_index: int = 0,
    runner: AgentRunner | None = None,
) -> npt.NDArray[np.float32]:
    """The logits of a model file for raw `samples`, by the same agent that measures it.

    On this machine, or by `runner`. `samples` may be the path of their .npy. `output_index` is of
    a file without an `adapter`, which names its own.
    """
    if isinstance(samples, Path):
        stored = samples
    else:
        store(samples, stored := scratch / "samples.npy")
    once = BenchPlan(processes=1, min_queries=1, min_duration_s=0, max_duration_s=0)
    runner = runner or local_runner(scratch, timeout_s=3600)
    bench = Bench(runner=runner, samples=stored, plan=once)
    case = BenchCase(
        name=path.name, format=format_name, path=path, adapter=adapter, output_index=output_index
    )
    logits, _ = bench.outputs(case)
    assert logits is not None  # a classifier's
    return logits

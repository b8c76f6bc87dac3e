"""The figures of candidates on the devices of a search: latency, and memory if it is asked for.

Nothing of the test split is read: the inputs are validation images.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from pipeline import datasets
from pipeline.datasets.splits import Split
from pipeline.recipe.schema import Recipe
from pipeline.reporting.schema.search import DeviceFigures, Figures
from pipeline.search.untrained import ModelFile
from targets.bench import validity
from targets.bench.case import BenchCase
from targets.bench.fleet import Fleet, Throttled
from targets.bench.open_fleets import opened_fleets
from targets.bench.plan import Bench, BenchPlan, store
from targets.bench.record import Block, MemoryPass
from targets.bench.request import BenchRequest, cases
from targets.bench.summary import SummaryRow, summarise_blocks
from targets.devices.connection import ReadyDevice, Requirements
from targets.devices.contract import Device, Say
from targets.devices.parallel import on_each_device
from targets.errors import EdgeDistillError
from targets.formats.calibration import evenly

SHORT = BenchPlan(
    processes=3, min_queries=66, min_duration_s=1.5, max_duration_s=30.0, repeats=1, warmup_s=0.2
)
"""For candidates: p90 has an upper bound, the median no interval. `BenchPlan.of_tier("quick")` is
for those that may win."""
SAMPLES = 64
EMULATED = "the device is emulated: its times mean nothing"


@dataclass(frozen=True, kw_only=True)
class CandidateFile:
    recipe: Recipe
    file: ModelFile
    """Untrained or trained; a path keeps its content while the devices are open."""


@dataclass(frozen=True, kw_only=True)
class Devices:
    """The open devices of a search."""

    fleets: Sequence[Fleet[ReadyDevice]]
    scratch: Path
    stop: Event = field(repr=False)

    def measure(
        self, candidates: Sequence[CandidateFile], *, plan: BenchPlan = SHORT, memory: bool = False
    ) -> list[Figures | EdgeDistillError]:
        """The figures of each candidate on every fleet, or its error, in the order given.

        The fleets measure at the same time, each one candidate per device. Raises `DeviceError`
        where a fleet has no device left.
        """
        jobs = [
            _Job(candidate=one, samples=_samples(one, self.scratch), plan=plan, memory=memory)
            for one in candidates
        ]

        def measured(fleet: Fleet[ReadyDevice], _: Event) -> list[DeviceFigures | EdgeDistillError]:
            return fleet.each(jobs, lambda device, job: job.measured(device, fleet))

        by_fleet = on_each_device(self.fleets, measured, stop=self.stop)
        rows = zip(*by_fleet, strict=True)
        return [_figures(job, row) for job, row in zip(jobs, rows, strict=True)]


@dataclass(frozen=True, kw_only=True)
class _Job:
    candidate: CandidateFile
    samples: Path
    plan: BenchPlan
    memory: bool

    def measured(self, device: ReadyDevice, fleet: Fleet[ReadyDevice]) -> DeviceFigures:
        case = self._case(device)
        bench = Bench(runner=device.runner, plan=self.plan, cpus=device.cpus)
        blocks = bench.latency([case], say=lambda text: None)
        if fleet.is_several and (hot := _heat(blocks)):
            raise Throttled(f"device {device.runner.link.name}: {hot[0]}.")
        passes = []
        if self.memory:
            passes.append(MemoryPass(model=case.name, **bench.once(case, "memory")))
        (row,) = summarise_blocks(blocks, passes)
        return _device_figures(row, fleet.name, emulated=device.facts.emulated)

    def _case(self, device: ReadyDevice) -> BenchCase:
        file = self.candidate.file
        request = BenchRequest(
            models=(file.path,),
            exports={file.path: file.record},
            own_samples={file.path: self.samples},
            threads=(self.candidate.recipe.bench.threads,),
            plan=self.plan,
        )
        (case,) = cases(request, defaults=device.defaults, big_cores=device.big_cores).values()
        return case


def _heat(blocks: Sequence[Block]) -> list[str]:
    """What the device itself says against the blocks that count."""
    found = [one for block in blocks if block.counted for one in block.disturbances]
    return [validity.sentence(one) for one in found if one.kind in validity.HEAT]


def _samples(candidate: CandidateFile, folder: Path) -> Path:
    data = datasets.load(candidate.recipe.dataset)
    path = folder / f"samples-{'x'.join(map(str, data.input.shape))}.npy"
    if not path.exists():
        store(evenly(data[Split.VAL].raw, SAMPLES), path)
    return path


def _device_figures(row: SummaryRow, name: str, *, emulated: bool) -> DeviceFigures:
    assert row.median_ns is not None  # the agent gives its samples
    assert row.p90_ns is not None
    return DeviceFigures(
        device=name,
        median_ns=row.median_ns,
        median_ci=None if row.median_ci is None else (row.median_ci.low, row.median_ci.high),
        p90_ns=row.p90_ns,
        p90_upper_ns=row.p90_early_stopping_ns,
        peak_memory_bytes=row.peak_memory_bytes,
        valid=row.valid and not emulated,
        invalid_reasons=(*((EMULATED,) if emulated else ()), *row.invalid_reasons),
    )


def _figures(
    job: _Job, rows: Sequence[DeviceFigures | EdgeDistillError]
) -> Figures | EdgeDistillError:
    devices = []
    for row in rows:
        if isinstance(row, EdgeDistillError):
            return row
        devices.append(row)
    record = job.candidate.file.record
    return Figures(
        sha256=record.sha256,
        size_bytes=record.size_bytes,
        parameters=record.parameters,
        macs=record.macs,
        devices=tuple(devices),
    )


@contextmanager
def opened(
    groups: Sequence[Sequence[Device]],
    *,
    formats: Sequence[str],
    scratch: Path,
    say: Say,
    timeout_s: float = 600.0,
) -> Iterator[Devices]:
    """The devices of `groups` (`inventory.groups`) for files of `formats`; see `opened_fleets`."""
    needs = Requirements(formats=formats, timeout_s=timeout_s)
    stop = Event()
    with opened_fleets(groups, needs, scratch=scratch, say=say, stop=stop) as fleets:
        yield Devices(fleets=fleets, scratch=scratch, stop=stop)

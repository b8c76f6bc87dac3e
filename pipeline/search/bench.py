"""The devices of a search as `Measuring`: untrained files in short, trained ones in full.

They are opened for each batch and not for the whole search: whoever else measures on them would
wait for hours, while this search trains.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from pipeline.recipe.limits import Limit
from pipeline.recipe.schema import Recipe
from pipeline.reporting.schema.search import Figures
from pipeline.search.contract import Candidate, Failed, Measured, Trained
from pipeline.search.limits import doubtful, limits_of
from pipeline.search.measuring import SHORT, CandidateFile, opened
from pipeline.search.untrained import ModelFile, untrained
from targets.bench.plan import BenchPlan
from targets.devices import inventory
from targets.devices.contract import Device, Say
from targets.errors import EdgeDistillError

FULL = BenchPlan.of_tier("quick")
"""For trained files. It repeats what is disturbed."""
MOST = 3
"""Measurements of an untrained file that exceeds a limit in all of them, each disturbed."""
Key = tuple[str, int]
"""Digest of a file, and threads."""


@dataclass(frozen=True, kw_only=True)
class DeviceBench:
    groups: Sequence[Sequence[Device]]
    formats: Sequence[str]
    timeout_s: float
    limits: Sequence[Limit]
    scratch: Path
    say: Say
    known: dict[Key, Figures] = field(default_factory=dict, repr=False)
    """Candidates that differ in their training alone have one file, which is measured once."""
    _numbers: "count[int]" = field(default_factory=count, repr=False)

    @property
    def at_once(self) -> int:
        return min(len(group) for group in self.groups)

    def untrained(self, candidates: Sequence[Candidate]) -> list[Measured | Failed]:
        begun = time.monotonic()
        made = [self._made(one) for one in candidates]
        files = [one for one in made if isinstance(one, CandidateFile)]
        figures = iter(self._measured(files))
        found = [one if isinstance(one, EdgeDistillError) else next(figures) for one in made]
        wall_s = round((time.monotonic() - begun) / len(candidates), 3)
        return [
            Measured(one, wall_s) if isinstance(one, Figures) else Failed(error=one)
            for one in found
        ]

    def trained(self, candidate: Candidate, trained: Trained) -> Figures:
        file = ModelFile(path=trained.file, record=trained.record)
        (found,) = self._on_devices([CandidateFile(recipe=candidate.recipe, file=file)], FULL)
        if isinstance(found, EdgeDistillError):
            raise found
        return found

    def _made(self, one: Candidate) -> CandidateFile | EdgeDistillError:
        try:
            file = untrained(one.recipe, self.scratch / str(next(self._numbers)))
        except EdgeDistillError as error:
            return error
        return CandidateFile(recipe=one.recipe, file=file)

    def _measured(self, files: Sequence[CandidateFile]) -> list[Figures | EdgeDistillError]:
        new = {_key(one): one for one in files if _key(one) not in self.known}
        found: dict[Key, Figures | EdgeDistillError] = {**self.known}
        for _ in range(MOST):
            found |= zip(new, self._on_devices([*new.values()], SHORT), strict=True)
            new = {key: one for key, one in new.items() if self._doubtful(found[key])}
        for key, figures in found.items():
            if isinstance(figures, Figures) and all(one.valid for one in figures.devices):
                self.known[key] = figures
        return [found[_key(one)] for one in files]

    def _doubtful(self, found: Figures | EdgeDistillError) -> bool:
        """Only a valid measurement, or `MOST` that agree, shows that a limit is exceeded."""
        return isinstance(found, Figures) and doubtful(self.limits, found)

    def _on_devices(
        self, files: Sequence[CandidateFile], plan: BenchPlan
    ) -> list[Figures | EdgeDistillError]:
        if not files:
            return []
        with opened(
            self.groups,
            formats=self.formats,
            scratch=self.scratch / f"devices-{next(self._numbers)}",
            say=self.say,
            timeout_s=self.timeout_s,
        ) as devices:
            return devices.measure(files, plan=plan, memory=limits_memory(self.limits))


def _key(one: CandidateFile) -> Key:
    return one.file.record.sha256, one.recipe.bench.threads


def device_bench(recipe: Recipe, formats: Sequence[str], *, scratch: Path, say: Say) -> DeviceBench:
    """The devices of `bench.devices`; each item is one, or a fleet of one model."""
    return DeviceBench(
        groups=inventory.groups(recipe.bench.devices),
        formats=formats,
        timeout_s=recipe.bench.timeout_s,
        limits=limits_of(recipe.search.limits),
        scratch=scratch,
        say=say,
    )


def limits_memory(limits: Sequence[Limit]) -> bool:
    """Whether it is to be measured: in another process for each file."""
    return any(limit.figure == "memory" for limit in limits)

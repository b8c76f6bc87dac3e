"""The devices of a search as `Measuring`: untrained files in short, trained ones in full."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.recipe.schema import Recipe
from pipeline.reporting.schema.search import Figures
from pipeline.search.contract import Candidate, Failed, Measured, Trained
from pipeline.search.limits import limits_of
from pipeline.search.measuring import SHORT, CandidateFile, Devices
from pipeline.search.measuring import opened as opened_devices
from pipeline.search.untrained import ModelFile, untrained
from targets.bench.plan import BenchPlan
from targets.devices import inventory
from targets.devices.contract import Say
from targets.errors import EdgeDistillError

FULL = BenchPlan.of_tier("quick")
"""For trained files."""


@dataclass(frozen=True, kw_only=True)
class DeviceBench:
    devices: Devices
    scratch: Path
    memory: bool
    """Whether a limit asks for it: another process for each file."""
    known: dict[tuple[str, int], Figures] = field(default_factory=dict, repr=False)
    """Digest and threads -> figures: candidates that differ in their training have one file."""
    _numbers: "count[int]" = field(default_factory=count, repr=False)

    @property
    def at_once(self) -> int:
        return min(len(fleet.left) for fleet in self.devices.fleets)

    def untrained(self, candidates: Sequence[Candidate]) -> list[Measured | Failed]:
        begun = time.monotonic()
        made = [self._made(one) for one in candidates]
        files = {
            place: CandidateFile(recipe=one.recipe, file=file)
            for place, (one, file) in enumerate(zip(candidates, made, strict=True))
            if isinstance(file, ModelFile)
        }
        figures = dict(zip(files, self._measured([*files.values()]), strict=True))
        wall_s = round((time.monotonic() - begun) / len(candidates), 3)
        return [
            Failed(error=file) if isinstance(file, EdgeDistillError)
            else _found(figures[place], wall_s)
            for place, file in enumerate(made)
        ]  # fmt: skip

    def trained(self, candidate: Candidate, trained: Trained) -> Figures:
        file = ModelFile(path=trained.file, record=trained.record)
        one = CandidateFile(recipe=candidate.recipe, file=file)
        (found,) = self.devices.measure([one], plan=FULL, memory=self.memory)
        if isinstance(found, EdgeDistillError):
            raise found
        return found

    def _made(self, one: Candidate) -> ModelFile | EdgeDistillError:
        try:
            return untrained(one.recipe, self.scratch / str(next(self._numbers)))
        except EdgeDistillError as error:
            return error

    def _measured(self, files: Sequence[CandidateFile]) -> list[Figures | EdgeDistillError]:
        new = {_key(one): one for one in files if _key(one) not in self.known}
        found: dict[tuple[str, int], Figures | EdgeDistillError] = {**self.known}
        if new:
            measured = self.devices.measure([*new.values()], plan=SHORT, memory=self.memory)
            found |= dict(zip(new, measured, strict=True))
        for key, figures in found.items():
            if isinstance(figures, Figures) and all(one.valid for one in figures.devices):
                self.known[key] = figures
        return [found[_key(one)] for one in files]


def _key(one: CandidateFile) -> tuple[str, int]:
    return one.file.record.sha256, one.recipe.bench.threads


def _found(figures: Figures | EdgeDistillError, wall_s: float) -> Measured | Failed:
    if isinstance(figures, EdgeDistillError):
        return Failed(error=figures)
    return Measured(figures, wall_s)


def limits_memory(recipe: Recipe) -> bool:
    return any(limit.figure == "memory" for limit in limits_of(recipe.search.limits))


@contextmanager
def opened(recipe: Recipe, formats: Sequence[str], *, say: Say) -> Iterator[DeviceBench]:
    """The devices of `bench.devices`, in exclusive use inside the block. Raises `DeviceError`."""
    groups = inventory.groups(recipe.bench.devices)
    with TemporaryDirectory(prefix="pipeline-search-") as folder:
        scratch = Path(folder)
        with opened_devices(
            groups,
            formats=formats,
            scratch=scratch / "devices",
            say=say,
            timeout_s=recipe.bench.timeout_s,
        ) as ready:
            yield DeviceBench(
                devices=ready, scratch=scratch / "files", memory=limits_memory(recipe)
            )

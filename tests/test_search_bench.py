"""Which measurements of an untrained file exclude a candidate."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.recipe.load import read
from pipeline.reporting.schema.search import Figures
from pipeline.search.bench import MOST, DeviceBench
from pipeline.search.limits import limits_of, missed
from pipeline.search.measuring import CandidateFile
from pipeline.search.untrained import ModelFile
from targets.bench.plan import BenchPlan
from targets.errors import EdgeDistillError
from tests.searches import figures
from tests.test_search import record

LIMITS = limits_of(["p90 <= 5 ms", "size <= 500 kB"])
FAST, SLOW = 4.0, 6.0
"""p90 in ms."""
SMALL, LARGE = 400, 600
"""kB."""


@dataclass(frozen=True, kw_only=True)
class Scripted(DeviceBench):
    """Gives prepared measurements."""

    measurements: list[Figures] = field(default_factory=list)

    def _on_devices(
        self, files: Sequence[CandidateFile], plan: BenchPlan
    ) -> list[Figures | EdgeDistillError]:
        return [self.measurements.pop(0) for _ in files]


def measured(*measurements: tuple[float, int, bool]) -> tuple[Figures, int]:
    """What counts of p90, size and whether it was valid, and how many were made."""
    bench = Scripted(
        groups=(), formats=(), timeout_s=1, limits=LIMITS, scratch=Path(), say=print,
        measurements=[figures(p90, kb, valid=valid) for p90, kb, valid in measurements],
    )  # fmt: skip
    file = ModelFile(path=Path(), record=record(1))
    (found,) = bench._measured([CandidateFile(recipe=read("digits", []).recipe(), file=file)])
    assert isinstance(found, Figures)
    return found, len(measurements) - len(bench.measurements)


@pytest.mark.parametrize(
    ("measurements", "excluded"),
    [
        ([(SLOW, SMALL, True)], True),
        ([(FAST, SMALL, False)], False),
        ([(SLOW, LARGE, False)], True),  # no disturbance makes a file larger
        ([(SLOW, SMALL, False), (SLOW, SMALL, True)], True),
        ([(SLOW, SMALL, False), (FAST, SMALL, False)], False),
        ([(SLOW, SMALL, False)] * MOST, True),
    ],
)
def test_a_disturbed_measurement_alone_excludes_no_candidate(
    measurements: list[tuple[float, int, bool]], excluded: bool
) -> None:
    spare = (FAST, SMALL, True)
    found, made = measured(*measurements, spare)
    assert made == len(measurements)
    assert bool(missed(LIMITS, found)) == excluded


def test_the_reason_says_that_all_were_disturbed() -> None:
    found, _ = measured(*[(SLOW, SMALL, False)] * MOST)
    (miss,) = missed(LIMITS, found)
    assert str(miss) == "p90 6.00 ms on local (disturbed), limit p90 <= 5 ms"

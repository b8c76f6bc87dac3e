"""What disturbed a measurement: one line for the terminal, and rows for the page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.reporting.schema.model_row import LatencyNote
from pipeline.reporting.schema.report import Report
from targets.bench.record import Kind
from targets.bench.result import BenchResult
from targets.bench.statistics import LEAST_BLOCKS
from targets.bench.summary import SummaryRow
from targets.bench.validity import LESS_IS_WORSE, SPREAD, DisturbanceRow


class Words(NamedTuple):
    line: str
    """Template for the line, with `range` or `worst`, and `of`, which they are compared with."""
    kind: str
    """Name for the table."""
    worst: str = "{worst}"
    """Template of the worst value for the table."""
    digits: int = 0


WORDS: dict[Kind, Words] = {
    "others_cpu": Words(
        "others used {range} of {of} cores", "CPU used by others", "{worst} of {of} cores", 2
    ),
    "throttled": Words("the device throttled", "throttled", "-"),
    "throttled_between": Words("the device throttled", "throttled during the block", "-"),
    "hot": Words("the CPU was at {range} °C", "temperature", "{worst} °C"),
    "thermal_status": Words("Android's thermal status was {range}", "Android's thermal status"),
    "frequency": Words(
        "the clock was down to {worst} of its highest", "clock", "{worst} of its highest", 2
    ),
    "sentinel": Words(
        "fixed work took {range} times its best time", "fixed work", "{worst} times its best", 2
    ),
    "switches": Words(
        "the core was taken away {range} times a second", "core taken away", "{worst} a second"
    ),
    "load": Words(
        "the load average was {range} on {of} CPUs", "load average", "{worst} on {of} CPUs", 1
    ),
    "max_duration": Words(
        "the time limit came before the requested number of queries",
        "time limit",
        "{worst} queries",
    ),
}
"""Words of each kind, in the order in which a person can act on them, the easiest first."""
MOST = 2
"""Kinds that the line names."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One model on one device."""

    model: str
    blocks: int
    """Counted blocks: one per process."""
    disturbances: tuple[DisturbanceRow, ...] = ()
    note: LatencyNote | None = None
    verdict: str | None = None
    """Verdict of the comparison with the baseline."""


def note_of(row: SummaryRow, *, emulated: bool) -> LatencyNote | None:
    """Why another measurement may give another latency than this row of `bench-result/1`."""
    if emulated:
        return "emulated"
    if not row.valid:
        # Nothing disturbs a model that is merely too slow for the time limit.
        too_slow = {found.kind for found in row.disturbances} == {"max_duration"}
        return "cut short" if too_slow else "disturbed"
    return "unstable" if row.stability == "unstable" else None


def of_report(report: Report) -> dict[str, list[Timing]]:
    """Return the timings of a report by device."""
    timings: dict[str, list[Timing]] = {}
    for row in report.measured:
        timing = Timing(
            model=row.name,
            blocks=row.blocks or 0,
            disturbances=row.disturbances,
            note=row.note,
            verdict=None if row.is_teacher else row.speedup_verdict,
        )
        timings.setdefault(row.device or "", []).append(timing)
    return timings


def of_document(document: BenchResult) -> list[Timing]:
    verdicts = {row.candidate: row.verdict for row in document.comparison}
    return [
        Timing(
            model=row.model,
            blocks=row.n_processes,
            disturbances=row.disturbances,
            note=note_of(row, emulated=document.device.emulated),
            verdict=verdicts.get(row.model),
        )
        for row in document.summary
    ]


def lines(report: Report, details: str) -> list[str]:
    """What limits the latencies of a report, one to three lines for each device."""
    found = of_report(report)
    several = len(found) > 1
    return [
        f"{device}: {line}" if several else line
        for device, models in found.items()
        for line in limits(models, details)
    ]


def limits(models: Sequence[Timing], details: str) -> list[str]:
    """Return what limits the latencies of one device; the line refers to the place `details`."""
    if any(model.note == "emulated" for model in models):
        return ["emulated: these times mean nothing, and there is no verdict"]
    return list(filter(None, [_disturbed(models, details), _unstable(models), _few(models)]))


def _disturbed(models: Sequence[Timing], details: str) -> str | None:
    notes = [name for name in ("disturbed", "cut short") if any(m.note == name for m in models)]
    if not notes:
        return None
    found = _merged(one for model in models for one in model.disturbances)
    blocks = sum(model.blocks for model in models)
    order = sorted(found, key=lambda row: (-row.blocks, list(WORDS).index(row.kind)))
    causes = [
        f"{_filled(WORDS[row.kind].line, row)} in {row.blocks} of {blocks} blocks"
        for row in order[:MOST]
    ]
    if (more := len(order) - MOST) > 0:
        causes.append(f"{more} more kind{'s' if more > 1 else ''}")
    because = f"{', '.join(causes)}: " if causes else ""
    return f"{notes[0]}: {because}{_consequence(models)}; details in {details}"


def _unstable(models: Sequence[Timing]) -> str | None:
    found = [model.model for model in models if model.note == "unstable" and model.blocks != 1]
    if not found:
        return None
    reason = f"the medians of their processes differ by more than {100 * SPREAD:.0f} %"
    return f"unstable: {', '.join(found)}: {reason}"


def _few(models: Sequence[Timing]) -> str | None:
    fewest = min((model.blocks for model in models if model.blocks), default=LEAST_BLOCKS)
    if fewest >= LEAST_BLOCKS:
        return None
    processes = "1 process" if fewest == 1 else f"{fewest} processes"
    return f"{processes} per model: a verdict and an interval take {LEAST_BLOCKS}"


HEADER = ("file", "kind", "blocks", "worst value", "limit")


def rows(models: Sequence[Timing]) -> list[tuple[str, ...]]:
    """Cells under `HEADER`, a row per model and kind."""
    return [
        (
            model.model,
            WORDS[row.kind].kind,
            f"{row.blocks} of {model.blocks}",
            _filled(WORDS[row.kind].worst, row),
            "-" if row.limit is None else f"{row.limit:g}",
        )
        for model in models
        for row in model.disturbances
    ]


def _consequence(models: Sequence[Timing]) -> str:
    compared = [model for model in models if model.verdict is not None]
    invalid = [model.model for model in compared if model.verdict == "invalid"]
    if not compared:
        return "these times are not reliable"
    if len(invalid) == len(compared):
        return "no verdict"
    return f"no verdict on {', '.join(invalid)}" if invalid else "no verdict is affected"


def _merged(found: Iterable[DisturbanceRow]) -> list[DisturbanceRow]:
    by_kind: dict[Kind, list[DisturbanceRow]] = {}
    for row in found:
        by_kind.setdefault(row.kind, []).append(row)
    return [_over_models(kind, found) for kind, found in by_kind.items()]


def _over_models(kind: Kind, found: Sequence[DisturbanceRow]) -> DisturbanceRow:
    farther, nearer = (min, max) if kind in LESS_IS_WORSE else (max, min)
    worst = farther(found, key=lambda row: row.worst)
    least = nearer(row.least for row in found)
    blocks = sum(row.blocks for row in found)
    return worst.model_copy(update={"blocks": blocks, "least": least})


def _filled(template: str, row: DisturbanceRow) -> str:
    digits = WORDS[row.kind].digits
    least, worst = f"{row.least:.{digits}f}", f"{row.worst:.{digits}f}"
    span = worst if least == worst else f"{least} to {worst}"
    return template.format(range=span, worst=worst, of=f"{row.of or 0:.0f}")

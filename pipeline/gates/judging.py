"""Verdicts on the figures of a run against fixed limits.

A figure passes where its whole interval keeps the limit, and fails where none of it does. Between
the two the measurement cannot decide: another one would as likely say the opposite.
"""

from collections.abc import Iterator, Sequence
from itertools import product

from pipeline.gates.figures import Figure, Measured, SkippedError, UnreliableError
from pipeline.recipe.gates import KINDS, Gates, Limit
from pipeline.reporting.schema.gate import GateRow, Verdict
from pipeline.reporting.schema.model_row import ModelRow, small_files


def judged(gates: Gates, found: Sequence[Measured]) -> list[GateRow]:
    """A row per gate, file and device; of a fact of the file, one."""
    rows = [one.row for one in found]
    general = {row.name for row in general_files(rows)}
    verdicts = []
    for one in found:
        name, device = one.row.name, one.row.device
        limits = gates.limits(file=name, device=device, general=name in general)
        first = device == rows[0].device
        verdicts += [
            _judged(gate, limit, one)
            for gate, limit in limits.given()
            if KINDS[gate].per_device or first
        ]
    return [*verdicts, *_elsewhere(gates, rows)]


def general_files(rows: Sequence[ModelRow]) -> list[ModelRow]:
    """The student's small files, or all of the student's."""
    return small_files(rows) or [row for row in rows if not row.is_teacher]


def _judged(name: str, limit: Limit, one: Measured) -> GateRow:
    row = GateRow(
        name=name,
        file=one.row.name,
        device=one.row.device if KINDS[name].per_device else None,
        limit=float(limit),
        at_least=KINDS[name].at_least,
        verdict="skipped",
    )
    try:
        figure = one.figure(name)
    except SkippedError as error:
        return row.model_copy(update={"reason": str(error)})
    except UnreliableError as error:
        return row.model_copy(update={"verdict": "undecided", "reason": str(error)})
    return row.model_copy(
        update={
            "value": figure.value,
            "interval": None if figure.low == figure.high else (figure.low, figure.high),
            "verdict": decided(figure, float(limit), at_least=KINDS[name].at_least),
        }
    )


def decided(figure: Figure, limit: float, *, at_least: bool) -> Verdict:
    kept = figure.low >= limit if at_least else figure.high <= limit
    missed = figure.high < limit if at_least else figure.low > limit
    return "passed" if kept else "failed" if missed else "undecided"


def _elsewhere(gates: Gates, rows: Sequence[ModelRow]) -> Iterator[GateRow]:
    """The gates on devices and files that the run does not have: skipped, never passed."""
    files = list(dict.fromkeys(row.name for row in general_files(rows)))
    measured, known = {row.device for row in rows}, {row.name for row in rows}
    for device, limits in gates.devices.items():
        if device not in measured:
            for file, (name, limit) in product(files, limits.given()):
                yield _absent(name, limit, file, device)
    for file, limits in gates.files.items():
        if file not in known:
            for name, limit in limits.given():
                yield _absent(name, limit, file, None)


def _absent(name: str, limit: Limit, file: str, device: str | None) -> GateRow:
    missing = "the run has no such file"
    return GateRow(
        name=name,
        file=file,
        device=device,
        limit=float(limit),
        at_least=KINDS[name].at_least,
        verdict="skipped",
        reason=missing if device is None else "the run was not measured on this device",
    )

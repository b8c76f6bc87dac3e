"""Which file to use on a device: the smallest and the fastest of those that keep the accuracy.

A file keeps the accuracy unless the report shows that it is worse: than the float student, by
McNemar's test on the same test samples, or, where the report has no such pair, than the most
accurate file, by intervals that do not overlap. Two times differ where their intervals do not
overlap; of files whose times do not differ, the smallest is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.reporting import formatting
from pipeline.reporting.findings.chance import majority
from pipeline.reporting.schema.model_row import Interval, ModelRow
from pipeline.reporting.schema.report import Recommended

LEVEL = 0.05
"""Significance level of McNemar's test."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file of the student that was measured on the device."""

    row: ModelRow
    top1: float
    top1_ci: Interval
    median_ns: float

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def order(self) -> tuple[int, float]:
        """Sort key: the smallest first, of equal ones the fastest."""
        return self.row.size_bytes, self.median_ns


def recommend(
    rows: Sequence[ModelRow], *, majority_share: float | None = None
) -> tuple[Recommended, ...]:
    """Return one recommendation per device; none where nothing was measured.

    `majority_share`: top-1 of naming the most frequent class of the test split.
    """
    devices: dict[str, list[Candidate]] = {}
    for row in rows:
        candidate = _candidate(row)
        if candidate is not None:
            devices.setdefault(row.device or "", []).append(candidate)
    return tuple(_recommended(name, found, majority_share) for name, found in devices.items())


def keeps_accuracy(file: Candidate, best: Candidate) -> bool:
    """Whether it is not shown to be worse; `best` is the most accurate file."""
    change = file.row.accuracy_change
    if change is None:
        return file.top1_ci[1] >= best.top1_ci[0]
    return change.gain >= 0 or change.p_value > LEVEL


def _candidate(row: ModelRow) -> Candidate | None:
    """Return the candidate; None for a teacher and for a file that was not measured."""
    if row.is_teacher or row.top1 is None or row.top1_ci is None or row.median_ns is None:
        return None
    return Candidate(row=row, top1=row.top1, top1_ci=row.top1_ci, median_ns=row.median_ns)


def _recommended(
    device: str, found: Sequence[Candidate], majority_share: float | None
) -> Recommended:
    above = [file for file in found if file.top1_ci[0] > (majority_share or 0)]
    if not above:
        reason = f"no file is shown to be better than {majority(majority_share or 0)}"
        return Recommended(device=device, fastest=None, smallest=None, reason=reason)
    best = max(found, key=lambda file: file.top1)
    kept = [file for file in above if keeps_accuracy(file, best)]
    smallest = min(kept, key=lambda file: file.order)
    fastest, equals = _fastest(kept)
    return Recommended(
        device=device,
        fastest=None if fastest is None else fastest.name,
        smallest=smallest.name,
        reason="; ".join(
            [*_choice(smallest, fastest, equals, kept), *_left_out(found, kept, fastest)]
        ),
    )


def _fastest(kept: Sequence[Candidate]) -> tuple[Candidate | None, list[Candidate]]:
    """The fastest, and the others whose times do not differ from its time."""
    timed = [file for file in kept if file.row.reliable_ci is not None]
    if not timed:
        return None, []
    first = min(timed, key=lambda file: file.median_ns)
    equals = [file for file in timed if _low(file) <= _high(first)]
    chosen = min(equals, key=lambda file: file.order)
    return chosen, [file for file in equals if file is not chosen]


def _low(file: Candidate) -> float:
    return file.row.reliable_ci[0] if file.row.reliable_ci else file.median_ns


def _high(file: Candidate) -> float:
    return file.row.reliable_ci[1] if file.row.reliable_ci else file.median_ns


def _choice(
    smallest: Candidate,
    fastest: Candidate | None,
    equals: Sequence[Candidate],
    kept: Sequence[Candidate],
) -> list[str]:
    size = formatting.kilobytes(smallest.row.size_bytes)
    if fastest is None:
        because = unreliable_because([file.row for file in kept])
        return [f"smallest: {smallest.name} {size}", f"fastest: not known, {because}"]
    time = formatting.microseconds(fastest.median_ns)
    if equals:
        names = ", ".join(file.name for file in equals)
        time += f" (no difference from {names} is shown)"
    if fastest is smallest:
        return [f"{smallest.name} is the smallest, {size}, and the fastest here, {time}"]
    return [
        f"smallest: {smallest.name} {size}",
        f"fastest here: {fastest.name} {time}{_trade(smallest, fastest)}",
    ]


def _trade(smallest: Candidate, fastest: Candidate) -> str:
    if smallest.row.reliable_ci is None:
        return ""
    ratio = smallest.median_ns / fastest.median_ns
    return f", {smallest.name} takes {formatting.times(ratio)} that time"


def unreliable_because(rows: Sequence[ModelRow]) -> str:
    """Return why no time is reliable, as a clause."""
    notes = {row.note for row in rows}
    if "emulated" in notes:
        return "because the device is emulated"
    if "disturbed" in notes:
        return "because the times were disturbed"
    if "cut short" in notes:
        return "because the measurements were cut short by their time limit"
    return "because six processes are needed for an interval of the time"


def _left_out(
    found: Sequence[Candidate], kept: Sequence[Candidate], fastest: Candidate | None
) -> list[str]:
    reasons = []
    if worse := [file.name for file in found if file not in kept]:
        reasons.append(f"not considered, for their accuracy: {', '.join(worse)}")
    untimed = [file.name for file in kept if file.row.reliable_ci is None]
    if fastest is not None and untimed:
        reasons.append(f"not considered for speed, without a valid time: {', '.join(untimed)}")
    return reasons

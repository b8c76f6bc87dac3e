"""Which file to take on a device: the smallest and the fastest of those that keep the accuracy.

A file keeps the accuracy unless the report shows that it is worse: than the float student, by
McNemar's test on the same test images, or, where the report has no such pair, than the most
accurate file, by intervals that do not overlap. Two times differ where their intervals do not
overlap; of files whose times do not differ, the smallest is named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.reporting import table
from pipeline.reporting.disturbances import CUT_SHORT, relied_on

LEVEL = 0.05
"""Of McNemar's test."""


@dataclass(frozen=True, kw_only=True)
class Recommended:
    """For one device; the names are of files in the report's rows."""

    device: str
    fastest: str | None
    """Null where no time can be relied on."""
    smallest: str | None
    """Null where no file is better than naming the most frequent class."""
    reason: str
    """A sentence for a person to read."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file of the student, measured on the device."""

    name: str
    size_bytes: int
    top1: float
    top1_ci: tuple[float, float]
    change: Mapping[str, Any] | None
    """Against the float student: `accuracy_change` of `report/1`."""
    median_ns: float
    median_ci: tuple[float, float] | None
    """Null where the time cannot be relied on: disturbed, emulated, or too few processes."""
    note: str | None
    """What is wrong with the time: `latency_note` of `report/1`."""


def recommend(
    rows: Sequence[dict[str, Any]], *, majority_share: float | None = None
) -> list[Recommended]:
    """One per device of the rows of a `report/1`; none where nothing was measured.

    `majority_share`: top-1 of naming the most frequent class of the test split.
    """
    devices: dict[str, list[Candidate]] = {}
    for row in rows:
        if row["role"] != "teacher" and row["top1"] is not None and row["median_ns"] is not None:
            devices.setdefault(row["device"], []).append(_candidate(row))
    return [_recommended(name, found, majority_share) for name, found in devices.items()]


def keeps_accuracy(one: Candidate, best: Candidate) -> bool:
    """Whether it is not shown to be worse; `best` is the most accurate file."""
    if one.change is None:
        return one.top1_ci[1] >= best.top1_ci[0]
    return bool(one.change["gain"] >= 0 or one.change["p_value"] > LEVEL)


def _candidate(row: dict[str, Any]) -> Candidate:
    note = table.latency_note(row)
    return Candidate(
        name=row["name"],
        size_bytes=row["size_bytes"],
        top1=row["top1"],
        top1_ci=row["top1_ci"],
        change=row.get("accuracy_change"),
        median_ns=row["median_ns"],
        median_ci=row["median_ci"] if relied_on(note) else None,
        note=note,
    )


def _recommended(
    device: str, found: Sequence[Candidate], majority_share: float | None
) -> Recommended:
    above = [one for one in found if one.top1_ci[0] > (majority_share or 0)]
    if not above:
        reason = f"no file is shown to be better than {table.majority(majority_share or 0)}"
        return Recommended(device=device, fastest=None, smallest=None, reason=reason)
    best = max(found, key=lambda one: one.top1)
    kept = [one for one in above if keeps_accuracy(one, best)]
    smallest = min(kept, key=lambda one: (one.size_bytes, one.median_ns))
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
    timed = [one for one in kept if one.median_ci is not None]
    if not timed:
        return None, []
    first = min(timed, key=lambda one: one.median_ns)
    equals = [one for one in timed if _low(one) <= _high(first)]
    chosen = min(equals, key=lambda one: (one.size_bytes, one.median_ns))
    return chosen, [one for one in equals if one is not chosen]


def _low(one: Candidate) -> float:
    return one.median_ci[0] if one.median_ci else one.median_ns


def _high(one: Candidate) -> float:
    return one.median_ci[1] if one.median_ci else one.median_ns


def _choice(
    smallest: Candidate,
    fastest: Candidate | None,
    equals: Sequence[Candidate],
    kept: Sequence[Candidate],
) -> list[str]:
    size = table.kilobytes(smallest.size_bytes)
    if fastest is None:
        return [f"smallest: {smallest.name} {size}", f"fastest: not known, {_why(kept)}"]
    time = table.microseconds(fastest.median_ns)
    if equals:
        names = ", ".join(one.name for one in equals)
        time += f" (no difference from {names} is shown)"
    if fastest is smallest:
        return [f"{smallest.name} is the smallest, {size}, and the fastest here, {time}"]
    return [
        f"smallest: {smallest.name} {size}",
        f"fastest here: {fastest.name} {time}{_trade(smallest, fastest)}",
    ]


def _trade(smallest: Candidate, fastest: Candidate) -> str:
    if smallest.median_ci is None:
        return ""
    ratio = smallest.median_ns / fastest.median_ns
    return f", {smallest.name} takes {table.times(ratio)} that time"


def _why(kept: Sequence[Candidate]) -> str:
    """Why no time can be relied on."""
    notes = {one.note for one in kept}
    if "emulated" in notes:
        return "because the device is emulated"
    if "disturbed" in notes:
        return "because the times were disturbed"
    if CUT_SHORT in notes:
        return "because the measurements were cut short by their time limit"
    return "because six processes are needed for an interval of the time"


def _left_out(
    found: Sequence[Candidate], kept: Sequence[Candidate], fastest: Candidate | None
) -> list[str]:
    said = []
    if worse := [one.name for one in found if one not in kept]:
        said.append(f"not considered, for their accuracy: {', '.join(worse)}")
    untimed = [one.name for one in kept if one.median_ci is None]
    if fastest is not None and untimed:
        said.append(f"not considered for speed, without a valid time: {', '.join(untimed)}")
    return said

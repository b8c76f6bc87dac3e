"""How well confidence tells right predictions from wrong ones: measurements on the test split."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from targets.evaluation.metrics import wilson_interval

Shares = npt.NDArray[np.float64]
Right = npt.NDArray[np.bool_]
BINS = 15


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The samples whose confidence is in one of `BINS` equal parts of 0 to 1."""

    samples: int
    confidence: float
    """Mean confidence."""
    accuracy: float


def reliability(confidence: Shares, right: Right) -> tuple[Bin, ...]:
    """The parts that hold samples, from the lowest confidence on: those of the ECE."""
    index = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return tuple(
        Bin(
            samples=int(held.sum()),
            confidence=float(confidence[held].mean()),
            accuracy=float(right[held].mean()),
        )
        for held in (index == part for part in range(BINS))
        if held.any()
    )


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The risk (share of wrong ones) of the most confident predictions, by their share of all."""

    coverage: Shares
    """Ascending, to 1; predictions of equal confidence are accepted together."""
    risk: Shares
    area: float
    """AURC, the mean risk over all coverages: Geifman et al. 2019, arXiv 1805.08206."""


def curve(confidence: Shares, right: Right) -> Curve:
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    accepted = np.arange(1, len(ranked) + 1)
    ends = np.append(ranked[1:] != ranked[:-1], True)
    risk = np.cumsum(~right[order])[ends] / accepted[ends]
    steps = np.diff(accepted[ends], prepend=0) / len(ranked)
    return Curve(coverage=accepted[ends] / len(ranked), risk=risk, area=float((risk * steps).sum()))


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The predictions that reach their threshold; intervals are Wilson's of 95 %."""

    accepted: int
    coverage: float
    coverage_ci: tuple[float, float]
    precision: float | None
    """None where nothing is accepted."""
    precision_ci: tuple[float, float] | None


def accepted(accept: Right, right: Right) -> Accepted:
    count, coverage = int(accept.sum()), float(accept.mean())
    precision = float(right[accept].mean()) if count else None
    return Accepted(
        accepted=count,
        coverage=coverage,
        coverage_ci=wilson_interval(coverage, len(accept)),
        precision=precision,
        precision_ci=None if precision is None else wilson_interval(precision, count),
    )

"""How often a threshold of `[confidence]` breaks its promise, on drawn validation splits.

Labels are drawn from the softmax of random logits, of which the file has a multiple. For each split
the temperature and the threshold are fitted as in `convert`; the precision that they then have is
that on `NEW_SAMPLES` further samples. The promise allows 5 % of the splits to be below. Beside it
is what a threshold would do that is chosen by the precision on the split itself, without a bound.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import fresh
import numpy as np
import numpy.typing as npt

from targets.evaluation import metrics, temperature, thresholds

NEW_SAMPLES = 50_000
PACKAGES = ("numpy", "scipy")

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Case:
    samples: int
    """Of a validation split."""
    factor: float
    """Of the file's logits over the true ones."""
    precision: float
    """The wanted one."""
    spread: float = 3.0
    """Standard deviation of the true logits of the four classes."""


CASES = (
    Case(samples=150, factor=4.0, precision=0.85),
    Case(samples=600, factor=0.5, precision=0.85),
    Case(samples=300, factor=3.0, precision=0.9, spread=4.0),
    Case(samples=1000, factor=1.0, precision=0.9),
)


def drawn(case: Case, count: int, random: np.random.Generator) -> tuple[Logits, Labels]:
    true = random.normal(0, case.spread, (count, 4))
    noise = random.gumbel(size=true.shape)  # the largest sum is a draw from the softmax
    return (case.factor * true).astype(np.float32), (true + noise).argmax(axis=1)


def simulated(case: Case, splits: int, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    new, truth = drawn(case, NEW_SAMPLES, random)
    right = metrics.right(new, truth)
    found = {"with": [0, 0], "without": [0, 0]}
    for _ in range(splits):
        logits, labels = drawn(case, case.samples, random)
        fitted = temperature.fit(logits, labels).value
        shares = temperature.confidence(logits, temperature=fitted)
        hits = metrics.right(logits, labels)
        of_new = temperature.confidence(new, temperature=fitted)
        limits = {
            "with": thresholds.threshold(shares, hits, precision=case.precision),
            "without": unbounded(shares, hits, case.precision),
        }
        for name, limit in limits.items():
            if limit is not None:
                found[name][0] += 1
                found[name][1] += int(right[of_new >= limit].mean() < case.precision)
    return {
        **asdict(case),
        "top1": float(right.mean()),
        **{f"{key}_bound": {"found": n, "broken": b} for key, (n, b) in found.items()},
    }


def unbounded(shares: thresholds.Shares, right: thresholds.Right, precision: float) -> float | None:
    accepted = ((limit, shares >= limit) for limit in thresholds.GRID)
    kept = (limit for limit, held in accepted if held.any() and right[held].mean() >= precision)
    return next(kept, None)


def report(result: dict[str, Any]) -> None:
    for row in result["cases"]:
        bound, plain = row["with_bound"], row["without_bound"]
        click.echo(
            f"{row['samples']} samples, precision {row['precision']:g}, top-1 {row['top1']:.3f}: "
            f"{bound['broken']} of {bound['found']} thresholds broken; without the bound "
            f"{plain['broken']} of {plain['found']}"
        )


@click.command()
@fresh.options(*fresh.OUTPUT)
@click.option("--splits", type=click.IntRange(min=1), default=500, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(as_json: bool, out: Path | None, splits: int, seed: int) -> None:
    """Simulate the promise of thresholds: python benchmarks/confidence.py --out confidence.json"""
    cases = [simulated(case, splits, seed) for case in CASES]
    settings = {"splits": splits, "seed": seed}
    result = fresh.describe("confidence/1", PACKAGES, settings) | {"cases": cases}
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

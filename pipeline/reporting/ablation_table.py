"""What each step from the teacher to the int8 student bought: observations in, the table out.

Every variant is trained with the same seeds and budget and measured on the same test images. A step
compares two variants seed by seed. It counts as separated from no change where two tests agree at
5 %: the paired t over seeds (another training would not turn it round) and the clustered McNemar
test over images (other test images would not); with one seed, McNemar's test alone. The steps are
fixed in advance and their p values are not corrected for their number. Published as it comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from pipeline.reporting.table import points
from targets.evaluation import significance
from targets.evaluation.significance import Mean

Right = npt.NDArray[np.bool_]
Table = dict[str, Any]

LEVEL = 0.05

VARIANTS = {
    "teacher": "teacher",
    "student_scratch": "student from scratch",
    "student_kd": "+ distillation",
    "kd_ptq": "+ int8 by calibration alone",
    "kd_qat": "+ int8, trained with distillation",
    "kd_qat_hard": "+ int8, trained on labels alone",
}
"""Name -> what it is, in the order of the table."""

STEPS = (
    ("student_scratch", "student_kd", "distillation"),
    ("student_kd", "kd_ptq", "int8 by calibration alone"),
    ("kd_ptq", "kd_qat", "quantization-aware training after calibration"),
    ("student_kd", "kd_qat", "int8 with quantization-aware training"),
    ("kd_qat_hard", "kd_qat", "distillation during quantization-aware training"),
)
"""Before, after, and what the step adds."""

METRICS = ("agreement_with_teacher", "kl_to_teacher", "ece", "negative_flip_rate")


class AblationRow(BaseModel):
    """One variant of one seed, on the whole test split."""

    model_config = ConfigDict(frozen=True)

    variant: str
    seed: int
    top1: float
    top1_ci: tuple[float, float]
    """Wilson's."""
    agreement_with_teacher: float | None = None
    kl_to_teacher: float | None = None
    ece: float | None = None
    negative_flip_rate: float | None = None
    worst_class_change: tuple[float, int] | None = None
    """As `metrics.worst_class_change` gives it: the change, and the class's index."""
    corrupted: dict[str, tuple[float, ...]] = {}
    """Kind of corruption -> accuracy at severities 1 to 5."""


def tabulate(rows: Sequence[AblationRow], right: Mapping[tuple[str, int], Right]) -> Table:
    """The table as `report/1` holds it; `right` is by (variant, seed), [samples], as the rows are.

    Variants that were not run are left out, and so are the steps from or to them.
    """
    ordered = sorted(rows, key=lambda row: row.seed)
    runs = {name: [row for row in ordered if row.variant == name] for name in VARIANTS}
    runs = {name: found for name, found in runs.items() if found}
    answers = {
        name: {row.seed: right[name, row.seed] for row in found} for name, found in runs.items()
    }
    return {
        "test_samples": len(next(iter(right.values()))),
        "variants": [_variant(name, found) for name, found in runs.items()],
        "steps": [
            _step(before, after, adds, answers[before], answers[after])
            for before, after, adds in STEPS
            if before in runs and after in runs
        ],
    }


def _variant(name: str, runs: Sequence[AblationRow]) -> Table:
    top1 = significance.mean_interval([row.top1 for row in runs])
    worst = [row.worst_class_change for row in runs if row.worst_class_change is not None]
    return {
        "name": name,
        "is": VARIANTS[name],
        "seeds": [row.seed for row in runs],
        "top1": top1.mean,
        "top1_interval": _ends(top1),
        **{metric: _mean([getattr(row, metric) for row in runs]) for metric in METRICS},
        "worst_class_change": list(min(worst)) if worst else None,  # of all seeds
        "corrupted": {
            kind: np.mean([row.corrupted[kind] for row in runs], axis=0).tolist()
            for kind in runs[0].corrupted
        },
        "runs": [row.model_dump(mode="json", exclude={"variant"}) for row in runs],
    }


def _mean(values: Sequence[float | None]) -> float | None:
    seen = [value for value in values if value is not None]
    return float(np.mean(seen)) if seen else None


def _ends(mean: Mean) -> list[float] | None:
    return None if mean.low is None or mean.high is None else [mean.low, mean.high]


def _step(
    before: str, after: str, adds: str, was: Mapping[int, Right], became: Mapping[int, Right]
) -> Table:
    if was.keys() != became.keys():
        raise ValueError(f"{before} and {after} were run with other seeds: a step pairs them")
    seeds = sorted(was)
    pairs = [significance.mcnemar(before=was[s], after=became[s]) for s in seeds]
    gains = [pair.gain for pair in pairs]
    gain = significance.mean_interval(gains)
    p_seeds = significance.paired_t(gains)
    p_images = _p_images(pairs, [was[s] for s in seeds], [became[s] for s in seeds])
    step = {
        "before": before,
        "after": after,
        "adds": adds,
        "seeds": seeds,
        "gain": gain.mean,
        "interval": _ends(gain) or list(pairs[0].interval),
        "interval_over": "seeds" if len(seeds) > 1 else "images",
        "p_seeds": p_seeds,
        "p_images": p_images,
        "separated": p_images <= LEVEL and (p_seeds is None or p_seeds <= LEVEL),
        "runs": [_pair(seed, pair) for seed, pair in zip(seeds, pairs, strict=True)],
    }
    return {**step, "words": words(step)}


def _pair(seed: int, pair: significance.Paired) -> Table:
    return {"seed": seed, **asdict(pair), "interval": list(pair.interval)}


def _p_images(
    pairs: Sequence[significance.Paired], was: Sequence[Right], became: Sequence[Right]
) -> float:
    if len(pairs) == 1:
        return pairs[0].p_value
    return significance.clustered_mcnemar(before=np.stack(was), after=np.stack(became))


def words(step: Table) -> str:
    """What a step shows, and what it does not."""
    low, high = (points(end) for end in step["interval"])
    seen = f"{points(step['gain'])} points ({low} to {high})"
    if step["separated"]:
        return f"{seen}: {'a gain' if step['gain'] > 0 else 'a loss'} that the tests show"
    doubts = [
        doubt
        for p, doubt in (
            (step["p_seeds"], "another seed"),
            (step["p_images"], "another test split"),
        )
        if p is not None and p > LEVEL
    ]
    return f"{seen}: not shown to differ from no change; {' or '.join(doubts)} could reverse it"

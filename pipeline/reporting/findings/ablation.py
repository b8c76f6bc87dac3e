"""What each step from the teacher to the int8 student gains: observations in, `Ablation` out.

Every variant is trained with the same seeds and budget and measured on the same test samples. A
step compares two variants seed by seed. It counts as separated from no change where two tests agree
at 5 %: the paired t over seeds (another training would not reverse it) and the clustered McNemar
test over samples (other test samples would not); with one seed, McNemar's test alone. The steps are
fixed in advance and their p values are not corrected for their number. Every result is published.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from pipeline.reporting.formatting import points
from pipeline.reporting.schema.ablation import (
    Ablation,
    AblationRow,
    Pair,
    Step,
    Variant,
    VariantRun,
)
from pipeline.reporting.schema.model_row import Interval
from targets.evaluation import significance
from targets.evaluation.significance import Mean, Right

LEVEL = 0.05

VARIANTS = {
    "teacher": "teacher",
    "student_scratch": "student from scratch",
    "student_random": "student from random weights, with distillation",
    "student_kd": "+ distillation",
    "kd_ptq": "+ int8 by calibration alone",
    "kd_qat": "+ int8, trained with distillation",
    "kd_qat_hard": "+ int8, trained on labels alone",
}
"""Name -> description, in the order of the table."""

SAME_WEIGHTS = {"student_scratch": "student on labels alone, same initial weights"}
"""Other descriptions where the recipe gives initial weights: `student_random` lacks them alone."""

STEPS = (
    ("student_scratch", "student_kd", "distillation"),
    ("student_random", "student_kd", "initial weights in place of random ones"),
    ("student_kd", "kd_ptq", "int8 by calibration alone"),
    ("kd_ptq", "kd_qat", "quantization-aware training after calibration"),
    ("student_kd", "kd_qat", "int8 with quantization-aware training"),
    ("kd_qat_hard", "kd_qat", "distillation during quantization-aware training"),
)
"""Before, after, and what the step adds."""


def tabulate(rows: Sequence[AblationRow], right: Mapping[tuple[str, int], Right]) -> Ablation:
    """`right` is by (variant, seed), [samples], as the rows are.

    Variants that were not run are left out, and so are the steps from or to them.
    """
    ordered = sorted(rows, key=lambda row: row.seed)
    runs = {name: [row for row in ordered if row.variant == name] for name in VARIANTS}
    runs = {name: found for name, found in runs.items() if found}
    described = {**VARIANTS, **(SAME_WEIGHTS if "student_random" in runs else {})}
    by_seed = {
        name: {row.seed: right[name, row.seed] for row in found} for name, found in runs.items()
    }
    return Ablation(
        test_samples=len(next(iter(right.values()))),
        variants=tuple(_variant(name, described[name], found) for name, found in runs.items()),
        steps=tuple(
            _step(before, after, adds, by_seed[before], by_seed[after])
            for before, after, adds in STEPS
            if before in runs and after in runs
        ),
    )


def _variant(name: str, description: str, runs: Sequence[AblationRow]) -> Variant:
    top1 = significance.mean_interval([row.top1 for row in runs])
    worst = [row.worst_class_change for row in runs if row.worst_class_change is not None]
    return Variant(
        name=name,
        description=description,
        seeds=tuple(row.seed for row in runs),
        top1=top1.mean,
        top1_interval=_ends(top1),
        balanced_accuracy=_mean(row.balanced_accuracy for row in runs),
        macro_f1=_mean(row.macro_f1 for row in runs),
        agreement_with_teacher=_mean(row.agreement_with_teacher for row in runs),
        kl_to_teacher=_mean(row.kl_to_teacher for row in runs),
        ece=_mean(row.ece for row in runs),
        negative_flip_rate=_mean(row.negative_flip_rate for row in runs),
        worst_class_change=min(worst, default=None),
        corrupted={
            kind: tuple(np.mean([row.corrupted[kind] for row in runs], axis=0).tolist())
            for kind in runs[0].corrupted
        },
        runs=tuple(VariantRun(**row.model_dump(exclude={"variant"})) for row in runs),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _ends(mean: Mean) -> Interval | None:
    return None if mean.low is None or mean.high is None else (mean.low, mean.high)


def _step(
    before: str, after: str, adds: str, old: Mapping[int, Right], new: Mapping[int, Right]
) -> Step:
    """`old` and `new`: which samples each variant has right, by seed."""
    if old.keys() != new.keys():
        raise ValueError(f"{before} and {after} were run with other seeds: a step pairs them")
    seeds = sorted(old)
    pairs = [significance.mcnemar(before=old[s], after=new[s]) for s in seeds]
    gains = [pair.gain for pair in pairs]
    gain = significance.mean_interval(gains)
    interval = _ends(gain) or pairs[0].interval
    p_seeds = significance.paired_t(gains)
    p_images = _p_images(pairs, [old[s] for s in seeds], [new[s] for s in seeds])
    return Step(
        before=before,
        after=after,
        adds=adds,
        seeds=tuple(seeds),
        gain=gain.mean,
        interval=interval,
        interval_over="seeds" if len(seeds) > 1 else "images",
        p_seeds=p_seeds,
        p_images=p_images,
        separated=p_images <= LEVEL and (p_seeds is None or p_seeds <= LEVEL),
        runs=tuple(Pair(seed=s, **asdict(pair)) for s, pair in zip(seeds, pairs, strict=True)),
        words=_words(gain.mean, interval, p_seeds, p_images),
    )


def _p_images(
    pairs: Sequence[significance.Paired], old: Sequence[Right], new: Sequence[Right]
) -> float:
    if len(pairs) == 1:
        return pairs[0].p_value
    return significance.clustered_mcnemar(before=np.stack(old), after=np.stack(new))


def _words(gain: float, interval: Interval, p_seeds: float | None, p_images: float) -> str:
    """What a step shows, and what it does not."""
    low, high = map(points, interval)
    figures = f"{points(gain)} points ({low} to {high})"
    doubts = [
        doubt
        for p, doubt in ((p_seeds, "another seed"), (p_images, "another test split"))
        if p is not None and p > LEVEL
    ]
    if not doubts:
        return f"{figures}: {'a gain' if gain > 0 else 'a loss'} that the tests show"
    return f"{figures}: not shown to differ from no change; {' or '.join(doubts)} could reverse it"

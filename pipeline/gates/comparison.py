"""Two runs, file by file: accuracy paired by the test samples, times of two sessions unpaired."""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from pipeline.gates.baseline import FileBaseline, file_baseline
from pipeline.gates.figures import Measured
from pipeline.reporting.schema.comparison import Compared
from pipeline.reporting.schema.model_row import Interval
from targets.bench.statistics import LEAST_BLOCKS
from targets.errors import InputError
from targets.evaluation import significance

LEVEL = 0.95


def compared(first: Sequence[Measured], second: Sequence[Measured]) -> list[Compared]:
    """A row per file and device that both runs have. Raises `InputError` where they share none."""
    before = {(one.row.device, one.row.name): file_baseline(one) for one in first}
    rows = [
        _row(one.row.device, one.row.name, before[place], file_baseline(one))
        for one in second
        if (place := (one.row.device, one.row.name)) in before
    ]
    if not rows:
        raise InputError(
            "The two runs have no file in common on one device, so that there is nothing to "
            "compare. Compare runs with the same targets and devices."
        )
    return rows


def _row(device: str | None, file: str, before: FileBaseline, after: FileBaseline) -> Compared:
    same = bool(after.samples) and before.samples_sha256 == after.samples_sha256
    paired = (
        significance.mcnemar(before=before.right_samples(), after=after.right_samples())
        if same
        else None
    )
    alike = before.conditions == after.conditions
    ratio = _ratio(before.medians_ns, after.medians_ns) if alike else None
    return Compared(
        file=file,
        device=device,
        top1=_share(before), other_top1=_share(after),
        gain=paired and paired.gain,
        gain_interval=paired and paired.interval,
        p_value=paired and paired.p_value,
        lost=paired and paired.b, won=paired and paired.c,
        median_ns=_median(before), other_median_ns=_median(after),
        time_ratio=ratio and ratio.value,
        time_ratio_interval=ratio and ratio.interval,
        size_bytes=before.size_bytes, other_size_bytes=after.size_bytes,
    )  # fmt: skip


def _share(found: FileBaseline) -> float | None:
    return float(found.right_samples().mean()) if found.samples else None


def _median(found: FileBaseline) -> float | None:
    return median(found.medians_ns) if found.medians_ns else None


class Ratio(NamedTuple):
    value: float
    interval: Interval


def _ratio(before: Sequence[float], after: Sequence[float]) -> Ratio | None:
    """The other run's time over this one's, with Welch's interval of the logarithms; None where a
    latency is not reliable."""
    from scipy.stats import t

    if min(len(before), len(after)) < LEAST_BLOCKS:
        return None
    logs = significance.welch(np.log(before).tolist(), np.log(after).tolist())
    reach = float(t.ppf((1 + LEVEL) / 2, logs.freedom)) * logs.error
    ends = (math.exp(logs.mean - reach), math.exp(logs.mean + reach))
    return Ratio(value=math.exp(logs.mean), interval=ends)

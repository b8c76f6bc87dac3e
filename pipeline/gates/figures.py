"""The figure of each gate, with the band that its measurement leaves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from pipeline.reporting.schema.model_row import ModelRow
from pipeline.reporting.schema.predictions import TEACHER, Predictions
from pipeline.reporting.schema.report import Report
from pipeline.reporting.schema.streaming import StreamingRow
from targets.bench.record import Block
from targets.bench.result import BenchResult
from targets.bench.statistics import LEAST_BLOCKS, median_interval
from targets.evaluation import confusion, metrics, significance

LEVEL = 0.95
RESAMPLES = 1000
MEMORY = 0.05
"""Share by which another measurement of the peak memory, which is measured once, may differ."""


class SkippedError(Exception):
    """There is no such figure; says why."""


class UnreliableError(Exception):
    """The figure was measured, and nothing may be claimed from it; says why."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure and its 95 % interval; a fact has no width."""

    value: float
    low: float
    high: float

    @classmethod
    def fact(cls, value: float) -> "Figure":
        return cls(value=value, low=value, high=value)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One file on one device, and what was measured with it."""

    row: ModelRow
    report: Report
    predictions: Predictions | None
    document: BenchResult | None

    def figure(self, gate: str) -> Figure:
        """Raises `SkippedError` and `UnreliableError`."""
        return FIGURES[gate](self)

    def paired(self) -> Predictions:
        if self.predictions is None or self.row.name not in self.predictions.models:
            raise SkippedError("the file was not run on the test split")
        return self.predictions

    def right(self, name: str | None = None) -> npt.NDArray[np.bool_]:
        return self.paired().right(name or self.row.name)

    def teacher(self) -> str:
        """The teacher in the runtime of the file, if possible."""
        if self.row.is_teacher:
            raise SkippedError("the file is the teacher's")
        rows = [row for row in self.report.models if row.is_teacher]
        names = [row.name for row in sorted(rows, key=lambda row: row.format != self.row.format)]
        return self._known([*names, TEACHER], "there is no teacher that was run on the test split")

    def source(self) -> str:
        """The float student, of that itself the teacher."""
        floats = any((row.role, row.precision) == FLOAT for row in self.report.models)
        if not floats or (self.row.role, self.row.precision) == FLOAT:
            return self.teacher()
        return self.float_student()

    def float_student(self) -> str:
        if self.row.is_teacher:
            raise SkippedError("the file is the teacher's")
        rows = [row for row in self.report.models if (row.role, row.precision) == FLOAT]
        names = [row.name for row in sorted(rows, key=lambda row: row.format != self.row.format)]
        if self.row.name in names:
            raise SkippedError("the file is the float student")
        return self._known(names, "the run has no float student")

    def _known(self, names: list[str], reason: str) -> str:
        found = next((name for name in names if name in self.paired().models), None)
        if found is None:
            raise SkippedError(reason)
        return found

    def blocks(self) -> list[Block]:
        """The blocks that count of a reliable latency, enough for an interval."""
        if self.document is None or self.row.median_ns is None:
            raise SkippedError("the file was not measured on this device")
        self.require_reliable()
        blocks = [b for b in self.document.blocks if b.counted and b.model == self.row.name]
        if not all(block.samples_ns for block in blocks):
            raise UnreliableError("the runtime does not give its samples")
        if len(blocks) < LEAST_BLOCKS:
            raise UnreliableError(f"{len(blocks)} processes, of the {LEAST_BLOCKS} that it takes")
        return blocks

    def require_reliable(self) -> None:
        if not self.row.is_reliable:
            raise UnreliableError(f"the measurement is not reliable: {self.row.note}")


FLOAT = ("student", "float32")


def share(hits: npt.NDArray[np.bool_]) -> Figure:
    """A share of samples, with Wilson's interval."""
    value = float(hits.mean())
    low, high = metrics.wilson_interval(value, len(hits), LEVEL)
    return Figure(value=value, low=low, high=high)


def drop(
    before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_], *, level: float = LEVEL
) -> Figure:
    """The loss of accuracy on the same samples, with the interval of paired proportions."""
    b, c = int(np.sum(before & ~after)), int(np.sum(~before & after))
    low, high = significance.paired_interval(b=b, c=c, samples=len(before), level=level)
    return Figure(value=(b - c) / len(before), low=-high, high=-low)


def _balanced(one: Measured) -> Figure:
    """The mean recall; each recall varies as a share of its class's samples."""
    found, labels = one.paired(), np.array(one.paired().labels)
    predicted = np.array(found.models[one.row.name].predicted)
    classes = int(max(predicted.max(), labels.max())) + 1
    counts = confusion.tally(predicted, labels, classes=classes)
    hits, support = np.diagonal(counts), counts.sum(axis=1)
    hits, support = hits[support > 0], support[support > 0]
    near = (hits + 1) / (support + 2)  # not 0 where all of a few samples are right
    reach = _z(LEVEL) * float(np.sqrt((near * (1 - near) / (support + 2)).sum())) / len(support)
    value = confusion.balanced_accuracy(counts)
    return Figure(value=value, low=max(0.0, value - reach), high=min(1.0, value + reach))


def _agreement(one: Measured) -> Figure:
    found = one.paired().models
    same = np.array(found[one.row.name].predicted) == np.array(found[one.teacher()].predicted)
    return share(same)


def _worst_class(one: Measured) -> Figure:
    """The largest drop of a class. The intervals hold together: the worst is chosen of them."""
    labels = np.array(one.paired().labels)
    before, after = one.right(one.source()), one.right()
    classes = np.unique(labels)
    level = 1 - (1 - LEVEL) / len(classes)
    drops = [drop(before[labels == c], after[labels == c], level=level) for c in classes]
    return Figure(
        value=max(d.value for d in drops),
        low=max(d.low for d in drops),
        high=max(d.high for d in drops),
    )


def _ece(one: Measured) -> Figure:
    shares = one.paired().models[one.row.name].confidence
    if not shares:
        raise SkippedError("single scores have no calibration error here")
    return _calibration(np.array(shares), one.right())


def _calibrated_ece(one: Measured) -> Figure:
    shares = one.paired().models[one.row.name].calibrated
    if not shares:
        raise SkippedError("the file has no temperature")
    return _calibration(np.array(shares), one.right())


def _calibration(shares: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> Figure:
    """ECE, and the reach of chance: what a calibrated network with these confidences would have.

    ECE grows with the noise of its bins, so that its bootstrap interval misses the true value.
    """
    random = np.random.default_rng(0)
    chance = [
        metrics.calibration_error(shares, random.random(len(shares)) < shares)
        for _ in range(RESAMPLES)
    ]
    reach = float(np.quantile(chance, LEVEL))
    value = metrics.calibration_error(shares, right)
    return Figure(value=value, low=max(0.0, value - reach), high=min(1.0, value + reach))


def _stream(one: Measured) -> StreamingRow:
    found = one.report.streaming
    if found is None:
        table = one.report.recipe.get("streaming")
        is_asked = isinstance(table, dict) and table.get("enabled")
        missing = "a bench" if is_asked else "[streaming] in the recipe"
        raise SkippedError(f"no stream was evaluated: it takes {missing}")
    row = next((row for row in found.files if row.model == one.row.name), None)
    if row is None:
        raise SkippedError("the file was not run over the stream")
    return row


def _false_rejects(one: Measured) -> Figure:
    """All words where the file has no threshold."""
    row = _stream(one)
    low, high = row.false_reject_ci
    return Figure(value=row.false_reject_rate, low=low, high=high)


def _false_accepts(one: Measured) -> Figure:
    row = _stream(one)
    if row.threshold is None:
        raise UnreliableError("no threshold kept the limit, and a silent file accepts nothing")
    low, high = row.false_accepts_ci
    return Figure(value=row.false_accepts_per_hour, low=low, high=high)


def _speedup(one: Measured) -> Figure:
    row = one.row
    if row.speedup_verdict is None:
        raise SkippedError("the file was not compared with the teacher on this device")
    one.require_reliable()
    if row.speedup_vs_teacher is None or row.speedup_ci is None:
        raise UnreliableError("the comparison with the teacher is not valid")
    return Figure(value=row.speedup_vs_teacher, low=row.speedup_ci[0], high=row.speedup_ci[1])


def _latency(one: Measured, of_block: Callable[[Block], float]) -> Figure:
    """The median over processes, with its order-statistic interval."""
    figures = [of_block(block) / 1e6 for block in one.blocks()]
    interval = median_interval(figures, LEVEL)
    assert interval is not None  # there are enough
    return Figure(value=median(figures), low=interval.low, high=interval.high)


def block_median(block: Block) -> float:
    return float(np.median(block.samples_ns or [np.nan]))


def block_p90(block: Block) -> float:
    return float(np.quantile(block.samples_ns or [np.nan], 0.9))


def _memory(one: Measured) -> Figure:
    if one.row.peak_memory_bytes is None:
        raise SkippedError("the memory was not measured on this device")
    if one.row.note == "emulated":
        raise UnreliableError("the measurement is not reliable: emulated")
    value = one.row.peak_memory_bytes / 1e6
    return Figure(value=value, low=value * (1 - MEMORY), high=value * (1 + MEMORY))


def _all_int8(one: Measured) -> Figure:
    found = next((p for p in one.report.parity if p.name == one.row.name), None)
    if found is None:
        raise SkippedError("the operators of the file were not counted")
    return Figure.fact(float(found.int8_ops > 0 and found.float_ops == 0))


def _parity(one: Measured) -> Figure:
    """Of a quantized file the other file of its graph: against the network that was trained, whose
    rounding is an imitation, the export's own proof has a tolerance."""
    report, name = one.report, one.row.name
    files = {row.name for row in report.models}
    quantized = one.row.precision != "float32"
    proofs = [
        p.agreement
        for p in report.parity
        if name in (p.name, p.source) and (p.source in files or not quantized)
    ]
    if not proofs:
        raise SkippedError("the run has no other file of the same graph")
    base = one.row.file.rpartition("/")[2]
    others = [
        p.agreement for p in report.processors if base in {f.rpartition("/")[2] for f in p.files}
    ]
    return Figure.fact(float(min(*proofs, *others, 1.0) == 1.0))


def _z(level: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf((1 + level) / 2))


FIGURES: Mapping[str, Callable[[Measured], Figure]] = {
    "top1": lambda one: share(one.right()),
    "balanced_accuracy": _balanced,
    "agreement": _agreement,
    "speedup": _speedup,
    "drop_vs_teacher": lambda one: drop(one.right(one.teacher()), one.right()),
    "drop_vs_float": lambda one: drop(one.right(one.float_student()), one.right()),
    "negative_flips": lambda one: share(one.right(one.source()) & ~one.right()),
    "worst_class_drop": _worst_class,
    "ece": _ece,
    "calibrated_ece": _calibrated_ece,
    "median_ms": lambda one: _latency(one, block_median),
    "p90_ms": lambda one: _latency(one, block_p90),
    "false_reject_rate": _false_rejects,
    "false_accepts_per_hour": _false_accepts,
    "size_kb": lambda one: Figure.fact(one.row.size_bytes / 1000),
    "peak_memory_mb": _memory,
    "all_int8": _all_int8,
    "parity": _parity,
}

"""Top-1 and agreement of one model, with notes on how they were derived."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from targets.bench import scores
from targets.bench.agent.session import Tensor
from targets.bench.samples import LabelledSamples
from targets.bench.scores import Predictions
from targets.errors import InputError
from targets.evaluation import confusion, metrics

SHIFTS = (1, -1)
"""A background class in front (1,001 scores for 1,000 labels), or labels that count from 1."""
Labels = npt.NDArray[np.int64]


class Figures(TypedDict, total=False):
    """The figures of an `AccuracyPass`; what cannot be computed is left out."""

    output: str
    class_offset: int
    most_frequent: float
    top1: float
    top1_ci: tuple[float, float]
    balanced_accuracy: float
    macro_f1: float
    imbalance: float
    above_chance: bool
    baseline: str
    agreement: float
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Read:
    """The selected output of the model `name` and its classes."""

    name: str
    outputs: Sequence[Tensor]
    index: int
    """Index of the selected output."""
    offset: int
    """Label k is the model's class k + this offset."""
    predictions: Predictions | None = None
    missing: str = ""
    """Why there are no predictions."""

    @property
    def output(self) -> Tensor:
        return self.outputs[self.index]

    def top1(self, labels: Labels, offset: int) -> float:
        """Share of samples whose class is the label + `offset`."""
        assert self.predictions is not None
        return float(np.mean(self.predictions.classes == labels + offset))


def read(about: Read, values: scores.Outputs) -> Read:
    """`about` with the predictions of `values`, [samples, ...]. Raises `NotFiniteError`."""
    found = scores.predictions(values, about.output, model=about.name)
    of_one: Tensor = {**about.output, "shape": list(values.shape[1:])}
    missing = (
        f"its output is {scores.shown(of_one)} for a sample, and no class can be read from that"
    )
    return replace(about, predictions=found, missing=missing)


def figures(
    own: Read, baseline: Read | None, samples: LabelledSamples, *, doubt: str | None
) -> Figures:
    """Figures of a model; `doubt` is what may be wrong with the values of its input.

    Raises `InputError` for labels that are not classes of the model.
    """
    found: Figures = {"output": own.output["name"], "class_offset": own.offset}
    labels = samples.labels
    if labels is not None:
        require_fit(own, labels, samples.source)
        found |= _top1(own, labels)
    if baseline is not None and not _incomparable(own, baseline):
        found |= {"baseline": baseline.name, "agreement": _agreement(own, baseline)}
    return {**found, "notes": tuple(_notes(own, baseline, labels, found, doubt))}


def _top1(own: Read, labels: Labels) -> Figures:
    chance = metrics.most_frequent_share(labels)
    if own.predictions is None:
        return {"most_frequent": chance}
    share = own.top1(labels, own.offset)
    counts = _counts(own.predictions.classes, labels + own.offset)
    return {
        "most_frequent": chance,
        "top1": share,
        "top1_ci": metrics.wilson_interval(share, len(labels)),
        "balanced_accuracy": confusion.balanced_accuracy(counts),
        "macro_f1": confusion.macro_f1(counts),
        "imbalance": confusion.imbalance(labels),
        "above_chance": metrics.shown_above_chance(share, labels),
    }


def _counts(found: npt.NDArray[np.intp], labels: Labels) -> confusion.Counts:
    """By label and predicted class, of the classes that occur: those of a file are not known."""
    names, codes = np.unique(np.concatenate([labels, found]), return_inverse=True)
    return confusion.tally(codes[len(labels) :], codes[: len(labels)], classes=len(names))


def _agreement(own: Read, baseline: Read) -> float:
    assert own.predictions is not None
    assert baseline.predictions is not None
    ours, theirs = own.predictions.classes, baseline.predictions.classes
    return float(np.mean(ours - own.offset == theirs - baseline.offset))


def _incomparable(own: Read, baseline: Read) -> str | None:
    """Why there is no agreement; None if there is one."""
    if own.predictions is None:
        return own.missing
    if baseline.predictions is None:
        return f"{baseline.name} gives no class for each sample"
    counts = [
        one.predictions.count - one.offset
        for one in (own, baseline)
        if one.predictions and one.predictions.count
    ]
    if len(set(counts)) > 1:
        return f"it has {counts[0]} classes, and {baseline.name} {counts[1]}"
    return None


def require_fit(own: Read, labels: Labels, source: str) -> None:
    """Raise `InputError` for labels that are not classes of the model."""
    if own.predictions is None or own.predictions.count is None:
        return
    count, low, high = own.predictions.count, int(labels.min()), int(labels.max())
    if low + own.offset >= 0 and high + own.offset < count:
        return
    gives = f"scores of {count} classes, 0 to {count - 1}"
    if own.predictions.reading is not None:
        gives = "one number, class 0 or 1"
    remedy = "Leave the labels out, or give those of the model's classes."
    if (low, high, own.offset) == (1, count, 0):
        remedy = "Where the labels count from 1: --class-offset=-1."
    shifted = f" (and --class-offset={own.offset})" if own.offset else ""
    raise InputError(
        f"--data {source}: has labels from {low} to {high}{shifted}, and {own.name} gives {gives}. "
        f"{remedy}"
    )


def _notes(
    own: Read,
    baseline: Read | None,
    labels: Labels | None,
    found: Figures,
    doubt: str | None,
) -> Iterator[str]:
    wanted = [name for name, on in (("top-1", labels), ("agreement", baseline)) if on is not None]
    if own.predictions is None:
        yield from [f"no {' and no '.join(wanted)}: {own.missing}"] * bool(wanted)
        return
    if len(own.outputs) > 1 and wanted:
        yield f"computed from its output {scores.shown(own.output)}, one of {len(own.outputs)}"
    if own.predictions.reading and wanted:
        yield own.predictions.reading
    if baseline is not None and (why := _incomparable(own, baseline)):
        yield f"no agreement: {why}"
    if labels is not None and not found["above_chance"]:
        yield _chance(found) + "".join(f"; {cause}" for cause in _causes(own, labels, doubt))


def _chance(found: Figures) -> str:
    share, chance = 100 * found["top1"], 100 * found["most_frequent"]
    return f"top-1 {share:.2f} % is not shown to be above {chance:.2f} %, the most frequent label's"


def _causes(own: Read, labels: Labels, doubt: str | None) -> Iterator[str]:
    """Causes of a top-1 at chance: labels that are off by one, else `doubt`."""
    assert own.predictions is not None
    count, low, high = own.predictions.count, int(labels.min()), int(labels.max())
    if count is not None and count > high + 1:
        yield f"it gives {count} scores, and the labels are {low} to {high}"
    for offset in (own.offset + shift for shift in SHIFTS):
        if low + offset >= 0 and (count is None or high + offset < count):
            share = own.top1(labels, offset)
            is_found = metrics.shown_above_chance(share, labels)
            doubt = None if is_found else doubt
            if is_found or count == high + offset + 1:
                yield f"with --class-offset={offset} it would be {100 * share:.2f} %"
    if doubt is not None:
        yield doubt

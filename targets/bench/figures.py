"""Top-1 and agreement of one model, and in words what a reader must know about them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from targets.bench import scores
from targets.bench.samples import LabelledSamples
from targets.bench.scores import Described, Judged
from targets.errors import InputError
from targets.evaluation import metrics

SHIFTS = (1, -1)
"""A background class in front (1,001 scores for 1,000 labels), or labels that count from 1."""
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Read:
    """What was read from the outputs of the model `name`."""

    name: str
    outputs: Sequence[Described]
    index: int
    """Of the output that was judged."""
    offset: int
    """Label k is its class k + this."""
    judged: Judged | None = None
    missing: str = ""
    """Why nothing was judged."""

    @property
    def output(self) -> Described:
        return self.outputs[self.index]

    def right(self, labels: Labels, offset: int) -> float:
        """Share of samples whose class is the label's + `offset`."""
        assert self.judged is not None
        return float(np.mean(self.judged.classes == labels + offset))


def read(about: Read, values: npt.NDArray[Any]) -> Read:
    """`about` with what `values` [samples, ...] say. Raises `NotFiniteError`."""
    found = scores.judged(values, about.output, model=about.name)
    of_one = {**about.output, "shape": values.shape[1:]}
    missing = (
        f"its output is {scores.shown(of_one)} for a sample, and no class can be read from that"
    )
    return replace(about, judged=found, missing=missing)


def figures(
    own: Read, baseline: Read | None, samples: LabelledSamples, *, doubt: str | None
) -> dict[str, Any]:
    """Those that `AccuracyPass` has; `doubt` is what may be wrong with what the input was given.

    Raises `InputError` for labels that the model cannot say.
    """
    found: dict[str, Any] = {"output": own.output["name"], "class_offset": own.offset}
    labels = samples.labels
    if labels is not None:
        require_fit(own, labels, samples.source)
        found |= _top1(own, labels)
    if baseline is not None and not _incomparable(own, baseline):
        found |= {"baseline": baseline.name, "agreement": _agreement(own, baseline)}
    return found | {"notes": tuple(_notes(own, baseline, labels, found, doubt))}


def _top1(own: Read, labels: Labels) -> dict[str, Any]:
    found = {"most_frequent": metrics.most_frequent_share(labels)}
    if own.judged is None:
        return found
    share = own.right(labels, own.offset)
    return found | {
        "top1": share,
        "top1_ci": metrics.wilson_interval(share, len(labels)),
        "above_chance": metrics.shown_above_chance(share, labels),
    }


def _agreement(own: Read, baseline: Read) -> float:
    assert own.judged is not None
    assert baseline.judged is not None
    same = own.judged.classes - own.offset == baseline.judged.classes - baseline.offset
    return float(np.mean(same))


def _incomparable(own: Read, baseline: Read) -> str | None:
    """Why there is no agreement."""
    if own.judged is None:
        return own.missing
    if baseline.judged is None:
        return f"{baseline.name} gives no class for each sample"
    counts = [
        one.judged.count - one.offset for one in (own, baseline) if one.judged and one.judged.count
    ]
    if len(set(counts)) > 1:
        return f"it tells {counts[0]} classes apart, and {baseline.name} {counts[1]}"
    return None


def require_fit(own: Read, labels: Labels, source: str) -> None:
    """`InputError` for labels that are none of the model's classes."""
    if own.judged is None or own.judged.count is None:
        return
    count, low, high = own.judged.count, int(labels.min()), int(labels.max())
    if low + own.offset >= 0 and high + own.offset < count:
        return
    gives = f"scores of {count} classes, 0 to {count - 1}"
    if own.judged.reading is not None:
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
    found: dict[str, Any],
    doubt: str | None,
) -> Iterator[str]:
    wanted = [name for name, on in (("top-1", labels), ("agreement", baseline)) if on is not None]
    if own.judged is None:
        yield from [f"no {' and no '.join(wanted)}: {own.missing}"] * bool(wanted)
        return
    if len(own.outputs) > 1 and wanted:
        yield f"judged by its output {scores.shown(own.output)}, one of {len(own.outputs)}"
    if own.judged.reading and wanted:
        yield own.judged.reading
    if baseline is not None and (why := _incomparable(own, baseline)):
        yield f"no agreement: {why}"
    if labels is not None and not found["above_chance"]:
        yield _chance(found) + "".join(f"; {cause}" for cause in _causes(own, labels, doubt))


def _chance(found: dict[str, Any]) -> str:
    share, chance = 100 * found["top1"], 100 * found["most_frequent"]
    return f"top-1 {share:.2f} % is not shown to be above {chance:.2f} %, the most frequent label's"


def _causes(own: Read, labels: Labels, doubt: str | None) -> Iterator[str]:
    """Of a top-1 at chance: labels that are one off, else `doubt`."""
    assert own.judged is not None
    count, low, high = own.judged.count, int(labels.min()), int(labels.max())
    if count is not None and count > high + 1:
        yield f"it gives {count} scores, and the labels are {low} to {high}"
    for offset in (own.offset + shift for shift in SHIFTS):
        if low + offset >= 0 and (count is None or high + offset < count):
            share = own.right(labels, offset)
            is_found = metrics.shown_above_chance(share, labels)
            doubt = None if is_found else doubt
            if is_found or count == high + offset + 1:
                yield f"with --class-offset={offset} it would be {100 * share:.2f} %"
    if doubt is not None:
        yield doubt

"""Which output of a model is judged, and the class that it gives for each sample.

A sample's output is one of three kinds. Scores: one dimension longer than 1, as in [n, C] and
[n, C, 1, 1]; the class is the largest. A label: one whole number without a scale; the class is the
number. A single score: one real number, above 0.5 (probabilities) or 0 (logits) class 1. Anything
else (boxes, maps, text) has no class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from targets.errors import unknown
from targets.evaluation import metrics

Described = Mapping[str, Any]
"""An output as the agent's `describe` has it: name, shape (null: open), dtype, quantization."""
Kind = Literal["scores", "label", "single"]
INDICES = ("int32", "int64", "uint32", "uint64")
"""Several of these for one sample are positions or ids, and no scores."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The output that is judged: its index, and why none can be judged where that is so."""

    index: int = 0
    undecided: str | None = None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a model says about each sample."""

    classes: npt.NDArray[np.int64]
    """[samples], numbered as the model numbers them."""
    count: int | None
    """How many classes it can say; None: its outputs do not tell, as of a label."""
    reading: str | None = None
    """How a single score was read."""


def choose(
    outputs: Sequence[Described],
    *,
    named: Sequence[str] = (),
    classes: int | None = None,
    like: str | None = None,
    batch: int = 1,
) -> Choice:
    """The output to judge: the one that is `named`, else the only one that can be scores or a
    single score, else the only one of these that tells as many `classes` apart, else of those that
    do the one that is named `like` the baseline's. A label is judged where there are no scores.
    Nothing is guessed beyond that: an embedding may be as wide as any number of classes.
    """
    for index, output in enumerate(outputs):
        if output["name"] in named:
            return Choice(index=index)
    kinds = [kind_of(_rest(one, batch), one) for one in outputs]
    found = [i for i, kind in enumerate(kinds) if kind in ("scores", "single")]
    found = found or [i for i, kind in enumerate(kinds) if kind == "label"]
    first = found[0] if found else 0
    if len(found) > 1 and classes is not None:
        found = [i for i in found if width(outputs[i], batch) in (classes, None)]
    if len(found) > 1:
        found = [i for i in found if outputs[i]["name"] == like]
    if len(found) == 1 or not any(kinds):
        return Choice(index=found[0] if found else 0)
    several = "; ".join(map(shown, outputs))
    return Choice(
        index=first,
        undecided=f"it has the outputs {several}; say which holds the scores: --output NAME",
    )


def width(output: Described, batch: int = 1) -> int | None:
    """How many classes the output tells apart; None: not known before it runs."""
    if kind_of(_rest(output, batch), output) == "single":
        return 2
    longer = [size for size in _rest(output, batch) if size != 1]
    return longer[0] if len(longer) == 1 else None


def _rest(output: Described, batch: int) -> list[int | None]:
    """Its shape for one sample; a leading size that is no batch belongs to the sample."""
    shape = list(output["shape"])
    return shape[1:] if shape and shape[0] in (None, 1, batch) else shape


def kind_of(rest: Sequence[int | None], output: Described) -> Kind | None:
    """Of an output that is `rest` for one sample; None: no class can be read from it."""
    longer = [size for size in rest if size != 1]
    if not is_number(output["dtype"]) or len(longer) > 1 or 0 in longer:
        return None
    is_real = output["dtype"].startswith("float") or output["quantization"] is not None
    if not longer:
        return "single" if is_real else "label"
    return None if output["dtype"] in (*INDICES, "bool") and not is_real else "scores"


def is_number(dtype: str) -> bool:
    return dtype.startswith(("float", "int", "uint", "bool"))


def judged(outputs: npt.NDArray[Any], output: Described, *, model: str) -> Judged | None:
    """What `outputs` [samples, ...] say; None where no class can be read from them.

    Raises `metrics.NotFiniteError`.
    """
    kind = kind_of(outputs.shape[1:], output)
    if kind is None:
        return None
    values = outputs.reshape(len(outputs), -1)
    if kind == "label":
        return Judged(classes=values[:, 0].astype(np.int64), count=None)
    metrics.require_finite(values, model=model)
    if kind == "scores":
        return Judged(classes=metrics.predicted(values).astype(np.int64), count=values.shape[1])
    return _single(values, output)


def _single(values: npt.NDArray[Any], output: Described) -> Judged:
    if output["quantization"] is not None:
        step, zero = output["quantization"]
        values = (values.astype(np.float64) - zero) * step
    limit = metrics.binary_threshold(values)
    return Judged(
        classes=metrics.predicted(values, threshold=limit).astype(np.int64),
        count=2,
        reading=f"its one number is read as class 1 above {limit:g}, else as class 0",
    )


def require_named(all_outputs: Sequence[Sequence[Described]], named: Sequence[str]) -> None:
    """`InputError` for a name in `--output` that no model's output has."""
    known = {one["name"] for outputs in all_outputs for one in outputs}
    for name in named:
        if name not in known:
            raise unknown("output", name, known, place="--output")


def shown(output: Described) -> str:
    sizes = ", ".join("?" if size is None else str(size) for size in output["shape"])
    return f"'{output['name']}' {output['dtype']} [{sizes}]"

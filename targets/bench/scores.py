"""Selection of a model's output for accuracy, and the class that it gives each sample.

The output for a sample is one of three kinds. Scores: one dimension longer than 1, as in [n, C] and
[n, C, 1, 1]; the class is the largest. A label: one integer without a scale; the class is the
number. A single score: one real number; class 1 above 0.5 (probabilities) or 0 (logits). Anything
else (boxes, maps, text) has no class.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from targets.bench.agent.session import Tensor
from targets.errors import unknown
from targets.evaluation import metrics
from targets.formats.contract import LOGITS, PROBABILITIES

Outputs = npt.NDArray[Any]
"""Outputs of any dtype, [samples, ...]."""
Kind = Literal["scores", "label", "single"]
INDICES = ("int32", "int64", "uint32", "uint64")
"""Several integers of these types for one sample are positions or ids, not scores."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The selected output."""

    index: int = 0
    undecided: str | None = None
    """Why no output can be selected; None if one is."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The class that a model gives each sample."""

    classes: npt.NDArray[np.int64]
    """[samples], in the model's numbering."""
    count: int | None
    """Number of the model's classes; None if its outputs do not show it, as a label does not."""
    reading: str | None = None
    """How a single score was converted to a class."""


def choose(
    outputs: Sequence[Tensor],
    *,
    named: Sequence[str] = (),
    classes: int | None = None,
    like: str | None = None,
    batch: int = 1,
) -> Choice:
    """Select the output for accuracy.

    The one that is `named`; of the outputs `logits` and `probabilities` the logits, whose classes
    are the same (`Format.add_probabilities`); else the only one that can be scores or a single
    score; else the only one of these with as many `classes`; else the one of those with the name of
    the baseline's output, `like`. A label is selected if there are no scores. Nothing else is
    guessed: an embedding can be as wide as any number of classes.
    """
    for index, output in enumerate(outputs):
        if output["name"] in named:
            return Choice(index=index)
    names = [output["name"] for output in outputs]
    if sorted(names) == [LOGITS, PROBABILITIES]:
        return Choice(index=names.index(LOGITS))
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


def width(output: Tensor, batch: int = 1) -> int | None:
    """Number of classes of the output; None if it is not known before the model runs."""
    if kind_of(_rest(output, batch), output) == "single":
        return 2
    longer = [size for size in _rest(output, batch) if size != 1]
    return longer[0] if len(longer) == 1 else None


def _rest(output: Tensor, batch: int) -> list[int | None]:
    """Shape of one sample; a leading size other than the batch's belongs to the sample."""
    shape = list(output["shape"])
    return shape[1:] if shape and shape[0] in (None, 1, batch) else shape


def kind_of(rest: Sequence[int | None], output: Tensor) -> Kind | None:
    """Kind of an output of shape `rest` for one sample; None if it has no class."""
    longer = [size for size in rest if size != 1]
    if not is_number(output["dtype"]) or len(longer) > 1 or 0 in longer:
        return None
    is_real = output["dtype"].startswith("float") or output["quantization"] is not None
    if not longer:
        return "single" if is_real else "label"
    return None if output["dtype"] in (*INDICES, "bool") and not is_real else "scores"


def is_number(dtype: str) -> bool:
    return dtype.startswith(("float", "int", "uint", "bool"))


def predictions(outputs: Outputs, output: Tensor, *, model: str) -> Predictions | None:
    """Classes of `outputs`, [samples, ...]; None if they have none.

    Raises `metrics.NotFiniteError`.
    """
    kind = kind_of(outputs.shape[1:], output)
    if kind is None:
        return None
    values = outputs.reshape(len(outputs), -1)
    if kind == "label":
        return Predictions(classes=values[:, 0].astype(np.int64), count=None)
    metrics.require_finite(values, model=model)
    if kind == "scores":
        return Predictions(
            classes=metrics.predicted(values).astype(np.int64), count=values.shape[1]
        )
    return _single(values, output)


def _single(values: Outputs, output: Tensor) -> Predictions:
    if output["quantization"] is not None:
        step, zero = output["quantization"]
        values = (values.astype(np.float64) - zero) * step
    limit = metrics.binary_threshold(values)
    return Predictions(
        classes=metrics.predicted(values, threshold=limit).astype(np.int64),
        count=2,
        reading=f"its one number is read as class 1 above {limit:g}, else as class 0",
    )


def require_named(all_outputs: Sequence[Sequence[Tensor]], named: Sequence[str]) -> None:
    """Raise `InputError` for a name in `--output` that no model's output has."""
    known = {one["name"] for outputs in all_outputs for one in outputs}
    for name in named:
        if name not in known:
            raise unknown("output", name, known, place="--output")


def shown(output: Tensor) -> str:
    sizes = ", ".join("?" if size is None else str(size) for size in output["shape"])
    return f"'{output['name']}' {output['dtype']} [{sizes}]"

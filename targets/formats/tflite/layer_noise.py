"""How much noise int8 adds to each result of a network: an int8 file against its float file.

The float file is the same network without quantization, so that what is measured is the rounding
and not the training. Operators are matched by the layers that the converter names them after. Both
run on LiteRT's built-in kernels, which show every tensor; a delegate does not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from targets.evaluation.noise import SignalToNoise, snr_db
from targets.formats.input_spec import InputSpec
from targets.formats.record import TensorNoise
from targets.formats.tflite.activations import values
from targets.formats.tflite.results import Result, Values, results

Samples = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A result of the int8 file, and the same one of the float file."""

    int8: Result
    exact: Result
    ratios: dict[str, SignalToNoise] = field(default_factory=dict)

    def add(self, exact: Values, **rounded: Values) -> None:
        for name, real in rounded.items():
            ratio = self.ratios.setdefault(name, SignalToNoise())
            ratio.add(exact=exact, rounded=real)

    def row(self, path: Path) -> TensorNoise:
        layer, weights = self.exact.layers[-1], (self.exact.weights, self.int8.weights)
        ratios = {name: ratio.db for name, ratio in self.ratios.items()}
        if weights[0] is not None and weights[1] is not None:
            ratios["weights_snr_db"] = snr_db(exact=weights[0], rounded=weights[1])
        tensor = self.int8.tensor
        return TensorNoise.model_validate(
            {"file": path.stem, "tensor": tensor, "layer": layer, **ratios}
        )


def measure(
    path: Path,
    *,
    floats: Path,
    input: InputSpec,
    samples: Samples,
    pair: Iterable[Mapping[str, Values]] | None = None,
) -> tuple[TensorNoise, ...]:
    """A row per quantized result of the int8 file in `path`, worst first.

    `floats` is the file of the same network without quantization, which takes real values: a
    normalisation inside would be part of its first weights. `samples` are raw, [samples, *input];
    `pair` are the values, by sample and tensor, of a file of another format that was made from this
    one. A result that the float file does not have has no ratio.
    """
    exact, quantized = list(results(floats)), [one for one in results(path) if one.grid]
    found = [(one, _counterpart(one, exact)) for one in quantized]
    pairs = [Pair(int8=one, exact=other) for one, other in found if other is not None]
    others = repeat({}, len(samples)) if pair is None else pair
    real = np.asarray(input.real(samples.astype(input.file_dtype)))
    for x, ours, theirs in zip(values(floats, real), values(path, samples), others, strict=True):
        for one in pairs:
            _add(one, x[one.exact.tensor], ours, theirs)
    rows = [one.row(path) for one in pairs]
    rows += [_unknown(path, one) for one, other in found if other is None]
    return tuple(sorted(rows, key=_worst_first))


def _add(
    pair: Pair, exact: Values, ours: Mapping[str, Values], theirs: Mapping[str, Values]
) -> None:
    name, grid = pair.int8.tensor, pair.int8.grid
    assert grid is not None
    pair.add(exact, snr_db=ours[name], own_snr_db=grid.rounded(exact))
    if name in theirs and theirs[name].size == exact.size:
        pair.add(exact, pair_snr_db=_channels_last(theirs[name], exact))


def _channels_last(values: Values, exact: Values) -> Values:
    """Values in the layout of `exact`: images of another format may have their channels in front.

    A shape does not always show it (8x8x8), but the wrong layout is nothing like the signal.
    """
    forms = [values.reshape(exact.shape)]
    if values.ndim == exact.ndim == 4:
        forms.append(values.transpose(0, 2, 3, 1).reshape(exact.shape))
    return min(forms, key=lambda form: float(np.abs(form - exact).sum()))


def _counterpart(one: Result, others: Sequence[Result]) -> Result | None:
    """The operator of the same kind, shape and layers in the float file."""
    found = [
        other
        for other in others
        if (other.kind, other.shape) == (one.kind, one.shape) and {*other.layers} & {*one.layers}
    ]
    return found[0] if len(found) == 1 else None


def _unknown(path: Path, one: Result) -> TensorNoise:
    layer = one.layers[-1] if one.layers else one.tensor
    return TensorNoise(file=path.stem, tensor=one.tensor, layer=layer, snr_db=None)


def _worst_first(row: TensorNoise) -> tuple[bool, float]:
    return row.snr_db is None, row.snr_db or 0.0

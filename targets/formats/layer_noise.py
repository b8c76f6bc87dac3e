"""How much noise int8 adds to each result of a network: both int8 files against its float file.

The float file is the same network without quantization, so that what is measured is the rounding
and not the training. Operators are matched by the layers that the converter names them after. The
TFLite file runs on LiteRT's built-in kernels, which show every tensor; a delegate does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.evaluation.noise import SignalToNoise, snr_db
from targets.formats.input_spec import InputSpec
from targets.formats.record import TensorNoise
from targets.formats.tflite.results import Result, Values, results

Samples = npt.NDArray[np.uint8]

SAMPLES = 64
"""Samples that the noise is measured on, at most."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A result of the int8 file, and the same one of the float file."""

    int8: Result
    exact: Result
    ratios: dict[str, SignalToNoise] = field(default_factory=dict)

    def add(self, exact: Values, **rounded: Values) -> None:
        for name, values in rounded.items():
            ratio = self.ratios.setdefault(name, SignalToNoise())
            ratio.add(exact=exact, rounded=values)

    def row(self, path: Path, names: Mapping[str, str]) -> TensorNoise:
        layer, weights = self.exact.layers[-1], (self.exact.weights, self.int8.weights)
        ratios = {name: ratio.db for name, ratio in self.ratios.items()}
        if weights[0] is not None and weights[1] is not None:
            ratios["weights_snr_db"] = snr_db(exact=weights[0], rounded=weights[1])
        tensor = self.int8.tensor
        return TensorNoise.model_validate(
            {"file": path.stem, "tensor": tensor, "layer": names.get(layer, layer), **ratios}
        )


def measure(
    tflite: Path,
    onnx: Path | None,
    *,
    floats: Path,
    input: InputSpec,
    samples: Samples,
    names: Mapping[str, str],
) -> tuple[TensorNoise, ...]:
    """A row per quantized result of the int8 file `tflite`, worst first.

    `onnx` is the file that was made from it, `floats` the TFLite file of the same network without
    quantization, which takes real values: a normalisation inside would be part of its first
    weights. `samples` are raw, [samples, *input]; `names` are those of layers, by their names in
    TensorFlow's graph. A result that the float file does not have has no ratio.
    """
    from targets.formats.onnx.activations import values as onnx_values
    from targets.formats.tflite.activations import values as tflite_values

    exact, quantized = list(results(floats)), [one for one in results(tflite) if one.grid]
    found = [(one, _counterpart(one, exact)) for one in quantized]
    pairs = [Pair(int8=one, exact=other) for one, other in found if other is not None]
    in_onnx = repeat({}, len(samples)) if onnx is None else onnx_values(onnx, samples)
    for x, ours, theirs in zip(
        tflite_values(floats, input.real(samples)),
        tflite_values(tflite, samples),
        in_onnx,
        strict=True,
    ):
        for pair in pairs:
            _add(pair, x[pair.exact.tensor], ours, theirs)
    rows = [pair.row(tflite, names) for pair in pairs]
    rows += [_unknown(tflite, one, names) for one, other in found if other is None]
    return tuple(sorted(rows, key=_worst_first))


def _add(
    pair: Pair, exact: Values, tflite: Mapping[str, Values], onnx: Mapping[str, Values]
) -> None:
    name, grid = pair.int8.tensor, pair.int8.grid
    assert grid is not None
    pair.add(exact, tflite_snr_db=tflite[name], own_snr_db=grid.rounded(exact))
    if name in onnx and onnx[name].size == exact.size:
        pair.add(exact, onnx_snr_db=_as_in_tflite(onnx[name], exact))


def _as_in_tflite(values: Values, exact: Values) -> Values:
    """Values of an ONNX file in TFLite's layout: where images have their channels in front, moved.

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


def _unknown(path: Path, one: Result, names: Mapping[str, str]) -> TensorNoise:
    layer = one.layers[-1] if one.layers else one.tensor
    return TensorNoise(
        file=path.stem, tensor=one.tensor, layer=names.get(layer, layer), tflite_snr_db=None
    )


def _worst_first(row: TensorNoise) -> tuple[bool, float]:
    return row.tflite_snr_db is None, row.tflite_snr_db or 0.0

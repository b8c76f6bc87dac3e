"""The layers of an int8 `.tflite` that lose most against the float file of the same network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from targets.evaluation.noise import EXACT_DB, SignalToNoise
from targets.formats.tflite.activations import values
from targets.formats.tflite.inspect import (
    EDGE_OPS,
    PROBABILITY_OPS,
    is_constant,
    operator_name,
    read,
)
from targets.untyped import TfliteModel, TfliteOperator

Samples = npt.NDArray[Any]

SAMPLES = 16
NEGLIGIBLE = 0.01
"""Share of the worst layer's noise up to which a layer is left out."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Signal to noise, 10 log10(sum x^2 / sum (x - x8)^2), before and after a layer."""

    layer: str
    before_db: float
    after_db: float

    @property
    def noise(self) -> float:
        """The noise that the layer adds, as a share of its signal."""
        return float(10 ** (-self.after_db / 10) - 10 ** (-self.before_db / 10))

    def __str__(self) -> str:
        return f"{self.layer} ({self.before_db:.0f} to {self.after_db:.0f} dB)"


def worst_layers(quantized: Path, floats: Path, samples: Samples, *, count: int = 3) -> list[Loss]:
    """The layers behind which most of the signal is lost, worst first.

    Tensors are matched by their names, which the converter takes from the network. `samples` are
    raw, [samples, *input].
    """
    snr = _signal_to_noise(quantized, floats, samples[:SAMPLES])
    losses = sorted(_losses(quantized, snr), key=lambda loss: loss.noise, reverse=True)
    return [loss for loss in losses[:count] if loss.noise > NEGLIGIBLE * losses[0].noise]


def _losses(path: Path, snr: Mapping[str, float]) -> Iterator[Loss]:
    """Yield one per operator with a counterpart, which includes those before it without one."""
    model = read(path)
    graph = model.subgraphs[0]
    measured: dict[int, float] = {}
    first: dict[int, TfliteOperator] = {}  # tensor without counterpart -> operator of its loss
    for operator in graph.operators:
        given = [int(i) for i in operator.inputs if i >= 0]
        data = [i for i in given if not is_constant(model, graph.tensors[i])]
        before = min((measured.get(i, EXACT_DB) for i in data), default=EXACT_DB)
        origin = next((first[i] for i in data if i in first), operator)
        place = int(operator.outputs[0])
        name = graph.tensors[place].name.decode()
        measured[place] = snr.get(name, before)
        if name not in snr:
            first[place] = operator if operator_name(model, origin) in EDGE_OPS else origin
        elif operator_name(model, operator) not in PROBABILITY_OPS:  # in float, behind the integers
            layer = f"{operator_name(model, origin)} {_layer(model, origin)}"
            yield Loss(layer=layer, before_db=before, after_db=snr[name])


def _layer(model: TfliteModel, operator: TfliteOperator) -> str:
    """The layer's name in the network: of the operator's output, or else of a constant."""
    tensors = model.subgraphs[0].tensors
    given = [tensors[int(i)] for i in operator.inputs if i >= 0]
    named = [tensors[int(operator.outputs[0])], *(t for t in given if is_constant(model, t))]
    names = [str(tensor.name.decode()).split(";")[0] for tensor in named]
    return next((name for name in names if "/" in name), names[0])


def _signal_to_noise(quantized: Path, floats: Path, samples: Samples) -> dict[str, float]:
    ratios: dict[str, SignalToNoise] = {}
    for ours, theirs in zip(values(quantized, samples), values(floats, samples), strict=True):
        for name, x in theirs.items():
            if name in ours and ours[name].shape == x.shape:
                ratios.setdefault(name, SignalToNoise()).add(exact=x, rounded=ours[name])
    return {name: ratio.db for name, ratio in ratios.items() if ratio.has_signal}

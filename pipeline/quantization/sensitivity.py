"""Which layers cost the int8 network its accuracy: each in turn without its fake quantization.

A pass over many samples for each layer takes minutes. So all layers are compared by what each does,
quantized alone, to the logits of a few samples, and the gain in top-1 is measured for the first.
"""

from collections.abc import Callable

import numpy as np

from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.engine.artifacts import LayerGain, Sensitivity
from pipeline.quantization.switched import SwitchedNetwork, quantized_tensors
from pipeline.training.inference import make_predict
from targets.evaluation import metrics
from targets.evaluation.significance import Paired, mcnemar
from targets.untyped import KerasLayer, KerasModel

LIMIT = 0.005
"""Loss of top-1 up to which no layer is measured: 0.5 points."""
COMPARED_ON = 64
"""Validation samples on which all layers are compared; top-1 would need more, logits do not."""
CANDIDATES = 8
"""Layers whose gain in top-1 is measured."""
MEASURED_ON = 1000
"""Validation samples that each of them is measured on, at most."""
LISTED = 5
LAYERS_PER_LINE = 20
"""Layers between two lines of progress."""

Say = Callable[[str], None]


def measure(
    *, quantized: KerasModel, student: KerasModel, data: Dataset, say: Say
) -> Sensitivity | None:
    """The layers that cost most; None where `quantized` is within `LIMIT` of the float `student`,
    or not shown to be worse: of few samples, one is more than `LIMIT`.

    `quantized` gets a switch for each layer: it cannot be trained or exported afterwards.
    """
    validation, labels = data[Split.VAL], data[Split.VAL].labels
    network = SwitchedNetwork(quantized, data.input)
    exact = metrics.right(make_predict(student, data.input)(validation.raw), labels)
    int8 = metrics.right(network.without([], validation), labels)
    lost = mcnemar(before=exact, after=int8)
    if not costly(lost):
        return None
    say(f"quantize  int8 is {-100 * lost.gain:.2f} points below float on the validation split")
    part = _evenly_spaced(validation, MEASURED_ON)
    candidates = _candidates(network, _evenly_spaced(validation, COMPARED_ON), say)
    gains = _gains(network, candidates, part, say)
    return Sensitivity(
        images=len(validation),
        float_top1=float(exact.mean()),
        int8_top1=float(int8.mean()),
        interval=lost.interval,
        unquantized_top1=metrics.top1(network.without(network.layers, validation), labels),
        compared_layers=len(network.layers),
        measured_on=len(part),
        layers=tuple(gains[:LISTED]),
    )


def costly(change: Paired) -> bool:
    """Whether top-1 falls by more than `LIMIT`, and is shown to fall."""
    return change.gain < -LIMIT and change.interval[1] < 0


def _evenly_spaced(samples: Samples, most: int) -> Samples:
    """A part with every class, also of a split that is in the order of its classes."""
    return samples.take(np.linspace(0, len(samples) - 1, min(most, len(samples))).astype(int))


def _candidates(network: SwitchedNetwork, few: Samples, say: Say) -> list[KerasLayer]:
    """The layers that change the logits most when they alone are quantized: another faulty layer
    cannot hide them."""
    reference = network.without(network.layers, few)
    changes = []
    for number, layer in enumerate(network.layers, 1):
        others = [one for one in network.layers if one is not layer]
        changes.append(np.square(network.without(others, few) - reference).mean())
        if number % LAYERS_PER_LINE == 0:
            say(f"quantize  {number} of {len(network.layers)} layers compared")
    order = np.argsort(np.negative(changes), kind="stable")
    return [network.layers[place] for place in order[:CANDIDATES]]


def _gains(
    network: SwitchedNetwork, candidates: list[KerasLayer], part: Samples, say: Say
) -> list[LayerGain]:
    """The layers with a gain in top-1, the largest first."""
    before = metrics.right(network.without([], part), part.labels)
    rows = []
    for layer in candidates:
        after = metrics.right(network.without([layer], part), part.labels)
        paired = mcnemar(before=before, after=after)
        rows.append(
            LayerGain(
                layer=layer.layer.name,
                kind=type(layer.layer).__name__,
                tensors=quantized_tensors(layer),
                gain=paired.gain,
                interval=paired.interval,
            )
        )
        say(f"quantize  {layer.layer.name} in float: {100 * paired.gain:+.2f} points")
    return [row for row in sorted(rows, key=lambda row: -row.gain) if row.gain > 0]

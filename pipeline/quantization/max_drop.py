"""The fewest operators in float that keep int8 within a loss of top-1: `convert.max_drop`.

Greedy: of the operators that change the logits most when they alone are quantized, the one that
brings top-1 back most goes to float, and all are measured again; then those that are no longer
needed go back to int8.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.quantization.float_layers import Chain, Chains
from pipeline.quantization.switched import SwitchedNetwork
from pipeline.training.inference import Outputs, make_predict
from targets.errors import ProofError
from targets.evaluation import metrics
from targets.untyped import KerasModel

COMPARED_ON = 64
"""Validation samples on which all operators are compared; as in `sensitivity`."""
CANDIDATES = 8
"""Operators that may go to float."""
MOST = 5
"""Operators in float from which on the network as a whole is what loses."""

Say = Callable[[str], None]


class Search:
    """A quantized network, whose operators can go to float, against the float student."""

    def __init__(self, *, quantized: KerasModel, student: KerasModel, data: Dataset) -> None:
        self.chains = Chains(quantized).all()
        self._network = SwitchedNetwork(quantized, data.input)
        self._validation = data[Split.VAL]
        self._exact = make_predict(student, data.input)(self._validation.raw)

    def drop(self, floats: Sequence[Chain]) -> float:
        """What top-1 loses with these operators in float, and the others in int8."""
        return self._drop(self._logits(floats, self._validation))

    def layers(self, limit: float, *, say: Say) -> tuple[str, ...]:
        """Names for `keep_float`; none where int8 loses no more than `limit`, a share of samples.

        Raises `ProofError` where no few operators bring it there.
        """
        lost = self.drop([])
        say(f"convert   int8 is {_points(lost)} points below float on the validation split")
        if lost <= limit:
            return ()
        unquantized = self.drop(self.chains)
        if unquantized > limit:
            raise _none_helps(lost, limit, f"all of them in float leave {_points(unquantized)}")
        floats = self._pruned(self._grown(lost, limit), limit)
        names = tuple(chain[0].layer.name for chain in floats)
        say(f"convert   {', '.join(names)} in float: {_points(self.drop(floats))} points below")
        return names

    def _grown(self, lost: float, limit: float) -> list[Chain]:
        candidates, floats = self._candidates(), list[Chain]()
        left = lost
        while left > limit:
            if not candidates or len(floats) == MOST:
                names = ", ".join(chain[0].layer.name for chain in floats)
                raise _none_helps(lost, limit, f"{names or 'none'} in float leave {_points(left)}")
            best = min(candidates, key=lambda chain: self._loss([*floats, chain]))
            candidates.remove(best)
            floats.append(best)
            left = self.drop(floats)
        return floats

    def _pruned(self, floats: list[Chain], limit: float) -> list[Chain]:
        for chain in list(floats):
            others = [one for one in floats if one is not chain]
            if self.drop(others) <= limit:
                floats = others
        return floats

    def _loss(self, floats: Sequence[Chain]) -> tuple[float, float]:
        """The drop, and among equal ones the distance of the logits."""
        logits = self._logits(floats, self._validation)
        return self._drop(logits), float(np.square(logits - self._exact).mean())

    def _candidates(self) -> list[Chain]:
        """The operators that change the logits most when they alone are quantized."""
        count = min(COMPARED_ON, len(self._validation))
        places = np.linspace(0, len(self._validation) - 1, count).astype(int)
        few = self._validation.take(places)
        reference = self._logits(self.chains, few)
        changes = [
            np.square(self._logits([c for c in self.chains if c is not one], few) - reference)
            for one in self.chains
        ]
        order = np.argsort([-change.mean() for change in changes], kind="stable")
        return [self.chains[place] for place in order[:CANDIDATES]]

    def _logits(self, floats: Sequence[Chain], samples: Samples) -> Outputs:
        return self._network.without([one for chain in floats for one in chain], samples)

    def _drop(self, logits: Outputs) -> float:
        labels = self._validation.labels
        return metrics.top1(self._exact, labels) - metrics.top1(logits, labels)


def _none_helps(lost: float, limit: float, tried: str) -> ProofError:
    return ProofError(
        f"convert.max_drop: int8 loses {_points(lost)} points of top-1 on the validation split, "
        f"more than {_points(limit)}, and few layers in float do not bring them back: {tried}. "
        "Raise convert.max_drop or quantize.epochs, or train a wider student."
    )


def _points(share: float) -> str:
    return f"{100 * share:.2f}"

"""The predictions of many samples: what is kept of each, and what is counted over all."""

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import perf_counter_ns

from targets.formats.input_spec import Kind
from targets.prediction.classifier import Classifier, Score
from targets.prediction.sample import Sample
from targets.prediction.stream import outcomes
from targets.prediction.tally import Tally


@dataclass(frozen=True, kw_only=True, slots=True)
class Classified:
    """One sample."""

    sample: Sample
    top: tuple[Score, ...]
    unknown: bool | None = None
    """As in `Prediction`."""

    @property
    def wrong(self) -> bool:
        return self.sample.label not in (None, self.top[0].index)


@dataclass(kw_only=True)
class Results:
    kind: Kind = "image"
    classified: list[Classified] = field(default_factory=list)
    unreadable: list[tuple[Sample, str]] = field(default_factory=list)
    """And why."""
    tally: Tally = field(default_factory=Tally)
    unknown: int = 0
    """Samples whose class is unknown."""
    read_ns: "array[int]" = field(default_factory=lambda: array("q"))
    """Reading, decoding and preprocessing of each sample."""
    inference_ns: "array[int]" = field(default_factory=lambda: array("q"))
    wall_ns: int = 0

    def wrong_first(self) -> list[Classified]:
        """The wrong ones, the most confident first; then the others in their order."""
        wrong = [one for one in self.classified if one.wrong]
        wrong.sort(key=lambda one: -one.top[0].probability)
        return wrong + [one for one in self.classified if not one.wrong]


def predict_all(
    classifier: Classifier,
    samples: Iterable[Sample],
    *,
    top: int,
    wrong_only: bool = False,
    done: Callable[[], object] = lambda: None,
) -> Results:
    """Classify every sample. `done` is called after each; `wrong_only` keeps no other."""
    results = Results(kind=classifier.preparation.kind)
    begun = perf_counter_ns()
    for sample, outcome in outcomes(classifier, samples, top=top):
        done()
        if outcome.prediction is None:
            results.unreadable.append((sample, outcome.problem or ""))
            continue
        results.read_ns.append(outcome.read_ns)
        results.inference_ns.append(outcome.prediction.inference_ns)
        unknown = outcome.prediction.unknown
        one = Classified(sample=sample, top=outcome.prediction.top, unknown=unknown)
        results.unknown += unknown is True
        if sample.label is not None:
            predicted = one.top[0].index
            results.tally.add(label=sample.label, predicted=predicted, unknown=unknown is True)
        if one.wrong or not wrong_only:
            results.classified.append(one)
    results.wall_ns = perf_counter_ns() - begun
    return results

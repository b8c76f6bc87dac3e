"""Many samples, readable or not: classified one by one, and none of them kept."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter_ns

from targets.ahead import ahead
from targets.errors import UnreadableError
from targets.prediction.classifier import Classifier, Prediction, readers
from targets.prediction.preparation.contract import Raw
from targets.prediction.sample import Sample


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one sample."""

    prediction: Prediction | None = None
    problem: str | None = None
    """Why it cannot be read; None: it was."""
    read_ns: int = 0
    """Reading, decoding and preprocessing."""


def outcomes(
    classifier: Classifier, samples: Iterable[Sample], *, top: int
) -> Iterator[tuple[Sample, Outcome]]:
    """The outcome of each sample in order, whether it can be read or not."""

    def timed(sample: Sample) -> tuple[Raw, int]:
        begun = perf_counter_ns()
        if sample.problem is not None:
            raise UnreadableError(sample.problem)
        raw = classifier.preparation(sample.item)
        return raw, perf_counter_ns() - begun

    for future, sample in ahead(timed, samples, threads=readers()):
        try:
            raw, ns = future.result()
        except UnreadableError as error:
            yield sample, Outcome(problem=str(error))
        else:
            prediction = classifier.classified(raw, top=top)
            yield sample, Outcome(prediction=prediction, read_ns=ns)

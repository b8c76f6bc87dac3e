"""Many picture files, readable or not: classified one by one, and none of them kept."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

from targets.ahead import ahead
from targets.images.reading import Pixels, UnreadablePictureError, read
from targets.prediction.classifier import Classifier, Prediction, readers


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one picture."""

    prediction: Prediction | None = None
    problem: str | None = None
    """Why it cannot be read; None: it was."""
    read_ns: int = 0
    """Reading, decoding and preprocessing."""


def outcomes(
    classifier: Classifier, paths: Iterable[Path], *, top: int
) -> Iterator[tuple[Path, Outcome]]:
    """The outcome of each file in order, whether it can be read or not."""

    def timed(path: Path) -> tuple[Pixels, int]:
        begun = perf_counter_ns()
        wanted = classifier.preprocessing
        raw = wanted(read(path, channels=wanted.channels))
        return raw, perf_counter_ns() - begun

    for future, path in ahead(timed, paths, threads=readers()):
        try:
            raw, ns = future.result()
        except UnreadablePictureError as error:
            yield path, Outcome(problem=str(error))
        else:
            prediction = classifier.classified(raw, top=top)
            yield path, Outcome(prediction=prediction, read_ns=ns)

"""The predictions of many files: what is kept of each, and what is counted over all."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns

from targets.prediction.classifier import Classifier, Score
from targets.prediction.pictures import Folders, Listing
from targets.prediction.stream import outcomes
from targets.prediction.tally import Tally


@dataclass(frozen=True, kw_only=True, slots=True)
class Classified:
    """One picture."""

    path: Path
    top: tuple[Score, ...]
    label: int | None
    """The class that its folder names."""
    unknown: bool | None = None
    """As in `Prediction`."""

    @property
    def wrong(self) -> bool:
        return self.label is not None and self.label != self.top[0].index


@dataclass(kw_only=True)
class Results:
    pictures: list[Classified] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    """Files, and why."""
    tally: Tally = field(default_factory=Tally)
    unknown: int = 0
    """Pictures that are unknown."""
    read_ns: "array[int]" = field(default_factory=lambda: array("q"))
    """Reading, decoding and preprocessing of each picture."""
    inference_ns: "array[int]" = field(default_factory=lambda: array("q"))
    wall_ns: int = 0

    def wrong_first(self) -> list[Classified]:
        """The wrong ones, the most confident first; then the others in their order."""
        wrong = [one for one in self.pictures if one.wrong]
        wrong.sort(key=lambda one: -one.top[0].probability)
        return wrong + [one for one in self.pictures if not one.wrong]


def predict_all(
    classifier: Classifier,
    listing: Listing,
    *,
    top: int,
    wrong_only: bool = False,
    done: Callable[[], object] = lambda: None,
) -> Results:
    """Classify every file. `done` is called after each; `wrong_only` keeps the wrong ones only."""
    results, folders = Results(), Folders(classifier.classes)
    begun = perf_counter_ns()
    paths = (found.path for found in listing.files)
    for found, (path, outcome) in zip(
        listing.files, outcomes(classifier, paths, top=top), strict=True
    ):
        done()
        if outcome.prediction is None:
            results.unreadable.append((path, outcome.problem or ""))
            continue
        results.read_ns.append(outcome.read_ns)
        results.inference_ns.append(outcome.prediction.inference_ns)
        label, unknown = folders.class_of(found), outcome.prediction.unknown
        one = Classified(path=path, top=outcome.prediction.top, label=label, unknown=unknown)
        results.unknown += unknown is True
        if label is not None:
            predicted = one.top[0].index
            results.tally.add(label=label, predicted=predicted, unknown=unknown is True)
        if one.wrong or not wrong_only:
            results.pictures.append(one)
    results.wall_ns = perf_counter_ns() - begun
    return results

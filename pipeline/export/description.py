"""The sidecar of a converted file: what is known of a network that was trained elsewhere."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.evaluation import metrics
from targets.formats import sidecar
from targets.formats.input_spec import InputSpec
from targets.formats.model_io import ModelIO
from targets.formats.record import ExportedModel

Scores = npt.NDArray[np.float32]
SUM_TOLERANCE = 1e-3


def describe(
    path: Path,
    record: ExportedModel,
    *,
    input: InputSpec,
    scores: Scores,
    classes: tuple[str, ...] | None,
) -> None:
    """Write the sidecar of a file that takes pictures; none for another one.

    `scores` are the network's own for samples, [samples, classes]; without `classes` their numbers
    are the names.
    """
    if len(input.shape) != 3 or input.shape[2] not in (1, 3):
        return
    sidecar.write(
        path,
        record=record.model_copy(update={"adapter": reading(scores, input)}),
        classes=classes or tuple(map(str, range(max(2, scores.shape[1])))),
        input=input,
        preprocessing=None,
    )


def reading(scores: Scores, input: InputSpec) -> ModelIO | None:
    """From the scores to logits; None where they are logits of all classes."""
    one = scores.shape[1] == 1
    sums_to_1 = bool((abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE).all())
    shares = metrics.from_0_to_1(scores) and (one or sums_to_1)
    if not (one or shares):
        return None
    return ModelIO(shape=input.shape, output="probabilities" if shares else "logits")

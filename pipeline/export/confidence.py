"""The confidence of a file: fitted on its own logits for the validation split, after its proof."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.export.exporter import Logits, ProvedFile, Raw
from pipeline.recipe.files import ConfidenceConfig
from targets.errors import ProofError
from targets.files.digest import file_sha256
from targets.formats import FORMATS
from targets.formats.confidence import Confidence
from targets.formats.contract import PROBABILITIES

Labels = npt.NDArray[np.int64]
TOLERANCE = 1e-6
"""Of a float32 softmax."""


def fitted(
    logits: Logits, labels: Labels, *, classes: Sequence[str], config: ConfidenceConfig
) -> Confidence | None:
    """The temperature and the thresholds; None for outputs that are not a logit per class."""
    from targets.evaluation import temperature, thresholds

    if logits.shape != (len(labels), len(classes)):
        return None
    found = temperature.fit(logits, labels)
    shares = temperature.confidence(logits, temperature=found.value)
    predicted = logits.argmax(axis=1)
    right = predicted == labels
    own = tuple(
        thresholds.threshold(shares[held], right[held], precision=config.precision)
        for held in (predicted == index for index in range(len(classes) if config.per_class else 0))
    )
    return Confidence(
        temperature=found.value,
        temperature_note=found.note,
        precision=config.precision,
        level=thresholds.LEVEL,
        threshold=thresholds.threshold(shares, right, precision=config.precision),
        class_thresholds=own if any(limit is not None for limit in own) else (),
        validation_samples=len(labels),
    )


def fit_all(
    files: Sequence[ProvedFile],
    labels: Labels,
    *,
    classes: Sequence[str],
    config: ConfidenceConfig,
) -> dict[str, Confidence]:
    """By the names of the files, whose `outputs` are for the samples of `labels`."""
    found = {
        file.record.name: fitted(file.outputs, labels, classes=classes, config=config)
        for file in files
    }
    return {name: one for name, one in found.items() if one is not None}


def with_probabilities(
    confidence: Mapping[str, Confidence],
    file: ProvedFile,
    *,
    folder: Path,
    samples: Raw,
    scratch: Path,
) -> ProvedFile:
    """Append the output of calibrated probabilities to the file, if it has a temperature.

    Raises `ProofError` where its logits for `samples` are then others than in its own proof, or the
    probabilities not theirs.
    """
    from targets.bench.plan import logits_of
    from targets.evaluation.temperature import probabilities

    if file.record.name not in confidence:
        return file
    path, kind = folder / file.record.file, file.record.format
    temperature = confidence[file.record.name].temperature
    FORMATS[kind].add_probabilities(path, temperature=temperature)
    logits, shares = (
        logits_of(path, kind, samples, scratch, output_index=index) for index in (0, 1)
    )
    expected = probabilities(file.outputs, temperature=temperature)
    difference = float(np.abs(shares - expected).max())
    if logits.tobytes() != file.outputs.tobytes() or not difference <= TOLERANCE:
        raise ProofError(
            f"{path.name}: with the output {PROBABILITIES}, its runtime gives other logits than "
            f"without it, or probabilities that differ by {difference:.2g} from theirs. Set "
            "convert.probabilities = false; the sidecar holds the temperature anyway."
        )
    changed = {"sha256": file_sha256(path), "size_bytes": path.stat().st_size}
    return replace(file, record=file.record.model_copy(update=changed))

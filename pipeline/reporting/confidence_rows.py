"""What temperature and thresholds do on the test split, which neither of them was fitted on."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pipeline.reporting.schema.confidence import (
    Calibration,
    ConfidenceRow,
    ReliabilityBin,
    Selection,
)
from targets.evaluation import coverage, metrics
from targets.evaluation.temperature import confidence, negative_log_likelihood
from targets.formats.confidence import Confidence

Logits = npt.NDArray[np.float32]
MOST_POINTS = 100
"""Of a curve in the report."""


def confidence_rows(
    logits: Mapping[str, Logits],
    labels: metrics.Labels,
    fitted: Mapping[str, Confidence],
    *,
    device: str,
) -> tuple[ConfidenceRow, ...]:
    """A row per file with a temperature; `logits` by file, [test samples, classes]."""
    return tuple(
        _row(name, logits[name], labels, found, device=device)
        for name, found in fitted.items()
        if name in logits
    )


def _row(
    name: str, logits: Logits, labels: metrics.Labels, fitted: Confidence, *, device: str
) -> ConfidenceRow:
    shares = confidence(logits, temperature=fitted.temperature)
    right = metrics.right(logits, labels)
    curve = coverage.curve(shares, right)
    return ConfidenceRow(
        model=name,
        device=device,
        samples=len(labels),
        before=_calibration(logits, labels, temperature=1.0),
        after=_calibration(logits, labels, temperature=fitted.temperature),
        selection=_selection(logits, shares, right, fitted),
        aurc=curve.area,
        curve=_thinned(curve),
        **fitted.model_dump(),
    )


def _calibration(logits: Logits, labels: metrics.Labels, *, temperature: float) -> Calibration:
    shares = confidence(logits, temperature=temperature)
    right = metrics.right(logits, labels)
    bins = coverage.reliability(shares, right)
    return Calibration(
        ece=metrics.calibration_error(shares, right),
        nll=negative_log_likelihood(logits, labels, temperature=temperature),
        reliability=tuple(ReliabilityBin.model_validate(vars(one)) for one in bins),
    )


def _selection(
    logits: Logits,
    shares: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
    fitted: Confidence,
) -> Selection | None:
    if not fitted.decides:
        return None
    predicted = metrics.predicted(logits).tolist()
    accept = [fitted.accepts(c, share) for c, share in zip(predicted, shares, strict=True)]
    return Selection.model_validate(vars(coverage.accepted(np.array(accept, bool), right)))


def _thinned(curve: coverage.Curve) -> tuple[tuple[float, float], ...]:
    count = len(curve.coverage)
    kept = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))
    points = zip(curve.coverage[kept].tolist(), curve.risk[kept].tolist(), strict=True)
    return tuple((round(share, 4), round(risk, 6)) for share, risk in points)

"""What a model file detects in a stream: its threshold, and how good it is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Dataset
from pipeline.recipe.streaming import StreamingConfig
from pipeline.streams import sources
from pipeline.streams.stream import Stream
from targets.evaluation import metrics
from targets.evaluation.streaming import (
    Listening,
    OperatingPoint,
    Probabilities,
    best_within,
    curve,
    operating_point,
)
from targets.formats.confidence import Confidence
from targets.formats.record import ExportedModel
from targets.formats.streaming import WordThreshold


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Runs model files over the windows of one stream, with the agent that measures them."""

    stream: Stream
    how: Listening
    windows: Path
    """.npy [windows, samples]"""
    scratch: Path

    @classmethod
    def of(cls, stream: Stream, cfg: StreamingConfig, data: Dataset, scratch: Path) -> "Listener":
        from targets.bench.plan import store

        path = scratch / "stream.npy"
        store(sources.windows(stream, cfg, data), path)
        return cls(stream=stream, how=sources.listening(cfg, data), windows=path, scratch=scratch)

    def curve(self, file: Path, kind: str, temperature: float) -> list[OperatingPoint]:
        """The points of a file of this format, by their thresholds."""
        probabilities = self._probabilities(file, kind, temperature)
        return curve(probabilities, self.stream.spoken, self.how)

    def _probabilities(self, file: Path, kind: str, temperature: float) -> Probabilities:
        from targets.bench.plan import logits_of
        from targets.evaluation.temperature import probabilities

        logits = logits_of(file, kind, self.windows, self.scratch)
        metrics.require_finite(logits, model=file.name)
        found: npt.NDArray[np.float64] = probabilities(logits, temperature=temperature)
        return found

    def silent(self) -> OperatingPoint:
        """Of a file that detects nothing."""
        return operating_point(
            [],
            self.stream.spoken,
            threshold=np.inf,
            length_s=self.stream.about.seconds,
            tolerance_s=0.0,
        )


def thresholds(
    cfg: StreamingConfig,
    data: Dataset,
    models: Mapping[Path, ExportedModel],
    confidence: Mapping[str, Confidence],
    *,
    scratch: Path,
) -> dict[str, WordThreshold]:
    """The threshold of each file, by its name; of files without a temperature none.

    Chosen on the validation split's stream, or on the user's recording for that.
    """
    listener = Listener.of(sources.choosing(cfg, data), cfg, data, scratch)
    found = {}
    for path, model in models.items():
        if model.name in confidence:
            points = listener.curve(path, model.format, confidence[model.name].temperature)
            found[model.name] = _chosen(points, cfg, listener.stream)
    listener.windows.unlink()
    return found


def _chosen(
    points: Sequence[OperatingPoint], cfg: StreamingConfig, stream: Stream
) -> WordThreshold:
    best = best_within(points, cfg.false_accepts_per_hour)
    return WordThreshold(
        threshold=None if best is None else best.threshold,
        hop_s=cfg.hop_s,
        smoothed_over=cfg.smoothed_over,
        pause_s=cfg.pause_s,
        false_accepts_per_hour=cfg.false_accepts_per_hour,
        chosen_on=stream.about,
    )

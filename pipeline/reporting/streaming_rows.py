"""What the thresholds of the student's files do in the stream that judges them."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.datasets.splits import Dataset
from pipeline.engine.artifacts import Exports
from pipeline.recipe.streaming import StreamingConfig
from pipeline.reporting.schema.streaming import Streaming, StreamingRow
from pipeline.streams import sources
from pipeline.streams.detecting import Listener
from targets.evaluation import metrics
from targets.evaluation.streaming import OperatingPoint, rate_interval


def streaming(
    cfg: StreamingConfig, data: Dataset, exports: Exports, *, scratch: Path
) -> Streaming | None:
    """A row per file with a threshold; None without any."""
    if not exports.streaming:
        return None
    listener = Listener.of(sources.judging(cfg, data), cfg, data, scratch)
    rows = tuple(_rows(listener, exports))
    listener.windows.unlink()
    return Streaming(
        hop_s=listener.how.hop_s,
        window_s=listener.how.window_s,
        smoothed_over=cfg.smoothed_over,
        pause_s=cfg.pause_s,
        false_accepts_per_hour=cfg.false_accepts_per_hour,
        chosen_on=next(iter(exports.streaming.values())).chosen_on,
        judged_on=listener.stream.about,
        same=cfg.same,
        files=rows,
    )


def _rows(listener: Listener, exports: Exports) -> list[StreamingRow]:
    rows = []
    for model in exports.models:
        if model.name in exports.streaming:
            temperature = exports.confidence[model.name].temperature
            points = listener.curve(exports.path(model), model.format, temperature)
            threshold = exports.streaming[model.name].threshold
            rows.append(row(model.name, threshold, points, silent=listener.silent()))
    return rows


def row(
    name: str, threshold: float | None, points: Sequence[OperatingPoint], *, silent: OperatingPoint
) -> StreamingRow:
    """The figures at the threshold, which is one of the points; `silent`: without one."""
    point = next((one for one in points if one.threshold == threshold), silent)
    return StreamingRow(
        model=name,
        threshold=threshold,
        missed=point.missed,
        false_reject_rate=point.false_reject_rate,
        false_reject_ci=metrics.wilson_interval(point.false_reject_rate, point.words),
        false_accepts=point.false_accepts,
        false_accepts_per_hour=point.false_accepts_per_hour,
        false_accepts_ci=rate_interval(point.false_accepts, point.hours),
        curve=tuple(
            (one.threshold, one.false_accepts_per_hour, one.false_reject_rate) for one in points
        ),
    )

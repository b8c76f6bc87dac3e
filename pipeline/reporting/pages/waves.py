"""Small pictures of clips: the largest and the smallest value of each of a few stretches."""

import base64
from collections.abc import Mapping

import numpy as np

from pipeline.datasets.on_access import Raw
from pipeline.reporting.pages.album import Album
from pipeline.reporting.pages.pictures import key
from pipeline.reporting.schema.report import Report

WIDTH, HEIGHT = 80, 48
QUIET = 1024
"""A peak of 30 dB below full scale: less is drawn small, so that silence is not noise."""
COLOUR = "#3b82c4"
"""Seen on a light and on a dark page: an SVG in an `img` does not know which it is on."""


def album(report: Report, clips: Mapping[str, Raw]) -> dict[str, str]:
    """Data URIs by `pages.pictures.key`; `clips`: int16 [clips, samples] of each split."""
    made = Album()
    for sample in (*report.flips, *report.label_suspects):
        if sample.split in clips:
            raw = np.asarray(clips[sample.split][sample.index : sample.index + 1][0])
            made.put(key(sample), svg(raw))
    return made.pictures


def svg(clip: Raw) -> str:
    """The envelope of int16 [samples] as a data URI; its peak is the height, or `QUIET`."""
    values = clip.astype(np.float64)
    parts = np.array_split(values / max(np.abs(values).max(), QUIET), min(WIDTH, len(clip)))
    tops, bottoms = [p.max() for p in parts], [p.min() for p in parts]
    x = np.linspace(0, WIDTH, len(parts))
    there = [f"{a:.0f} {_y(top)}" for a, top in zip(x, tops, strict=True)]
    back = [f"{a:.0f} {_y(low, 0.5)}" for a, low in zip(x[::-1], bottoms[::-1], strict=True)]
    return drawn(f'<path fill="{COLOUR}" d="M{" ".join(there + back)}z"/>')


def drawn(paths: str) -> str:
    """The data URI of a picture of these `paths`."""
    text = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">{paths}</svg>'
    return f"data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()}"


def _y(value: float, below: float = 0.0) -> str:
    """`below`: silence is a line, and not nothing."""
    return f"{HEIGHT / 2 * (1 - value) + below:.1f}"

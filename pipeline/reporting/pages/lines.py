"""Small pictures of arrays: a line per channel over the first axis, scaled as for the network."""

from collections.abc import Mapping

import numpy as np

from pipeline.datasets.on_access import Raw
from pipeline.reporting.pages.album import Album
from pipeline.reporting.pages.pictures import key
from pipeline.reporting.pages.waves import COLOUR, HEIGHT, WIDTH, drawn
from pipeline.reporting.schema.report import Report
from targets.formats.channel_scaling import ChannelScaling
from targets.formats.input_spec import InputSpec

COLOURS = (COLOUR, "#d9822b", "#2a9d6f", "#b05fa8", "#8a8a8a", "#c0504d")
"""Of the channels, seen on a light and on a dark page."""
STILL = 2.0
"""Deviations that half of the height is at least, so that noise is not drawn as a movement."""


def album(report: Report, samples: Mapping[str, Raw], spec: InputSpec) -> dict[str, str]:
    """Data URIs by `pages.pictures.key`; `samples`: [samples, *spec.shape] of each split."""
    made = Album()
    for one in (*report.flips, *report.label_suspects):
        if one.split in samples:
            raw = np.asarray(samples[one.split][one.index : one.index + 1][0])
            made.put(key(one), svg(raw, spec))
    return made.pictures


def svg(raw: Raw, spec: InputSpec) -> str:
    """Of a sample [steps, ...] as a data URI; of more channels than colours, some evenly spread."""
    values = raw.astype(np.float64)
    if isinstance(spec.front_end, ChannelScaling):
        values = (values - np.array(spec.front_end.mean)) / np.array(spec.front_end.deviation)
    table = values.reshape(len(values), -1)
    steps, channels = _spread(len(table), WIDTH), _spread(table.shape[1], len(COLOURS))
    shown = table[steps][:, channels]
    heights = HEIGHT / 2 * (1 - shown / max(STILL, np.abs(shown).max()))
    x = np.linspace(0, WIDTH, len(steps))
    return drawn(
        "".join(
            f'<path fill="none" stroke="{colour}" d="M'
            + " ".join(f"{a:.0f} {y:.1f}" for a, y in zip(x, line, strict=True))
            + '"/>'
            for colour, line in zip(COLOURS, heights.T, strict=False)
        )
    )


def _spread(count: int, most: int) -> Raw:
    """Places from 0 to `count - 1`, at most so many."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)

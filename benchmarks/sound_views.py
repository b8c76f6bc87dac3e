"""What the views of a clip of a second cost, on one core: best of five passes over 640 clips."""

import time

import click
import numpy as np

from pipeline.datasets.splits import Samples
from pipeline.training.augmentation.sounds import SoundViews, view_table

CLIPS, BATCH, PASSES = 640, 64, 5
KEYS = {
    "shift": SoundViews(),
    "gain": SoundViews(gain_db=12),
    "noise": SoundViews(noise=(5, 40), noise_share=1),
    "tempo": SoundViews(tempo=(0.8, 1.25)),
    "gap": SoundViews(time_mask_ms=100),
    "all": SoundViews(gain_db=12, noise=(5, 40), tempo=(0.8, 1.25), time_mask_ms=100),
}
"""Beside a shift of up to 100 ms."""


def milliseconds(cfg: SoundViews, rate: int) -> float:
    """Per clip."""
    noise = np.random.default_rng(0).integers(-3000, 3000, (CLIPS, rate)).astype(np.int16)
    samples = Samples(raw=noise, labels=np.zeros(CLIPS, np.int64))
    table = view_table(cfg, clips=CLIPS, rate=rate, seed=0, view=0)
    best = float("inf")
    for _ in range(PASSES):
        begun = time.perf_counter()
        for first in range(0, CLIPS, BATCH):
            table.render(samples, np.arange(first, first + BATCH))
        best = min(best, time.perf_counter() - begun)
    return 1000 * best / CLIPS


@click.command()
def main() -> None:
    for rate in (8000, 16_000):
        for name, cfg in KEYS.items():
            click.echo(f"{rate:6} Hz  {name:<6} {milliseconds(cfg, rate):.3f} ms")


if __name__ == "__main__":
    main()

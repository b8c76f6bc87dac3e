"""A small data set of sounds to make streams of."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Dataset, Samples, Split
from targets.formats.front_end import SoundFrontEnd
from targets.formats.input_spec import waveform_input
from tests.sounds import RATE, tone

CLASSES = ("_silence_", "_unknown_", "no", "yes")
WINDOW_S = 0.5
SAMPLES = round(WINDOW_S * RATE)


def dataset(
    *, each: int = 12, noise: Mapping[Split, npt.NDArray[np.int16]] | None = None
) -> Dataset:
    """`each` clips of half a second of each class in each split, all of which differ."""
    labels = np.arange(each * len(CLASSES)) % len(CLASSES)
    return Dataset(
        name="tones",
        classes=CLASSES,
        splits={
            split: Samples(
                raw=np.stack(
                    [tone(1000 * place + n, seconds=WINDOW_S) for n in range(len(labels))]
                ),
                labels=labels.astype(np.int64),
            )
            for place, split in enumerate(Split)
        },
        sha256="0" * 64,
        spec=waveform_input(SAMPLES, SoundFrontEnd(rate=RATE)),
        noise=noise,
    )

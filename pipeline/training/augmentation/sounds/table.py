"""The table of a view: row i decides how clip i is changed, whatever batch the clip is in."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.training.augmentation.contract import Each
from pipeline.training.augmentation.draws import SOUND_STREAM, generator
from pipeline.training.augmentation.sounds.noise import coloured
from pipeline.training.augmentation.sounds.settings import SoundViews
from pipeline.training.augmentation.sounds.waves import Draw, changed
from targets.formats.front_end import SoundFrontEnd
from targets.sounds.windowing import Waveform

STEPS = 2**16

Rows = npt.NDArray[np.uint16]
"""[clips, fields of `Draw`]: 16 bytes per clip."""


@dataclass(frozen=True, kw_only=True)
class SoundTable:
    """How every clip of a split is changed in one view."""

    cfg: SoundViews
    rows: Rows
    rate: int
    """Samples per second."""
    banks: tuple[Waveform, ...] = ()
    """What noise is taken from."""

    def render(
        self, samples: Samples, index: npt.NDArray[np.int64], *, each: Each = map
    ) -> npt.NDArray[np.int16]:
        """The view of the clips at `index`, [batch, samples]."""
        raw: npt.NDArray[np.int16] = np.asarray(samples.raw[index])
        if not self.cfg.changes:
            return raw
        rows = self.rows[index]

        def one(i: int) -> Waveform:
            return changed(raw[i], draw_of(rows[i]), self.cfg, rate=self.rate, banks=self.banks)

        return np.stack([*each(one, range(len(index)))])


def draw_of(row: Rows) -> Draw:
    return Draw(*((row + 0.5) / STEPS).tolist())


def view_table(
    cfg: SoundViews,
    *,
    clips: int,
    rate: int,
    seed: int,
    view: int,
    recordings: Waveform | None = None,
) -> SoundTable:
    """The table of view number `view` for a split of `clips` clips.

    `recordings` of background noise, [samples], are mixed in as often as made noise.
    """
    random = generator(seed, SOUND_STREAM, view)
    rows = random.integers(0, STEPS, (clips, len(Draw._fields)), np.uint16)
    heard = () if recordings is None or not len(recordings) else (recordings,)
    banks = () if cfg.noise is None else (*heard, coloured(rate))
    return SoundTable(cfg=cfg, rows=rows, rate=rate, banks=banks)


def training_view(cfg: SoundViews, data: Dataset, *, seed: int, view: int) -> SoundTable:
    """The table of view number `view` for the training clips of `data`."""
    front_end = data.input.front_end
    assert isinstance(front_end, SoundFrontEnd)  # it is a waveform
    return view_table(
        cfg,
        clips=len(data[Split.TRAIN]),
        rate=front_end.rate,
        seed=seed,
        view=view,
        recordings=None if data.noise is None else data.noise[Split.TRAIN],
    )

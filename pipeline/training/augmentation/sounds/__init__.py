"""Views of sounds: tempo, shift, background noise, loudness, and a gap in time.

All of them are changes of the waveform. SpecAugment's mask over frequencies (Park et al. 2019,
arXiv 1904.08779) is none: the features are made inside the network's graph, so that it would have
to be an input of the graph; on spoken digits it cost 2.7 points.
"""

from pipeline.training.augmentation.contract import Mixing
from pipeline.training.augmentation.sounds.fit import require_fit
from pipeline.training.augmentation.sounds.settings import SoundViews
from pipeline.training.augmentation.sounds.table import SoundTable, training_view, view_table

__all__ = [
    "MIXED_BY",
    "Settings",
    "SoundTable",
    "SoundViews",
    "require_fit",
    "training_view",
    "view_table",
]

Settings = SoundViews
MIXED_BY: tuple[Mixing, ...] = ("mixup",)

"""Whether clips can take the changes of a recipe."""

from pipeline.datasets.splits import Dataset
from pipeline.training.augmentation.sounds.settings import SoundViews
from targets.errors import InputError
from targets.formats.front_end import SoundFrontEnd


def require_fit(
    cfg: SoundViews, data: Dataset, *, teacher: Dataset | None = None, table: str = "augmentation"
) -> None:
    """Raise `InputError` for a change that can leave nothing of a clip."""
    front_end = data.input.front_end
    assert isinstance(front_end, SoundFrontEnd)  # it is a waveform
    clip_ms = 1000 * data.input.shape[0] / front_end.rate
    for key, value_ms in (("shift_ms", cfg.shift_ms), ("time_mask_ms", cfg.time_mask_ms)):
        if value_ms >= clip_ms:
            raise InputError(
                f"{table}.{key}: {value_ms:g} ms leave nothing of clips of {clip_ms:g} ms. Set it "
                f"below {clip_ms:g}."
            )

"""Views: augmentation of raw uint8 images as a pure gather from a seeded table.

Row i of the table says how image i looks in this view, whatever the batch it is drawn in, so that
a teacher and a student, or a run and its resumption, see the same pixels. Padding and cut-out are
grey (the zero point), which is zero after normalisation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Dataset, Images, Split
from pipeline.recipe.schema import AugmentationConfig
from targets.errors import InputError


def generator(seed: int, *key: int) -> np.random.Generator:
    """Random numbers as a pure function of (seed, key): Philox is counter-based."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, *key))))


@dataclass(frozen=True, kw_only=True)
class ViewTable:
    """How every image of a split looks in one view."""

    cfg: AugmentationConfig
    rows: npt.NDArray[np.integer[Any]]
    """[images, 5]: shift down, shift right, flip, cut-out centre y, cut-out centre x."""
    grey: int

    def render(self, images: Images, index: npt.NDArray[np.int64]) -> Images:
        """The view of `images[index]`, [batch, height, width, channels]."""
        picked, rows = images[index], self.rows[index]
        height, width = picked.shape[1:3]
        pad = self.cfg.shift
        padded = np.pad(picked, ((0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=self.grey)
        y = rows[:, 0:1] + np.arange(height)
        x = np.where(rows[:, 2:3] == 1, np.arange(width)[::-1], np.arange(width)) + rows[:, 1:2]
        view: Images = padded[np.arange(len(index))[:, None, None], y[:, :, None], x[:, None, :]]
        return self._cut_out(view, rows) if self.cfg.cutout else view

    def _cut_out(self, view: Images, rows: npt.NDArray[np.integer[Any]]) -> Images:
        side = self.cfg.cutout

        def inside(size: int, centre: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
            offset = np.arange(size) - (centre[:, None] - side // 2)
            return (offset >= 0) & (offset < side)

        down, across = inside(view.shape[1], rows[:, 3]), inside(view.shape[2], rows[:, 4])
        square = down[:, :, None] & across[:, None, :]
        return np.where(square[..., None], np.uint8(self.grey), view)


def view_table(
    cfg: AugmentationConfig, *, images: int, size: tuple[int, int], seed: int, view: int, grey: int
) -> ViewTable:
    """The table of view number `view` for a split of `images` images of `size` pixels."""
    highs = [2 * cfg.shift + 1, 2 * cfg.shift + 1, 2 if cfg.flip else 1, size[0] + 1, size[1] + 1]
    random = generator(seed, VIEW_STREAM, view)
    rows = np.empty((images, len(highs)), np.int16)  # 10 bytes per image; one column is drawn wide
    for column, high in enumerate(highs):
        rows[:, column] = random.integers(0, high, images)
    return ViewTable(cfg=cfg, rows=rows, grey=grey)


def training_view(cfg: AugmentationConfig, data: Dataset, *, seed: int, view: int) -> ViewTable:
    """How the training images of `data` look in view number `view`."""
    height, width = data.input.shape[:2]
    return view_table(
        cfg,
        images=len(data[Split.TRAIN]),
        size=(height, width),
        seed=seed,
        view=view,
        grey=data.input.zero_point,
    )


def require_fit(
    cfg: AugmentationConfig, data: Dataset, *, cutout: str = "augmentation.cutout"
) -> None:
    """Refuse views that can show nothing of an image; `cutout` is the key that it comes from."""
    height, width = data.input.shape[:2]
    for key, pixels in (("augmentation.shift", cfg.shift), (cutout, cfg.cutout)):
        if pixels >= min(height, width):
            raise InputError(
                f"{key}: {pixels} pixels leave nothing of images of {height}x{width}; "
                f"give less than {min(height, width)}."
            )


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """A batch in which every image is laid over another one of it."""

    raw: Images
    partner: npt.NDArray[np.int64]
    """Place in the batch of each image's other one."""
    share: float
    """Of the image itself, 0 to 1."""


def mixup(raw: Images, *, alpha: float, seed: int, epoch: int, number: int) -> Mixed:
    """Zhang et al. 2017, arXiv 1710.09412, on raw pixels: teacher and student see the same ones.

    Rounded to whole pixels, so that any teacher can be shown them.
    """
    random = generator(seed, MIXUP_STREAM, epoch, number)
    share, partner = random.beta(alpha, alpha), random.permutation(len(raw))
    both = share * raw.astype(np.float32) + (1 - share) * raw[partner].astype(np.float32)
    return Mixed(raw=np.rint(both).astype(raw.dtype), partner=partner, share=float(share))


VIEW_STREAM, ORDER_STREAM, MIXUP_STREAM = 1, 2, 3
"""First key of each use of randomness, so that no two uses share their numbers."""


def epoch_order(images: int, *, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """A permutation of the image indices, a pure function of (seed, epoch)."""
    return generator(seed, ORDER_STREAM, epoch).permutation(images)

"""Augmentation of raw uint8 images as a pure gather from a seeded table.

A view is one augmented version of every image. Row i of its table decides how image i is changed,
whatever batch the image is in, so that a teacher and a student, or a run and its resumption, get
the same pixels. Padding and cut-out are grey (the zero point), which is zero after normalisation.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Dataset, Images, Split
from pipeline.recipe.schema import AugmentationConfig, Recipe
from targets.errors import InputError

Rows = npt.NDArray[np.int16] | npt.NDArray[np.int64]


def generator(seed: int, *key: int) -> np.random.Generator:
    """Random numbers as a pure function of (seed, key): Philox is counter-based."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, *key))))


@dataclass(frozen=True, kw_only=True)
class ViewTable:
    """How every image of a split is changed in one view."""

    cfg: AugmentationConfig
    rows: Rows
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

    def _cut_out(self, view: Images, rows: Rows) -> Images:
        side = self.cfg.cutout

        def inside(size: int, centre: Rows) -> npt.NDArray[np.bool_]:
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
    """The table of view number `view` for the training images of `data`."""
    height, width = data.input.shape[:2]
    return view_table(
        cfg,
        images=len(data[Split.TRAIN]),
        size=(height, width),
        seed=seed,
        view=view,
        grey=data.input.zero_point,
    )


def teacher_views(recipe: Recipe) -> AugmentationConfig:
    """What the teacher is trained on; a teacher's file is not trained."""
    own = recipe.teacher.file is None and recipe.teacher.cutout is not None
    return recipe.augmentation.model_copy(update={"cutout": recipe.teacher.cutout} if own else {})


def require_fit(
    cfg: AugmentationConfig, data: Dataset, *, cutout: str = "augmentation.cutout"
) -> None:
    """Raise `InputError` for an augmentation that can remove a whole image.

    `cutout` is the recipe key of `cfg.cutout`, for the error.
    """
    height, width = data.input.shape[:2]
    for key, pixels in (("augmentation.shift", cfg.shift), (cutout, cfg.cutout)):
        if pixels >= min(height, width):
            raise InputError(
                f"{key}: {pixels} pixels leave nothing of images of {height}x{width}. "
                f"Set it below {min(height, width)}."
            )


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """A batch in which every image is mixed with another one of the batch."""

    raw: Images
    partner: npt.NDArray[np.int64]
    """[batch]: place in the batch of the image that each is mixed with."""
    lam: float
    """Weight of the image itself, 0 to 1; lambda in the paper."""


def mixup(raw: Images, *, alpha: float, seed: int, epoch: int, number: int) -> Mixed:
    """Zhang et al. 2017, arXiv 1710.09412, on raw pixels: teacher and student get the same ones.

    Rounded to integers, so that every teacher can take them.
    """
    random = generator(seed, MIXUP_STREAM, epoch, number)
    lam, partner = random.beta(alpha, alpha), random.permutation(len(raw))
    both = lam * raw.astype(np.float32) + (1 - lam) * raw[partner].astype(np.float32)
    return Mixed(raw=np.rint(both).astype(raw.dtype), partner=partner, lam=float(lam))


VIEW_STREAM, ORDER_STREAM, MIXUP_STREAM = 1, 2, 3
"""First key of each use of randomness, so that no two uses share their numbers."""


def epoch_order(images: int, *, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """A permutation of the image indices, a pure function of (seed, epoch)."""
    return generator(seed, ORDER_STREAM, epoch).permutation(images)

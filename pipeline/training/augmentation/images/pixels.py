"""Changes of small images by whole pixels: shift, flip and cut-out of a batch in one gather.

Padding and cut-out are grey (the zero point), which is zero after normalisation.
"""

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Images

Rows = npt.NDArray[np.int16] | npt.NDArray[np.int64]
"""[images, 5]: shift down, shift right, flip, cut-out centre y, cut-out centre x."""


def moved(images: Images, rows: Rows, *, shift: int, grey: int) -> Images:
    """Padded by `shift` pixels, cropped to the old size, and mirrored."""
    height, width = images.shape[1:3]
    padding = ((0, 0), (shift, shift), (shift, shift), (0, 0))
    padded = np.pad(images, padding, constant_values=grey)
    y = rows[:, 0:1] + np.arange(height)
    x = np.where(rows[:, 2:3] == 1, np.arange(width)[::-1], np.arange(width)) + rows[:, 1:2]
    view: Images = padded[np.arange(len(images))[:, None, None], y[:, :, None], x[:, None, :]]
    return view


def cut_out(images: Images, rows: Rows, *, side: int, grey: int) -> Images:
    """With a grey square of `side` pixels, which may reach over the edge."""

    def inside(size: int, centre: Rows) -> npt.NDArray[np.bool_]:
        offset = np.arange(size) - (centre[:, None] - side // 2)
        return (offset >= 0) & (offset < side)

    down, across = inside(images.shape[1], rows[:, 3]), inside(images.shape[2], rows[:, 4])
    square = down[:, :, None] & across[:, None, :]
    return np.where(square[..., None], np.uint8(grey), images)

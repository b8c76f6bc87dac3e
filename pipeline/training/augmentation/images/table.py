"""The table of a view: row i decides how image i is changed, whatever batch the image is in."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Images
from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.training.augmentation.contract import Each
from pipeline.training.augmentation.draws import VIEW_STREAM, generator
from pipeline.training.augmentation.images.photos import (
    PhotoRows,
    changed,
    cut_from,
    draw_of,
    photo_rows,
    uses_photo_views,
)
from pipeline.training.augmentation.images.pixels import Rows, cut_out, moved
from pipeline.training.augmentation.images.settings import ImageViews
from targets.images.preprocessing import Fit


@dataclass(frozen=True, kw_only=True)
class ImageTable:
    """How every image of a split is changed in one view."""

    cfg: ImageViews
    rows: Rows
    grey: int
    drawn: PhotoRows | None = None
    """Null where the recipe uses none of the changes of photos."""
    fit: Fit = "crop"

    def render(self, samples: Samples, index: npt.NDArray[np.int64], *, each: Each = map) -> Images:
        """The view of the samples at `index`, [batch, height, width, channels].

        It has the size of `samples.raw`: the same table shows the same part at another size.
        """
        if self.drawn is None:
            view = self._moved(samples, index)
        elif self.cfg.crop == 1:
            base = self._moved(samples, index)
            view = np.stack([*each(lambda i: self._changed(base[i], index[i]), range(len(index)))])
        else:
            view = np.stack([*each(lambda i: self._photo(samples, i), index.tolist())])
        if not self.cfg.cutout:
            return view
        return cut_out(view, self.rows[index], side=self.cfg.cutout, grey=self.grey)

    def _moved(self, samples: Samples, index: npt.NDArray[np.int64]) -> Images:
        rows = self.rows[index]
        return moved(samples.raw[index], rows, shift=self.cfg.shift, grey=self.grey)

    def _photo(self, samples: Samples, i: int) -> Images:
        """The view of sample i, cut from its picture."""
        assert self.drawn is not None
        picture = samples.raw[i] if samples.pictures is None else samples.pictures[i]
        height, width = samples.raw.shape[1:3]
        view = cut_from(
            picture,
            (height, width),
            draw_of(self.drawn[i]),
            least=self.cfg.crop,
            fit=self.fit,
            grey=self.grey,
        )
        return self._changed(view[:, ::-1] if self.rows[i, 2] else view, i)

    def _changed(self, image: Images, i: int) -> Images:
        assert self.drawn is not None
        return changed(image, draw_of(self.drawn[i]), self.cfg, grey=self.grey)


def view_table(
    cfg: ImageViews,
    *,
    images: int,
    size: tuple[int, int],
    seed: int,
    view: int,
    grey: int,
    fit: Fit = "crop",
) -> ImageTable:
    """The table of view number `view` for a split of `images` images of `size` pixels."""
    highs = [2 * cfg.shift + 1, 2 * cfg.shift + 1, 2 if cfg.flip else 1, size[0] + 1, size[1] + 1]
    random = generator(seed, VIEW_STREAM, view)
    rows = np.empty((images, len(highs)), np.int16)  # 10 bytes per image; one column is drawn wide
    for column, high in enumerate(highs):
        rows[:, column] = random.integers(0, high, images)
    drawn = photo_rows(images, seed=seed, view=view) if uses_photo_views(cfg) else None
    return ImageTable(cfg=cfg, rows=rows, grey=grey, drawn=drawn, fit=fit)


def training_view(cfg: ImageViews, data: Dataset, *, seed: int, view: int) -> ImageTable:
    """The table of view number `view` for the training images of `data`."""
    height, width = data.input.shape[:2]
    return view_table(
        cfg,
        images=len(data[Split.TRAIN]),
        size=(height, width),
        seed=seed,
        view=view,
        grey=data.input.zero_point,
        fit="crop" if data.preprocessing is None else data.preprocessing.fit,
    )

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.splits import Samples
from pipeline.training.augmentation import epoch_order
from pipeline.training.augmentation.images import ImageTable, ImageViews, view_table

SIDE = 6
IMAGES = np.arange(4 * SIDE * SIDE, dtype=np.uint8).reshape(4, SIDE, SIDE, 1)
GREY = 128
SAMPLES = Samples(raw=IMAGES, labels=np.zeros(len(IMAGES), np.int64))


def table(cfg: ImageViews, *, seed: int = 0, view: int = 0) -> ImageTable:
    return view_table(cfg, images=len(IMAGES), size=(SIDE, SIDE), seed=seed, view=view, grey=GREY)


def with_row(cfg: ImageViews, *row: int) -> ImageTable:
    rows = np.tile(np.array(row, np.int64), (len(IMAGES), 1))
    return ImageTable(cfg=cfg, rows=rows, grey=GREY)


def all_images() -> npt.NDArray[np.int64]:
    return np.arange(len(IMAGES))


def test_the_middle_shift_is_the_image_itself() -> None:
    rendered = with_row(ImageViews(shift=2), 2, 2, 0, 0, 0).render(SAMPLES, all_images())
    np.testing.assert_array_equal(rendered, IMAGES)


def test_a_shift_moves_the_image_and_fills_with_grey() -> None:
    rendered = with_row(ImageViews(shift=2), 0, 2, 0, 0, 0).render(SAMPLES, all_images())
    np.testing.assert_array_equal(rendered[:, 2:], IMAGES[:, :-2])
    assert (rendered[:, :2] == GREY).all()


def test_a_flip_mirrors_left_and_right() -> None:
    cfg = ImageViews(shift=1, flip=True)
    rendered = with_row(cfg, 1, 1, 1, 0, 0).render(SAMPLES, all_images())
    np.testing.assert_array_equal(rendered, IMAGES[:, :, ::-1])


@pytest.mark.parametrize(("side", "area"), [(1, 1), (2, 4), (3, 9), (4, 16)])
def test_a_cut_out_greys_a_square_of_its_side(side: int, area: int) -> None:
    cfg = ImageViews(shift=0, cutout=side)
    rendered = with_row(cfg, 0, 0, 0, 3, 3).render(
        replace(SAMPLES, raw=np.zeros_like(IMAGES)), all_images()
    )
    assert (rendered == GREY).sum(axis=(1, 2, 3)).tolist() == [area] * len(IMAGES)


@given(order=st.permutations(range(4)), seed=st.integers(0, 99), view=st.integers(0, 99))
def test_how_an_image_looks_does_not_depend_on_its_batch(
    order: list[int], seed: int, view: int
) -> None:
    drawn = table(ImageViews(shift=2, flip=True, cutout=2), seed=seed, view=view)
    whole = drawn.render(SAMPLES, all_images())
    np.testing.assert_array_equal(drawn.render(SAMPLES, np.array(order)), whole[order])


def test_views_differ_by_number_and_seed_and_repeat() -> None:
    cfg = ImageViews(shift=2)
    first = table(cfg).rows
    np.testing.assert_array_equal(first, table(cfg).rows)
    assert (first != table(cfg, view=1).rows).any()
    assert (first != table(cfg, seed=1).rows).any()


def test_every_epoch_sees_every_image_once_in_an_order_of_its_own() -> None:
    first, second = (epoch_order(100, seed=0, epoch=epoch) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(100))
    assert (first != second).any()
    np.testing.assert_array_equal(first, epoch_order(100, seed=0, epoch=0))


def test_a_small_table_holds_the_numbers_that_a_wide_one_held() -> None:
    """Trained bytes and cached logits hold on to them: drawn as int64, then made narrow."""
    rows = view_table(
        ImageViews(shift=3, flip=True, cutout=8), images=1000, size=(28, 32), seed=5,
        view=3, grey=GREY,
    ).rows  # fmt: skip
    assert rows.nbytes == 10 * 1000
    assert rows[:2].tolist() == [[6, 4, 1, 5, 23], [1, 0, 0, 9, 3]]
    assert rows.sum(axis=0).tolist() == [3018, 3015, 513, 13994, 15286]

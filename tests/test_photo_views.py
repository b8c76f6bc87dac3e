"""Views of photos: the same part of a picture at every size, in the same colours."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.on_access import Images
from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.training.augmentation import require_fit
from pipeline.training.augmentation.images import ImageTable, ImageViews, view_table
from pipeline.training.augmentation.images.colour import coloured
from pipeline.training.augmentation.images.geometry import crop_box, cropped, rotated
from pipeline.training.augmentation.images.photos import Draw
from targets.errors import InputError
from targets.images.preprocessing import Fit, resized
from tests.tasks import LOADED

GREY = 128
FITS: tuple[Fit, ...] = ("crop", "pad", "stretch")
CROP = ImageViews(crop=0.3, shift=0)


@dataclass(frozen=True)
class Ragged:
    """Pictures in memory."""

    pictures: tuple[Images, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, number: int) -> Images:
        return self.pictures[number]

    def pick(self, index: npt.NDArray[np.int64]) -> "Ragged":
        return Ragged(tuple(self.pictures[i] for i in index))


def place(high: int, wide: int) -> Images:
    """A picture whose red is the place from left to right, green from top to bottom, blue 60."""
    picture = np.full((high, wide, 3), 60, np.uint8)
    picture[..., 0] = np.linspace(0, 255, wide)
    picture[..., 1] = np.linspace(0, 255, high)[:, None]
    return picture


PICTURES = Ragged((place(90, 120), place(150, 80), place(100, 100), place(60, 200)))


def samples(side: int, pictures: Ragged = PICTURES) -> Samples:
    images = np.stack([resized(picture, (side, side)) for picture in pictures.pictures])
    return Samples(raw=images, labels=np.arange(len(images)) % 2, pictures=pictures)


def table(cfg: ImageViews, *, view: int = 0, fit: Fit = "crop", side: int = 32) -> ImageTable:
    return view_table(
        cfg, images=len(PICTURES), size=(side, side), seed=3, view=view, grey=GREY, fit=fit
    )


def everything() -> npt.NDArray[np.int64]:
    return np.arange(len(PICTURES))


ALL_KEYS = ImageViews(
    crop=0.3, flip=True, rotation=15, brightness=0.3, contrast=0.3, saturation=0.3, erase=0.3
)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("view", range(4))
def test_the_same_table_shows_the_same_part_at_every_size(fit: Fit, view: int) -> None:
    drawn = table(replace_erase(ALL_KEYS), view=view, fit=fit)
    small, large = (drawn.render(samples(side), everything()) for side in (32, 96))
    assert large.shape == (4, 96, 96, 3)
    again = np.stack([resized(image, (32, 32)) for image in large]).astype(float)
    assert np.abs(again - small)[:, 4:-4, 4:-4].mean() < 4
    other = table(replace_erase(ALL_KEYS), view=view + 1, fit=fit).render(samples(32), everything())
    assert np.abs(again - other)[:, 4:-4, 4:-4].mean() > 8


def replace_erase(cfg: ImageViews) -> ImageViews:
    return cfg.model_copy(update={"erase": 0.0})


unit = st.floats(1e-5, 1 - 1e-5)
sides = st.integers(8, 400)


def draw(**numbers: float) -> Draw:
    return Draw(**{**dict.fromkeys(Draw._fields, 0.5), **numbers})


@LOADED
@given(
    numbers=st.fixed_dictionaries(dict.fromkeys(("area", "aspect", "down", "across"), unit)),
    picture=st.tuples(sides, sides),
    least=st.floats(0.05, 1),
    fit=st.sampled_from(FITS),
)
def test_a_crop_is_inside_the_picture_in_an_aspect_of_3_to_4_at_most(
    numbers: dict[str, float], picture: tuple[int, int], least: float, fit: Fit
) -> None:
    """Of `pad`, inside of the picture or around all of it, in each direction."""
    left, top, right, bottom = crop_box(draw(**numbers), picture, (32, 32), least=least, fit=fit)
    high, wide = (1, 1) if fit == "stretch" else picture
    aspect = (right - left) * wide / ((bottom - top) * high)
    assert 3 / 4 - 1e-6 < aspect < 4 / 3 + 1e-6
    for first, last in ((left, right), (top, bottom)):
        inside = first >= -1e-6 and last <= 1 + 1e-6
        around = fit == "pad" and first <= 1e-6 and last >= 1 - 1e-6
        assert inside or around


def test_the_area_of_a_crop_is_uniform_from_the_least_share_to_all() -> None:
    numbers = np.random.default_rng(0).random((2000, 2)).tolist()
    boxes = [
        crop_box(draw(area=a, aspect=b), (90, 90), (32, 32), least=0.4, fit="crop")
        for a, b in numbers
    ]  # fmt: skip
    areas = np.array([(right - left) * (bottom - top) for left, top, right, bottom in boxes])
    assert 0.4 <= areas.min() < 0.42
    assert 0.98 < areas.max() <= 1 + 1e-9
    assert np.mean(areas < 0.6) == pytest.approx(1 / 3, abs=0.04)


def test_a_picture_that_is_shown_whole_with_bars_has_them_where_its_crops_have() -> None:
    """A wide picture of one colour: what a crop of its square shows besides it is grey."""
    red = np.full((50, 100, 3), (200, 0, 0), np.uint8)
    box = crop_box(draw(area=1 - 1e-9), (50, 100), (32, 32), least=0.9, fit="pad")
    view = cropped(red, box, (32, 32), grey=GREY)
    assert (view[8:24] == (200, 0, 0)).all()
    assert (view[:7] == GREY).all()
    assert (view[25:] == GREY).all()


def test_a_view_depends_neither_on_its_batch_nor_on_threads() -> None:
    drawn, whole = table(ALL_KEYS), samples(32)
    alone = np.concatenate([drawn.render(whole, np.array([i])) for i in everything()])
    with ThreadPoolExecutor(3) as pool:
        together = drawn.render(whole, everything()[::-1], each=pool.map)[::-1]
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(alone, table(ALL_KEYS).render(whole, everything()))


def test_views_differ_by_number() -> None:
    first, second = (
        table(ALL_KEYS, view=view).render(samples(32), everything()) for view in (0, 1)
    )
    assert all((a != b).any() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("crop", [0.5, 1.0])
def test_a_flipped_photo_is_mirrored(crop: float) -> None:
    cfg = ImageViews(crop=crop, shift=0, flip=True, rotation=0, brightness=0.2)
    drawn = table(cfg)
    both = [
        replace(drawn, rows=np.tile(np.array([[0, 0, flip, 0, 0]]), (4, 1))).render(
            samples(32), everything()
        )
        for flip in (0, 1)
    ]
    np.testing.assert_array_equal(both[0], both[1][:, :, ::-1])
    assert (both[0] != both[1]).any()


def test_a_random_crop_replaces_the_shift() -> None:
    shifts = [table(CROP.model_copy(update={"shift": shift})) for shift in (0, 2)]
    first, second = (drawn.render(samples(32), everything()) for drawn in shifts)
    np.testing.assert_array_equal(first, second)


def test_one_key_does_not_change_the_part_of_another() -> None:
    """All crops are as they were, though colours are changed; so are the columns of small views."""
    plain = table(CROP)
    coloured_too = table(CROP.model_copy(update={"brightness": 0.2}))
    np.testing.assert_array_equal(plain.rows, table(ImageViews(shift=0)).rows)
    a, b = (
        drawn.render(samples(32), everything()).astype(float) for drawn in (plain, coloured_too)
    )
    shares = [np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(a, b, strict=True)]
    assert min(shares) > 0.98
    assert (a != b).any()


def test_without_pictures_the_crops_are_of_the_images_themselves() -> None:
    images = samples(32).raw
    alone = Samples(raw=images, labels=np.arange(4))
    as_pictures = replace(alone, pictures=Ragged(tuple(images)))
    view, same = (table(CROP).render(given, everything()) for given in (alone, as_pictures))
    np.testing.assert_array_equal(view, same)
    assert view.shape == images.shape


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels_can_be_changed(channels: int) -> None:
    images = np.repeat(samples(32).raw[..., :1], channels, axis=3)
    view = table(ALL_KEYS).render(Samples(raw=images, labels=np.arange(4)), everything())
    assert view.shape == images.shape
    assert (view == view[..., :1]).mean() > 0.99  # each channel alike


def test_brightness_contrast_and_saturation_have_their_known_values() -> None:
    image = np.array([[[200, 100, 50], [40, 40, 40]]], np.uint8)

    def changed(brightness: float = 1, contrast: float = 1, saturation: float = 1) -> list[int]:
        new = coloured(image, brightness=brightness, contrast=contrast, saturation=saturation)
        return list(new.ravel().tolist())

    assert changed() == image.ravel().tolist()
    assert changed(brightness=1.5) == [255, 150, 75, 60, 60, 60]
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    mean = (luma + 40) / 2
    assert changed(contrast=0.5) == [round(0.5 * (v + mean)) for v in image.ravel().tolist()]
    grey = round(luma)
    assert changed(saturation=0) == [grey, grey, grey, 40, 40, 40]
    assert changed(saturation=1.5)[3:] == [40, 40, 40]


@LOADED
@given(factors=st.tuples(*[st.floats(0.5, 1.5)] * 3))
def test_the_three_changes_at_once_are_those_one_after_the_other(
    factors: tuple[float, float, float],
) -> None:
    """Where nothing is clipped, to the rounding of three steps."""
    image = (64 + place(20, 20) // 8).astype(np.uint8)
    at_once = coloured(image, brightness=factors[0], contrast=factors[1], saturation=factors[2])
    stepwise = coloured(image, brightness=factors[0], contrast=1, saturation=1)
    stepwise = coloured(stepwise, brightness=1, contrast=factors[1], saturation=1)
    stepwise = coloured(stepwise, brightness=1, contrast=1, saturation=factors[2])
    assert np.abs(at_once.astype(int) - stepwise).max() <= 3


def test_a_rotation_turns_around_the_centre_and_fills_with_grey() -> None:
    image = np.zeros((31, 31, 3), np.uint8)
    image[15, 25] = 255
    turned = rotated(image, 90, grey=GREY)
    assert turned[5, 15].tolist() == [255, 255, 255]  # counter-clockwise
    corner = rotated(image, 45, grey=GREY)[0, 0]
    assert corner.tolist() == [GREY] * 3
    np.testing.assert_array_equal(rotated(image, 0, grey=GREY), image)


def test_half_of_the_images_lose_a_rectangle_of_at_most_its_share() -> None:
    black = Samples(raw=np.zeros((400, 20, 20, 1), np.uint8), labels=np.zeros(400, np.int64))
    cfg = ImageViews(shift=0, erase=0.25)
    drawn = view_table(cfg, images=400, size=(20, 20), seed=0, view=0, grey=GREY)
    shares = (drawn.render(black, np.arange(400)) == GREY).mean(axis=(1, 2, 3))
    assert np.mean(shares > 0) == pytest.approx(0.5, abs=0.08)
    assert 0.2 < shares.max() < 0.3
    assert np.unique(shares).size > 20


def small_data(side: int = 32) -> Dataset:
    whole = samples(side)
    return Dataset(name="d", classes=("a", "b"), splits=dict.fromkeys(Split, whole), sha256="")


@pytest.mark.parametrize(
    ("changes", "key", "instead"),
    [({"shift": 2}, "augmentation.shift", "crop"), ({"cutout": 4}, "augmentation.cutout", "erase")],
)
def test_changes_in_pixels_are_refused_where_the_teacher_has_another_size(
    changes: dict[str, int], key: str, instead: str
) -> None:
    cfg = ImageViews(**{"shift": 0, **changes})
    require_fit(cfg, small_data(), teacher=small_data(32))
    with pytest.raises(InputError) as error:
        require_fit(cfg, small_data(), teacher=small_data(48))
    assert str(error.value).startswith(f"{key}: {max(changes.values())} pixels")
    assert f"augmentation.{instead}" in str(error.value)
    require_fit(ImageViews(crop=0.5), small_data(), teacher=small_data(48))


def test_a_crop_of_a_third_is_really_a_third() -> None:
    """The places that a view shows, from its colours, are those of its box."""
    numbers = draw(area=1e-9, aspect=0.5, down=0.25, across=0.75)
    box = crop_box(numbers, (120, 120), (40, 40), least=1 / 3, fit="crop")
    side = math.sqrt(1 / 3)
    assert box == pytest.approx(
        (0.75 * (1 - side), 0.25 * (1 - side), 0.75 + 0.25 * side, 0.25 + 0.75 * side)
    )
    view = cropped(place(120, 120), box, (40, 40), grey=GREY)
    assert view[20, 0, 0] / 255 == pytest.approx(box[0], abs=0.02)
    assert view[20, -1, 0] / 255 == pytest.approx(box[2], abs=0.02)
    assert view[0, 20, 1] / 255 == pytest.approx(box[1], abs=0.02)

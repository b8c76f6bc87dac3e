"""Contract of every corruption: seeded, by image, growing with the severity."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from targets.evaluation.corruptions import CHUNK, KINDS, NOISE, SEVERITIES, Images, corrupt

every_kind = pytest.mark.parametrize("kind", KINDS)


def smooth(count: int = 40, side: int = 28, channels: int = 1) -> Images:
    """Images with neighbourly pixels over the whole range, as photographs have."""
    noise = np.random.default_rng(0).normal(size=(count, side, side, channels))
    waves = gaussian_filter(noise, (0, 2, 2, 0))
    images: Images = np.clip(128 + 300 * waves / np.abs(waves).max(), 0, 255).astype(np.uint8)
    return images


def change(images: Images, corrupted: Images) -> float:
    return float(np.abs(corrupted.astype(int) - images).mean())


@every_kind
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [12, 28, 32])
def test_the_change_grows_with_the_severity(kind: str, channels: int, side: int) -> None:
    images = smooth(side=side, channels=channels)
    seen = [corrupt(images, kind=kind, severity=severity, seed=0) for severity in SEVERITIES]
    assert {(s.dtype, s.shape) for s in seen} == {(np.dtype(np.uint8), images.shape)}
    changes = [change(images, s) for s in seen]
    assert changes[0] > 0
    assert changes == sorted(changes)
    assert side < 28 or len(set(changes)) == len(SEVERITIES)


@every_kind
def test_a_corruption_is_a_pure_function_of_the_seed_and_the_image_index(kind: str) -> None:
    """Neither of the images beside it, nor of how many are corrupted at a time."""
    images = smooth(CHUNK + 6, side=8)
    whole = corrupt(images, kind=kind, severity=3, seed=7)
    np.testing.assert_array_equal(whole, corrupt(images.copy(), kind=kind, severity=3, seed=7))
    for first in (5, CHUNK, CHUNK + 3):
        part = corrupt(images[:first], kind=kind, severity=3, seed=7)
        np.testing.assert_array_equal(whole[:first], part)
    beside = images.copy()
    beside[::2] = 255 - beside[::2]
    changed = corrupt(beside, kind=kind, severity=3, seed=7)
    np.testing.assert_array_equal(whole[1::2], changed[1::2])
    assert (whole[::2] != changed[::2]).any()


@pytest.mark.parametrize("kind", ["noise", "shift"])
def test_seeds_and_images_differ(kind: str) -> None:
    images = np.repeat(smooth(1), 20, axis=0)
    seen = corrupt(images, kind=kind, severity=3, seed=0)
    assert (seen != corrupt(images, kind=kind, severity=3, seed=1)).any()
    assert any((image != seen[0]).any() for image in seen)


def test_no_two_images_have_the_same_noise_however_many_there_are() -> None:
    grey = np.full((2 * CHUNK + 1, 4, 4, 1), 128, np.uint8)
    seen = corrupt(grey, kind="noise", severity=5, seed=0)
    assert len(np.unique(seen, axis=0)) == len(grey)


def test_noise_has_the_spread_that_is_documented() -> None:
    grey = np.full((50, 28, 28, 3), 128, np.uint8)
    for severity in SEVERITIES:
        spread = corrupt(grey, kind="noise", severity=severity, seed=0).astype(float).std()
        assert spread == pytest.approx(255 * NOISE[severity - 1], rel=0.02)


def test_a_shift_moves_by_whole_pixels_and_repeats_the_border() -> None:
    images = smooth(60)
    moved = corrupt(images, kind="shift", severity=4, seed=0)
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="edge")
    ways = [(y, x) for y in (0, 4, 8) for x in (0, 4, 8) if (y, x) != (4, 4)]
    seen = set()
    for index, image in enumerate(moved):
        (way,) = [(y, x) for y, x in ways if (padded[index, y : y + 28, x : x + 28] == image).all()]
        seen.add(way)
    assert seen == set(ways)


def test_contrast_pulls_to_the_mean_of_each_channel() -> None:
    image = np.zeros((1, 2, 2, 2), np.uint8)
    image[0, :, :, 0] = [[100, 200], [100, 200]]
    image[0, :, :, 1] = [[0, 40], [0, 40]]
    seen = corrupt(image, kind="contrast", severity=2, seed=0)
    assert seen[0, 0].tolist() == [[125, 10], [175, 30]]

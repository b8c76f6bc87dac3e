"""Contract of every corruption: seeded, by sample, growing with the severity."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from targets.evaluation.corruptions import CHUNK, CORRUPTIONS, SEVERITIES, corrupt
from targets.evaluation.corruptions.arrays import STUCK
from targets.evaluation.corruptions.draws import Raw
from targets.evaluation.corruptions.images import NOISE, Images
from targets.evaluation.corruptions.tokens import SHARES
from targets.evaluation.corruptions.waveforms import NOISE_DB
from targets.formats.input_spec import Kind
from targets.texts.tokens import CLS, PAD, UNK

every_name = pytest.mark.parametrize("name", CORRUPTIONS["image"])
of_other_data = pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in ("waveform", "tokens", "array") for name in CORRUPTIONS[kind]],
)


def of_image(images: Images, name: str, severity: int, seed: int = 0) -> Images:
    return corrupt(images, kind="image", name=name, severity=severity, seed=seed)


def smooth(count: int = 40, side: int = 28, channels: int = 1) -> Images:
    """Images with neighbourly pixels over the whole range, as photographs have."""
    noise = np.random.default_rng(0).normal(size=(count, side, side, channels))
    waves = gaussian_filter(noise, (0, 2, 2, 0))
    images: Images = np.clip(128 + 300 * waves / np.abs(waves).max(), 0, 255).astype(np.uint8)
    return images


def change(images: Images, corrupted: Images) -> float:
    return float(np.abs(corrupted.astype(int) - images).mean())


@every_name
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [12, 28, 32])
def test_the_change_grows_with_the_severity(name: str, channels: int, side: int) -> None:
    images = smooth(side=side, channels=channels)
    seen = [of_image(images, name, severity) for severity in SEVERITIES]
    assert {(s.dtype, s.shape) for s in seen} == {(np.dtype(np.uint8), images.shape)}
    changes = [change(images, s) for s in seen]
    assert changes[0] > 0
    assert changes == sorted(changes)
    assert side < 28 or len(set(changes)) == len(SEVERITIES)


@every_name
def test_a_corruption_is_a_pure_function_of_the_seed_and_the_image_index(name: str) -> None:
    """Neither of the images beside it, nor of how many are corrupted at a time."""
    images = smooth(CHUNK + 6, side=8)
    whole = of_image(images, name, 3, seed=7)
    np.testing.assert_array_equal(whole, of_image(images.copy(), name, 3, seed=7))
    for first in (5, CHUNK, CHUNK + 3):
        part = of_image(images[:first], name, 3, seed=7)
        np.testing.assert_array_equal(whole[:first], part)
    beside = images.copy()
    beside[::2] = 255 - beside[::2]
    changed = of_image(beside, name, 3, seed=7)
    np.testing.assert_array_equal(whole[1::2], changed[1::2])
    assert (whole[::2] != changed[::2]).any()


@pytest.mark.parametrize("name", ["noise", "shift"])
def test_seeds_and_images_differ(name: str) -> None:
    images = np.repeat(smooth(1), 20, axis=0)
    seen = of_image(images, name, 3)
    assert (seen != of_image(images, name, 3, seed=1)).any()
    assert any((image != seen[0]).any() for image in seen)


def test_no_two_images_have_the_same_noise_however_many_there_are() -> None:
    grey = np.full((2 * CHUNK + 1, 4, 4, 1), 128, np.uint8)
    seen = of_image(grey, "noise", 5)
    assert len(np.unique(seen, axis=0)) == len(grey)


def test_noise_has_the_spread_that_is_documented() -> None:
    grey = np.full((50, 28, 28, 3), 128, np.uint8)
    for severity in SEVERITIES:
        spread = of_image(grey, "noise", severity).astype(float).std()
        assert spread == pytest.approx(255 * NOISE[severity - 1], rel=0.02)


def test_a_shift_moves_by_whole_pixels_and_repeats_the_border() -> None:
    images = smooth(60)
    moved = of_image(images, "shift", 4)
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
    seen = of_image(image, "contrast", 2)
    assert seen[0, 0].tolist() == [[125, 10], [175, 30]]


def clips(count: int = 30, samples: int = 800) -> Raw:
    """Tones of several heights and loudnesses, which begin and end in silence."""
    random = np.random.default_rng(0)
    time = np.arange(samples) / samples
    tones = sum(np.sin(2 * np.pi * time * random.integers(5, 390, (count, 1))) for _ in range(6))
    loud = random.uniform(500, 4000, (count, 1)) * np.hanning(samples)
    return (tones * loud).astype(np.int16)


def texts(count: int = 200, length: int = 24) -> Raw:
    random = np.random.default_rng(0)
    made = random.integers(3, 500, (count, length)).astype(np.int32)
    made[:, 0] = CLS
    made[np.arange(length) >= random.integers(2, length + 1, (count, 1))] = PAD
    return made


def arrays(count: int = 30) -> Raw:
    return np.random.default_rng(0).normal(50, 3, (count, 12, 4)).astype(np.float32)


RAW: dict[Kind, Raw] = {"waveform": clips(), "tokens": texts(), "array": arrays()}


def distance(kind: Kind, raw: Raw, corrupted: Raw) -> float:
    """The mean change; of tokens, the share that is another one; of clips, when they are loud."""
    if kind == "tokens":
        return float((raw != corrupted).mean())
    if kind == "waveform":
        before, after = (np.abs(one.astype(np.int64)).cumsum(axis=1) for one in (raw, corrupted))
        return float(np.abs(after - before).mean())
    return float(np.abs(corrupted.astype(np.float64) - raw).mean())


@of_other_data
def test_the_change_of_other_data_grows_with_the_severity(kind: Kind, name: str) -> None:
    raw = RAW[kind]
    seen = [corrupt(raw, kind=kind, name=name, severity=one, seed=0) for one in SEVERITIES]
    assert {(s.dtype, s.shape) for s in seen} == {(raw.dtype, raw.shape)}
    changes = [distance(kind, raw, one) for one in seen]
    assert changes[0] > 0
    assert all(a < b for a, b in pairwise(changes))


@of_other_data
def test_a_corruption_of_other_data_is_a_pure_function_of_the_seed_and_the_index(
    kind: Kind, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = RAW[kind]
    whole = corrupt(raw, kind=kind, name=name, severity=3, seed=7)
    beside = raw.copy()
    beside[::2] = raw[[0]]
    changed = corrupt(beside, kind=kind, name=name, severity=3, seed=7)
    np.testing.assert_array_equal(whole[1::2], changed[1::2])
    monkeypatch.setattr("targets.evaluation.corruptions.CHUNK", 7)
    part = corrupt(raw[:20], kind=kind, name=name, severity=3, seed=7)
    np.testing.assert_array_equal(whole[:20], part)


def test_noise_in_clips_has_the_ratio_that_is_documented() -> None:
    raw = clips().astype(np.float64)
    for severity, ratio_db in zip(SEVERITIES, NOISE_DB, strict=True):
        noisy = corrupt(clips(), kind="waveform", name="noise", severity=severity, seed=0)
        found = 10 * np.log10(np.square(raw).sum(axis=1) / np.square(noisy - raw).sum(axis=1))
        assert np.abs(found - ratio_db).max() < 0.8


def test_silence_stays_silent_and_the_loudest_clip_does_not_wrap() -> None:
    for name in CORRUPTIONS["waveform"]:
        silent = corrupt(
            np.zeros((2, 64), np.int16), kind="waveform", name=name, severity=5, seed=0
        )
        assert not silent.any()
    loud = np.full((1, 4000), 32767, np.int16)
    noisy = corrupt(loud, kind="waveform", name="noise", severity=1, seed=0)
    assert noisy.min() > 10000


def test_a_shifted_clip_is_the_clip_later_or_earlier_with_zeros() -> None:
    raw, by = clips(), 80
    moved = corrupt(raw, kind="waveform", name="shift", severity=2, seed=0)
    later = [
        (new[by:] == old[:-by]).all() and not new[:by].any()
        for new, old in zip(moved, raw, strict=True)
    ]
    early = [
        (new[:-by] == old[by:]).all() and not new[-by:].any()
        for new, old in zip(moved, raw, strict=True)
    ]
    assert all(a != b for a, b in zip(later, early, strict=True))
    assert any(later)
    assert any(early)


def test_a_narrow_band_leaves_the_lower_frequencies() -> None:
    time = np.arange(1000) / 1000
    low, high = (4000 * np.sin(2 * np.pi * hertz * time) for hertz in (40, 460))
    raw = np.stack([low, high]).astype(np.int16)
    left = corrupt(raw, kind="waveform", name="band", severity=3, seed=0)
    assert np.abs(left[0] - raw[0].astype(int)).max() <= 20
    assert np.abs(left[1]).max() <= 20


def test_padding_and_the_first_token_stay_and_so_many_words_are_unknown() -> None:
    raw = texts()
    words = (raw != PAD) & (raw != CLS)
    for severity, share in zip(SEVERITIES, SHARES, strict=True):
        seen = corrupt(raw, kind="tokens", name="unknown", severity=severity, seed=0)
        assert (seen[~words] == raw[~words]).all()
        assert (seen[words] == UNK).mean() == pytest.approx(share, abs=0.03)
        assert (seen[words & (seen != UNK)] == raw[words & (seen != UNK)]).all()


def test_a_swap_keeps_the_tokens_of_a_text_and_moves_each_by_one_place() -> None:
    raw = np.arange(3, 23, dtype=np.int32)[np.newaxis].repeat(50, axis=0)
    raw[:, 0], raw[:, 15:] = CLS, PAD
    seen = corrupt(raw, kind="tokens", name="swap", severity=5, seed=0)
    np.testing.assert_array_equal(np.sort(seen, axis=1), np.sort(raw, axis=1))
    assert (seen[:, 0] == CLS).all()
    assert np.abs(seen[:, 1:15] - raw[:, 1:15]).max() == 1


def test_a_text_with_deleted_words_keeps_their_order_and_one_of_them() -> None:
    for old, new in zip(
        raw := texts(), corrupt(raw, kind="tokens", name="delete", severity=5, seed=0), strict=True
    ):
        left = [token for token in new.tolist() if token != PAD]
        rest = iter(old.tolist())
        assert all(token in rest for token in left)
        assert len(left) >= 2
        assert not (new[len(left) :] != PAD).any()


def test_one_channel_of_an_array_stays_at_its_mean_for_a_share_of_the_steps() -> None:
    raw = arrays()
    for severity, share in zip(SEVERITIES, STUCK, strict=True):
        changed = corrupt(raw, kind="array", name="stuck", severity=severity, seed=0) != raw
        assert (changed.any(axis=1).sum(axis=1) == 1).all()
        assert (changed.sum(axis=(1, 2)) == round(share * 12)).all()
    whole = corrupt(raw, kind="array", name="stuck", severity=5, seed=0)
    np.testing.assert_allclose(whole.mean(axis=1), raw.mean(axis=1), rtol=1e-6)
    alone = corrupt(raw[..., 0], kind="array", name="stuck", severity=5, seed=0)
    np.testing.assert_allclose(alone, raw[..., 0].mean(axis=1)[:, None].repeat(12, 1), rtol=1e-6)

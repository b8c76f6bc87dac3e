"""Views of sounds are what their keys say, and the same for the same row."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.training.augmentation import VIEWS, mixup, require_fit, training_view
from pipeline.training.augmentation.sounds import SoundTable, SoundViews, view_table
from pipeline.training.augmentation.sounds.noise import SECONDS, coloured, part, rms
from pipeline.training.augmentation.sounds.waves import (
    Draw,
    changed,
    shifted,
    silenced,
    stretched,
    with_noise,
)
from targets.errors import InputError
from targets.formats.front_end import SoundFrontEnd
from targets.formats.input_spec import waveform_input
from tests.sounds import RATE, recipe, tone

CLIPS = np.stack([tone(number) for number in range(6)])
SAMPLES = Samples(raw=CLIPS, labels=np.arange(6) % 2)
EVERYTHING = SoundViews(gain_db=12, noise=(5, 40), tempo=(0.8, 1.25), time_mask_ms=100)
MIDDLE = Draw(*[0.5] * 8)


def table(cfg: SoundViews, *, seed: int = 0, view: int = 0, **more: Any) -> SoundTable:
    return view_table(cfg, clips=len(CLIPS), rate=RATE, seed=seed, view=view, **more)


def every() -> npt.NDArray[np.int64]:
    return np.arange(len(CLIPS))


def test_a_view_keeps_the_shape_and_the_type_of_the_clips() -> None:
    rendered = table(EVERYTHING).render(SAMPLES, every())
    assert rendered.shape == CLIPS.shape
    assert rendered.dtype == np.int16
    assert all((view != clip).any() for view, clip in zip(rendered, CLIPS, strict=True))


def test_nothing_changes_where_no_change_is_asked_for() -> None:
    assert not SoundViews.plain().changes
    assert SoundViews().to_plain() == ("augmentation.shift_ms = 0.0",)
    rendered = table(SoundViews(shift_ms=0, noise_share=0.3)).render(SAMPLES, every())
    np.testing.assert_array_equal(rendered, CLIPS)


@given(order=st.permutations(range(6)), seed=st.integers(0, 99), view=st.integers(0, 99))
def test_how_a_clip_sounds_does_not_depend_on_its_batch(
    order: Sequence[int], seed: int, view: int
) -> None:
    whole = table(EVERYTHING, seed=seed, view=view).render(SAMPLES, every())
    again = table(EVERYTHING, seed=seed, view=view).render(SAMPLES, np.array(order))
    np.testing.assert_array_equal(again, whole[list(order)])


def test_threads_make_the_same_views() -> None:
    with ThreadPoolExecutor(4) as pool:
        threaded = table(EVERYTHING).render(SAMPLES, every(), each=pool.map)
    np.testing.assert_array_equal(threaded, table(EVERYTHING).render(SAMPLES, every()))


def test_views_differ_by_seed_and_by_number() -> None:
    rendered = {
        table(EVERYTHING, seed=seed, view=view).render(SAMPLES, every()).tobytes()
        for seed in range(3)
        for view in range(3)
    }
    assert len(rendered) == 9


def test_a_row_takes_16_bytes() -> None:
    assert table(EVERYTHING).rows.nbytes == 16 * len(CLIPS)


def test_one_key_does_not_change_the_part_of_another() -> None:
    shift = replace_rows(SoundViews(shift_ms=100))
    both = replace_rows(SoundViews(shift_ms=100, time_mask_ms=100))
    same = both == shift
    assert same.all(axis=1).sum() < len(CLIPS)
    np.testing.assert_array_equal(both[~same], 0)


def replace_rows(cfg: SoundViews) -> npt.NDArray[np.int16]:
    return table(cfg, seed=3).render(SAMPLES, every())


def test_a_shift_moves_the_clip_and_zeros_come_in() -> None:
    clip = np.arange(1, 6, dtype=np.int16)
    assert shifted(clip, 2).tolist() == [0, 0, 1, 2, 3]
    assert shifted(clip, -2).tolist() == [3, 4, 5, 0, 0]
    assert shifted(clip, 0).tolist() == [1, 2, 3, 4, 5]


def test_shifts_reach_both_ends_of_their_range_and_not_beyond() -> None:
    clip = np.zeros(1000, np.int16)
    clip[500] = 1
    cfg = SoundViews(shift_ms=100)
    places = [
        int(changed(clip, MIDDLE._replace(shift=share), cfg, rate=1000, banks=()).argmax()) - 500
        for share in (0.0, 0.25, 0.5, 1.0)
    ]
    assert places == [-100, -50, 0, 100]


def sine(hertz: float, samples: int = 4000, rate: int = 8000) -> npt.NDArray[np.int16]:
    wave = 9000 * np.sin(2 * np.pi * hertz * np.arange(samples) / rate)
    made: npt.NDArray[np.int16] = np.rint(wave).astype(np.int16)
    return made


@pytest.mark.parametrize("tempo", [0.8, 1.0, 1.25])
def test_tempo_changes_the_frequency_by_its_factor(tempo: float) -> None:
    view = stretched(sine(401), shift=0, tempo=tempo)
    strongest = np.abs(np.fft.rfft(view * np.hanning(4000))).argmax() * 8000 / 4000
    assert strongest == pytest.approx(401 * tempo, abs=3)
    assert (view[2:-2] != 0).mean() == pytest.approx(min(1, 1 / tempo), abs=0.03)


def test_at_the_same_tempo_whole_shifts_are_exact() -> None:
    clip = tone(1)
    for by in (-7, 0, 5):
        view = stretched(clip, shift=by, tempo=1.0)
        inner = slice(8, -8)
        np.testing.assert_array_equal(view[inner], shifted(clip, by)[inner])


def test_between_two_samples_is_the_line_through_them() -> None:
    view = stretched(np.array([0, 10, 20, 30, 40], np.int16), shift=0.5, tempo=1.0)
    assert view.tolist() == [0, 5, 15, 25, 35]


@pytest.mark.parametrize("ratio_db", [0.0, 5.0, 40.0])
def test_noise_has_the_asked_distance_to_the_clip(ratio_db: float) -> None:
    clip, noise = sine(400), part(coloured(8000), 0.0, 4000)
    mixed = np.array(with_noise(clip, noise, ratio_db, level=rms(clip)), np.float64)
    added = mixed - clip
    measured = 20 * np.log10(rms(clip) / np.sqrt(np.mean(added**2)))
    assert measured == pytest.approx(ratio_db, abs=0.01)


def test_silence_gets_no_noise_and_silent_noise_adds_nothing() -> None:
    zeros, clip = np.zeros(4000, np.int16), sine(400)
    noise = part(coloured(8000), 0.0, 4000)
    assert not np.asarray(with_noise(zeros, noise, 10, level=rms(zeros))).any()
    np.testing.assert_array_equal(with_noise(clip, zeros, 10, level=rms(clip)), clip)


def test_as_many_clips_get_noise_as_is_asked_for() -> None:
    clips = Samples(raw=np.tile(sine(400, 400), (2000, 1)), labels=np.zeros(2000, np.int64))
    cfg = SoundViews(shift_ms=0, noise=(5, 5), noise_share=0.25)
    drawn = view_table(cfg, clips=2000, rate=8000, seed=0, view=0)
    noisy = (drawn.render(clips, np.arange(2000)) != clips.raw).any(axis=1)
    assert noisy.mean() == pytest.approx(0.25, abs=0.03)


def test_the_colours_are_equally_loud_and_fall_by_0_3_and_6_decibels_an_octave() -> None:
    bank = coloured(8000).reshape(3, SECONDS * 8000)
    for noise, slope in zip(bank, (0, -3, -6), strict=True):
        assert rms(noise) == pytest.approx(3000, rel=0.02)
        power = np.abs(np.fft.rfft(noise.astype(float))) ** 2
        hertz = np.fft.rfftfreq(noise.size, 1 / 8000)
        low, high = (power[(hertz > f) & (hertz < 2 * f)].mean() for f in (200, 1600))
        assert 10 * np.log10(high / low) / 3 == pytest.approx(slope, abs=0.3)


def test_recordings_are_mixed_in_as_often_as_made_noise() -> None:
    recordings = np.full(9000, 1000, np.int16)  # a constant shows where it is from
    cfg = SoundViews(shift_ms=0, noise=(20, 20), noise_share=1)
    clips = Samples(raw=np.tile(sine(400, 400), (600, 1)), labels=np.zeros(600, np.int64))
    drawn = view_table(cfg, clips=600, rate=8000, seed=0, view=0, recordings=recordings)
    added = drawn.render(clips, np.arange(600)).astype(int) - clips.raw
    recorded = added.std(axis=1) < 1
    assert recorded.mean() == pytest.approx(0.5, abs=0.06)


def test_a_recording_shorter_than_a_clip_is_repeated() -> None:
    assert part(np.array([1, 2, 3], np.int16), 0.9, 7).tolist() == [1, 2, 3, 1, 2, 3, 1]


def test_the_root_mean_square_is_that_of_integers() -> None:
    loud = np.full(16_000, -32768, np.int16)
    assert rms(loud) == 32768
    assert rms(np.array([3, -4, 0, 0], np.int16)) == 2.5


@pytest.mark.parametrize(("share", "factor"), [(0.0, 10**-0.3), (0.5, 1.0), (1.0, 10**0.3)])
def test_gain_is_in_decibels_and_clips_at_full_scale(share: float, factor: float) -> None:
    clip = np.array([100, -5000, 30_000, -32_768], np.int16)
    cfg, draw = SoundViews(shift_ms=0, gain_db=6), MIDDLE._replace(gain=share)
    view = changed(clip, draw, cfg, rate=RATE, banks=())
    wanted = np.clip(np.rint(clip * factor), -32768, 32767)
    np.testing.assert_allclose(view, wanted, atol=1)


def test_a_gap_is_silent_within_the_clip_and_no_longer_than_asked() -> None:
    clip, lengths = np.ones(1000, np.int16), []
    for gap, place in np.random.default_rng(0).random((300, 2)):
        view = silenced(clip, MIDDLE._replace(gap=gap, gap_place=place), 50)
        gone = np.flatnonzero(view == 0)
        assert len(gone) == 0 or gone[-1] - gone[0] == len(gone) - 1
        lengths.append(len(gone))
    assert (min(lengths), max(lengths)) == (0, 50)
    assert clip.all()


def test_the_noise_of_two_processes_is_the_same() -> None:
    """Of the seed of the bank alone."""
    first = coloured(8000)
    coloured.cache_clear()
    np.testing.assert_array_equal(coloured(8000), first)


def data(*, seconds: float = 0.5, noise: npt.NDArray[np.int16] | None = None) -> Dataset:
    front_end = SoundFrontEnd(rate=RATE)
    return Dataset(
        name="tones",
        classes=("low", "high"),
        splits=dict.fromkeys(Split, SAMPLES),
        sha256="0" * 64,
        spec=waveform_input(round(RATE * seconds), front_end),
        noise=None if noise is None else {Split.TRAIN: noise},
    )


def test_the_kind_of_the_data_chooses_these_views() -> None:
    assert VIEWS["waveform"].Settings is SoundViews
    recorded = np.full(9000, 1000, np.int16)
    with_recordings = training_view(EVERYTHING, data(noise=recorded), seed=1, view=2)
    plain = training_view(EVERYTHING, data(), seed=1, view=2)
    rendered = [one.render(SAMPLES, every()) for one in (with_recordings, plain)]
    assert (rendered[0] != rendered[1]).any()
    expected = table(EVERYTHING, seed=1, view=2).render(SAMPLES, every())
    np.testing.assert_array_equal(rendered[1], expected)


@pytest.mark.parametrize("key", ["shift_ms", "time_mask_ms"])
def test_a_change_that_leaves_nothing_is_refused(key: str) -> None:
    require_fit(SoundViews.model_validate({key: 499}), data())
    with pytest.raises(InputError, match=rf"augmentation.{key}: 500 ms leave nothing of clips"):
        require_fit(SoundViews.model_validate({key: 500}), data())


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("noise", [40, 5], r"noise: \[40.0, 5.0\] is no range"),
        ("tempo", [0.1, 1], "tempo: .* both from 0.5 to 2"),
        ("tempo", [1], "augmentation.tempo: "),
        ("shift", 2, "it is for images, and the data set holds clips"),
    ],
)
def test_wrong_keys_are_errors_of_the_recipe(
    key: str, value: object, why: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=why):
        recipe(tmp_path, **{f"augmentation__{key}": value})


def test_mixup_blends_clips_and_cutmix_is_refused(tmp_path: Path) -> None:
    mix = mixup(6, alpha=0.4, seed=0, epoch=0, number=0)
    mixed = mix(CLIPS)
    assert mixed.dtype == np.int16
    wanted = np.rint(mix.lam * CLIPS + (1 - mix.lam) * CLIPS[mix.partner])
    np.testing.assert_allclose(mixed, wanted, atol=1)
    assert recipe(tmp_path, distill__mixup=0.4).distill.mixup == 0.4
    with pytest.raises(InputError, match="cutmix: is for images"):
        recipe(tmp_path, distill__cutmix=1.0)


def test_views_of_unlabelled_clips_follow_those_of_the_others(tmp_path: Path) -> None:
    more = replace(data(), unlabelled=replace(SAMPLES, labels=np.full(6, -1)))
    both = more.for_distillation()
    drawn = training_view(EVERYTHING, both, seed=0, view=0)
    rendered = drawn.render(both[Split.TRAIN], np.arange(12))
    assert rendered.shape == (12, 2000)
    assert (rendered[:6] != rendered[6:]).any(axis=1).all()

"""Mixup and cutmix: one draw for the student's and the teacher's pixels."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.on_access import Images
from pipeline.datasets.splits import Dataset, Samples
from pipeline.recipe.training import TrainingConfig
from pipeline.training.augmentation import cutmix, draw_mix
from pipeline.training.augmentation.images import ImageViews
from pipeline.training.loop import batches
from targets.images.preprocessing import resized
from tests.tasks import LOADED, small_task


def mixes(**alphas: float) -> list[Any]:
    given = {"mixup_alpha": 0.0, "cutmix_alpha": 0.0, **alphas}
    return [draw_mix(8, seed=1, epoch=2, number=n, **given) for n in range(200)]


@LOADED
@given(number=st.integers(0, 500), alpha=st.floats(0.1, 4))
def test_the_weight_of_an_image_is_the_area_that_it_keeps(number: int, alpha: float) -> None:
    mix = cutmix(2, alpha=alpha, seed=0, epoch=0, number=number)
    raw = np.stack([np.zeros((200, 200, 1), np.uint8), np.full((200, 200, 1), 255, np.uint8)])
    mixed = mix(raw)
    first = mix.partner[0]
    assert (mixed[0] == raw[first]).mean() >= 1 - mix.lam - 0.02
    if first == 1:
        assert (mixed[0] == 0).mean() == pytest.approx(mix.lam, abs=0.02)
    assert set(np.unique(mixed)) <= {0, 255}


def test_the_other_image_s_part_is_one_rectangle() -> None:
    mix = replace(cutmix(2, alpha=1, seed=0, epoch=0, number=3), partner=np.array([1, 0]))
    mixed = mix(np.stack([np.zeros((50, 50, 1), np.uint8), np.ones((50, 50, 1), np.uint8)]))[0]
    rows, columns = (np.flatnonzero(mixed.any(axis=axis)) for axis in (1, 0))
    assert 0 < mixed.sum() == len(rows) * len(columns)
    assert np.ptp(rows) + 1 == len(rows)
    assert np.ptp(columns) + 1 == len(columns)


def test_either_way_alone_or_both_in_turns_that_the_seed_draws() -> None:
    assert set(mixes()) == {None}
    assert all(mix.rectangle is None for mix in mixes(mixup_alpha=0.4))
    assert all(mix.rectangle is not None for mix in mixes(cutmix_alpha=1.0))
    both = mixes(mixup_alpha=0.4, cutmix_alpha=1.0)
    share = np.mean([mix.rectangle is None for mix in both])
    assert 0.35 < share < 0.65
    alone = mixes(mixup_alpha=0.4)
    assert all(a.lam == b.lam for a, b in zip(both, alone, strict=True) if a.rectangle is None)


def at(data: Dataset, side: int) -> Dataset:
    """The data at another size, smooth, so that its pixels can be compared."""
    smooth = {
        split: Samples(
            raw=np.stack([resized(resized(image, (3, 3)), (side, side)) for image in s.raw]),
            labels=s.labels,
        )
        for split, s in data.splits.items()
    }
    return replace(data, splits=smooth)


@pytest.mark.parametrize("mixing", [{"mixup": 1.0}, {"cutmix": 1.0}])
def test_a_teacher_of_another_size_gets_the_same_crop_of_the_same_mixture(
    stripes_data: Dataset, mixing: dict[str, float]
) -> None:
    shown: list[Images] = []

    def targets(*, view: int, index: Any, raw: Images) -> list[Any]:
        shown.append(raw)
        return [np.zeros((len(raw), 3), np.float32)]

    cfg = TrainingConfig(epochs=1, batch_size=32)
    crop = ImageViews(crop=0.4, flip=True, brightness=0.3)
    small, large = at(stripes_data, 24), at(stripes_data, 48)
    given = {**mixing, "augmentation": crop, "targets": targets, "teacher_data": large}
    task = small_task(small, cfg, **given)
    made = list(batches(task, 0))
    assert len(made) == len(shown) > 3
    for batch, teachers in zip(made, shown, strict=True):
        assert (batch.raw.shape[1:3], teachers.shape[1:3]) == ((24, 24), (48, 48))
        again = np.stack([resized(image, (24, 24)) for image in teachers]).astype(float)
        assert np.abs(again - batch.raw).mean() < 3
        assert np.abs(again[::-1] - batch.raw).mean() > 10


def test_a_teacher_of_the_same_size_gets_the_student_s_own_pixels(stripes_data: Dataset) -> None:
    shown: list[Images] = []

    def targets(*, view: int, index: Any, raw: Images) -> list[Any]:
        shown.append(raw)
        return []

    cfg = TrainingConfig(epochs=1, batch_size=32)
    task = small_task(
        stripes_data, cfg, cutmix=1.0, targets=targets, teacher_data=replace(stripes_data)
    )
    for batch in batches(task, 0):
        assert shown.pop() is batch.raw

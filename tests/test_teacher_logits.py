"""Precomputed logits teach the split that they were computed for, and no other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.datasets.splits import Dataset, Samples, Split, three_way
from pipeline.recipe.training import TeacherConfig
from pipeline.teachers import logits_file, open_teacher
from pipeline.teachers.check import require_teaches
from pipeline.teachers.contract import split_logits
from targets.errors import InputError
from tests.conftest import stripes
from tests.teacher_files import TO_1, expected


@pytest.fixture
def stored(stripes_data: Dataset, tmp_path: Path) -> Path:
    of = {part.value: expected(stripes_data, part) for part in Split}
    logits_file.save_logits(tmp_path / "logits.npz", data=stripes_data, **of)
    return tmp_path / "logits.npz"


def test_precomputed_logits_teach_by_split_and_by_image(
    stored: Path, stripes_data: Dataset
) -> None:
    teacher = open_teacher(stored, TeacherConfig(), stripes_data)
    require_teaches(teacher, stripes_data)
    for part in Split:
        wanted = expected(stripes_data, part).astype(np.float32)
        by_split = split_logits(teacher, stripes_data, part)
        assert by_split is not None
        np.testing.assert_array_equal(by_split, wanted)
        backwards = teacher.logits(stripes_data[part].raw[::-1])
        np.testing.assert_array_equal(backwards[::-1], wanted)
    images = stripes_data[Split.VAL].raw[:3].copy()
    images[1:] //= 2
    with pytest.raises(InputError, match=r"for 2 of 3 images.*augmentation\.shift = 0, leave"):
        teacher.logits(images)


def test_without_test_logits_the_rest_still_teaches(stripes_data: Dataset, tmp_path: Path) -> None:
    of = {part.value: expected(stripes_data, part) for part in (Split.TRAIN, Split.VAL)}
    logits_file.save_logits(tmp_path / "logits.npz", data=stripes_data, **of)
    teacher = open_teacher(tmp_path / "logits.npz", TeacherConfig(), stripes_data)
    require_teaches(teacher, stripes_data)
    assert split_logits(teacher, stripes_data, Split.TEST) is None


def test_precomputed_logits_follow_the_class_list(stripes_data: Dataset, tmp_path: Path) -> None:
    of = {part.value: expected(stripes_data, part)[:, [1, 2, 0]] for part in Split}
    logits_file.save_logits(tmp_path / "logits.npz", data=stripes_data, **of)
    cfg = TeacherConfig(classes=("down", "slanted", "across"))
    require_teaches(open_teacher(tmp_path / "logits.npz", cfg, stripes_data), stripes_data)


def test_logits_of_another_split_are_refused(stored: Path, stripes_data: Dataset) -> None:
    arrays = stripes()
    samples = Samples(raw=arrays["images"][..., None], labels=arrays["labels"])
    other = replace(
        stripes_data, splits=three_way(samples, validation=0.15, test=0.25, seed=1, name="stripes")
    )
    with pytest.raises(InputError, match=r"computed for another split .*dataset\.split_seed"):
        open_teacher(stored, TeacherConfig(), other)


def changed(path: Path, **arrays: Any) -> Path:
    with np.load(path) as file:
        np.savez(path, **{**dict(file), **arrays})
    return path


def test_damaged_logits_are_refused_each_with_its_reason(
    stored: Path, stripes_data: Dataset
) -> None:
    def refused(match: str, **arrays: Any) -> None:
        with pytest.raises(InputError, match=match):
            open_teacher(changed(stored, **arrays), TeacherConfig(), stripes_data)

    good = expected(stripes_data)
    bad = good.copy()
    bad[5, 1] = np.inf
    refused(r"'val' holds NaN or infinity in 1 of \d+ rows, first in row 5", val=bad)
    refused(r"'val' must be floats \[72, 3\], .* not float64 \[71, 3\]", val=good[1:])
    refused(r"'val' must be floats", val=good.argmax(axis=1))
    refused("holds Python objects, which would run code", val=np.array([{}], object))
    with pytest.raises(InputError, match=r"'train' must be floats"):
        logits_file.save_logits(stored, data=stripes_data, train=good, val=good)
    with pytest.raises(InputError, match=r"leave out teacher\.scale"):
        open_teacher(stored, TO_1, stripes_data)


def test_the_documented_lines_write_logits_that_teach(
    tmp_path: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(
        f'name = "mine"\n[dataset]\nname = "npz"\npath = "{data_file}"\n', encoding="utf-8"
    )
    documented = [
        line[4:] for line in (logits_file.__doc__ or "").splitlines() if line[:4] == "    "
    ]
    assert len(documented) == 7
    assert documented.pop(0).startswith("network = ")
    scope: dict[str, Any] = {"network": lambda images: images.reshape(len(images), -1)[:, :3] / 255}
    exec("\n".join(documented), scope)
    teacher = open_teacher(Path("teacher.npz"), TeacherConfig(), scope["data"])
    assert teacher.splits is not None
    assert set(teacher.splits) == set(Split)

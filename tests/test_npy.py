"""Memory-mapped data is the data, without the memory."""

import hashlib
import math
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from pipeline import datasets
from pipeline.datasets import npy
from pipeline.datasets.on_access import MappedSamples, mapped
from pipeline.datasets.splits import Dataset, Samples, Split, hold_out
from pipeline.recipe.schema import DatasetConfig
from pipeline.teachers.logits_file import split_sha256
from pipeline.training.augmentation.images import ImageViews, view_table
from targets.bench.plan import store
from targets.errors import InputError
from tests.conftest import stripes


def write(folder: Path, **changes: Any) -> DatasetConfig:
    """The striped images as a folder; what is None is left out."""
    folder.mkdir(exist_ok=True)
    arrays = {**stripes(), **changes}
    for name in ("images", "labels"):
        if arrays[name] is not None:
            np.save(folder / f"{name}.npy", arrays[name])
    if arrays["classes"] is not None:
        (folder / "classes.txt").write_text("\n".join(arrays["classes"]) + "\n", encoding="utf-8")
    return DatasetConfig(name="npy", path=folder)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return datasets.load(write(tmp_path / "stripes"))


def test_a_folder_gives_what_an_npz_of_the_same_arrays_gives(
    data: Dataset, data_file: Path
) -> None:
    archive = datasets.load(DatasetConfig(name="npz", path=data_file))
    assert (data.name, data.classes, data.input) == (archive.name, archive.classes, archive.input)
    for split in Split:
        np.testing.assert_array_equal(data[split].raw, archive[split].raw)
        np.testing.assert_array_equal(data[split].labels, archive[split].labels)


def test_without_names_classes_are_numbers(tmp_path: Path) -> None:
    assert datasets.load(write(tmp_path / "x", classes=None)).classes == ("0", "1", "2")


def test_mapped_images_stand_for_an_array(data: Dataset) -> None:
    images = data[Split.VAL].raw
    whole = np.asarray(images)
    assert isinstance(images, MappedSamples)
    assert (len(images), images.shape, images.dtype) == (72, (72, 12, 12, 1), np.uint8)
    keys: list[Any] = [slice(3, 9), slice(-4, None), np.array([7, 0, 7]), -1, whole[:, 0, 0, 0] > 9]
    for key in keys:
        np.testing.assert_array_equal(images[key], whole[key])
    np.testing.assert_array_equal(data[Split.VAL].take(np.array([5, 2])).raw, whole[[5, 2]])
    assert [image.tobytes() for image in images] == [image.tobytes() for image in whole]


def test_what_is_read_can_be_written_to_and_the_file_stays(data: Dataset) -> None:
    images = data[Split.TRAIN].raw
    before = images[:2]
    images[:2][...] = 0
    np.testing.assert_array_equal(images[:2], before)


def test_views_of_mapped_images_are_those_of_an_array(data: Dataset) -> None:
    train = data[Split.TRAIN]
    cfg = ImageViews(shift=2, flip=True, cutout=3)
    table = view_table(cfg, images=len(train), size=(12, 12), seed=1, view=2, grey=128)
    index = np.array([9, 3, 3, 100])
    in_memory = replace(train, raw=np.asarray(train.raw))
    rendered, expected = table.render(train, index), table.render(in_memory, index)
    np.testing.assert_array_equal(rendered, expected)


def test_the_images_are_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    count = 40_000
    numpy_format: Any = np.lib.format
    file = numpy_format.open_memmap(
        tmp_path / "images.npy", mode="w+", dtype=np.uint8, shape=(count, 28, 28)
    )
    np.save(tmp_path / "labels.npy", np.arange(count) % 10)
    tracemalloc.start()
    loaded = npy.load(DatasetConfig(name="npy", path=tmp_path))
    images = loaded[Split.TRAIN].raw
    table = view_table(ImageViews(), images=len(images), size=(28, 28), seed=0, view=0, grey=128)
    for start in range(0, len(images), 512):
        table.render(loaded[Split.TRAIN], np.arange(start, min(start + 512, len(images))))
    store(loaded[Split.TEST].raw, tmp_path / "measured.npy")
    split_sha256(loaded)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.25 * file.nbytes


def test_what_is_measured_is_the_samples_in_their_order(data: Dataset, tmp_path: Path) -> None:
    images = data[Split.TRAIN].raw
    many = np.concatenate([images[:], images[:]] * 3)  # more than are stored at once
    store(many, tmp_path / "measured.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "measured.npy"), many)


def test_the_digest_is_of_the_contents_alone(tmp_path: Path) -> None:
    first = npy.source_digest(write(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert npy.source_digest(DatasetConfig(name="npy", path=tmp_path / "b")) == first
    assert npy.load(DatasetConfig(name="npy", path=tmp_path / "b")).sha256 == first
    changes: list[dict[str, Any]] = [
        {"images": stripes(seed=1)["images"]},
        {"labels": stripes()["labels"][::-1]},
        {"classes": ["a", "b", "c"]},
        {"classes": None},
    ]
    others = [npy.source_digest(write(tmp_path / f"{i}", **c)) for i, c in enumerate(changes)]
    assert len({first, *others}) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, r"no images\.npy"),
        ({"labels": None}, r"no labels\.npy"),
        ({"images": np.zeros((480, 4, 4), np.float32)}, r"images \* 255"),
        ({"images": np.empty(480, object)}, "must have one size"),
        ({"labels": np.empty(480, object)}, r"labels\.astype\(str\)"),
        ({"images": np.zeros((480, 3, 9, 9), np.uint8)}, r"transpose\(0, 2, 3, 1\)"),
        ({"labels": np.arange(10)}, "one per image"),
        ({"labels": np.zeros(480, int)}, "at least two classes"),
        ({"labels": np.arange(480), "classes": None}, "Give more images of every class"),
        ({"classes": ["a", "b"]}, "3 different names"),
    ],
)
def test_each_mistake_in_a_folder_is_explained(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    cfg = write(tmp_path / "broken", **changes)
    with pytest.raises(InputError, match=message) as error:
        npy.load(cfg)
    assert "broken" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not an array", b"PK\x03\x04", b"cut"])
@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
def test_a_file_that_is_no_npy_is_explained(tmp_path: Path, name: str, content: bytes) -> None:
    cfg = write(tmp_path / "broken")
    path = tmp_path / "broken" / name
    path.write_bytes(path.read_bytes()[:500] if content == b"cut" else content)
    with pytest.raises(InputError, match=rf"{name} cannot be read as \.npy"):
        npy.load(cfg)


def test_an_archive_under_the_name_of_an_array_is_explained(tmp_path: Path) -> None:
    cfg = write(tmp_path / "broken")
    with (tmp_path / "broken" / "images.npy").open("wb") as file:
        np.savez(file, images=stripes()["images"])
    with pytest.raises(InputError, match=r"images\.npy cannot be read as \.npy"):
        npy.load(cfg)


def test_names_that_are_no_text_are_explained(tmp_path: Path) -> None:
    cfg = write(tmp_path / "broken")
    (tmp_path / "broken" / "classes.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"classes\.txt cannot be read as UTF-8"):
        npy.load(cfg)


def test_no_folder_and_no_data_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--data FOLDER"):
        npy.load(DatasetConfig(name="npy"))
    with pytest.raises(InputError, match="is not a folder with"):
        npy.source_digest(DatasetConfig(name="npy", path=tmp_path / "none"))


@pytest.mark.parametrize(
    ("count", "seed", "digest"),
    [(450, 0, "a18a99c68d6d634f"), (270, 3, "1efffd3cf037d09a"), (17, 5, "b83c276ec87dcb32")],
)
def test_the_split_of_published_figures_stays_the_same(count: int, seed: int, digest: str) -> None:
    """Recorded with scikit-learn 1.9.1 on the labels of digits."""
    labels = load_digits().target
    held = hold_out(numbered(labels), count / len(labels), seed=seed, name="digits")[1]
    assert hashlib.sha256(np.array(numbers(held), "<i8").tobytes()).hexdigest()[:16] == digest


@settings(max_examples=100, deadline=None)
@given(
    labels=st.lists(st.integers(0, 6), min_size=2, max_size=300),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_split_is_whole_and_in_order_or_an_input_error(
    labels: list[int], share: float, seed: int
) -> None:
    samples, count = numbered(np.array(labels)), math.ceil(share * len(labels))
    sizes = np.unique(labels, return_counts=True)[1]
    if 1 in sizes or min(count, len(labels) - count) < len(sizes):
        with pytest.raises(InputError, match="cannot be split"):
            hold_out(samples, share, seed=seed, name="x")
        return
    rest, held = hold_out(samples, share, seed=seed, name="x")
    assert sorted([*numbers(rest), *numbers(held)]) == list(range(len(labels)))
    assert len(held) == count
    assert all(numbers(part) == sorted(numbers(part)) for part in (rest, held))


def numbered(labels: Any) -> Samples:
    """Samples whose pixels are their number."""
    images = np.arange(len(labels), dtype=np.uint32).view(np.uint8).reshape(-1, 2, 2, 1)
    return Samples(raw=mapped(images), labels=labels)


def numbers(samples: Samples) -> list[int]:
    found: list[int] = np.asarray(samples.raw).reshape(-1).view(np.uint32).tolist()
    return found

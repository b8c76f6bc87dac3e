"""Contract of every data set, and each user mistake."""

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets import fashion_mnist, size
from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.engine.job import Job
from pipeline.engine.progress import SilentConsole
from pipeline.recipe.schema import DatasetConfig
from targets.errors import InputError
from tests.conftest import Lane, stripes


def digits(**changes: Any) -> Dataset:
    return datasets.load(DatasetConfig(name="digits", **changes))


def rows(dataset: Dataset, split: Split) -> set[bytes]:
    return {image.tobytes() for image in dataset[split].raw}


def test_digits_are_split_60_15_25_and_no_image_has_two_roles() -> None:
    data = digits()
    assert [len(data[split]) for split in Split] == [1077, 270, 450]
    assert not rows(data, Split.TRAIN) & rows(data, Split.TEST)
    assert not rows(data, Split.TRAIN) & rows(data, Split.VAL)
    assert not rows(data, Split.VAL) & rows(data, Split.TEST)


def test_digits_are_raw_pixels_that_use_the_whole_range() -> None:
    images = digits()[Split.TRAIN].raw
    assert images.shape[1:] == (28, 28, 1)
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)


def test_splits_are_stratified() -> None:
    data = digits()
    shares = [np.bincount(data[s].labels, minlength=10) / len(data[s]) for s in Split]
    assert np.abs(shares[0] - shares[2]).max() < 0.01


def test_the_split_has_a_seed_of_its_own() -> None:
    again = rows(digits(), Split.TEST)
    datasets.load.cache_clear()
    assert rows(digits(), Split.TEST) == again
    assert rows(digits(), Split.TEST) != rows(digits(split_seed=1), Split.TEST)


def test_a_digest_needs_no_library_of_the_data_set() -> None:
    code = (
        "import sys; from pipeline import datasets\n"
        "from pipeline.recipe.schema import DatasetConfig\n"
        "datasets.source_digest(DatasetConfig(name='digits'));"
        "assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_npz_is_split_and_named(data_file: Path) -> None:
    data = datasets.load(DatasetConfig(name="npz", path=data_file))
    assert data.classes == ("across", "down", "slanted")
    assert [len(data[split]) for split in Split] == [288, 72, 120]
    assert data.input.shape == (12, 12, 1)


def broken(tmp_path: Path, **changes: Any) -> DatasetConfig:
    arrays = {k: v for k, v in {**stripes(), **changes}.items() if v is not None}
    np.savez(tmp_path / "broken.npz", **arrays)
    return DatasetConfig(name="npz", path=tmp_path / "broken.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "no array 'images'"),
        ({"labels": None}, "no array 'labels'"),
        ({"images": np.zeros((480, 4, 4), np.float32)}, r"images \* 255"),
        ({"images": np.full((480, 4, 4), np.nan)}, "must be uint8"),
        ({"images": np.zeros((480, 3, 32, 32), np.uint8)}, r"transpose\(0, 2, 3, 1\)"),
        ({"images": np.zeros((480, 0, 4), np.uint8)}, "must be uint8"),
        ({"images": np.array([np.zeros((k % 2 + 1, 4)) for k in range(480)], object)}, "one size"),
        ({"labels": np.zeros(480)}, "must be integers"),
        ({"labels": np.arange(10)}, "one per image"),
        ({"labels": np.array(["a", "b", "c"] * 160, object)}, r"labels\.astype\(str\)"),
        ({"labels": np.zeros(480, int)}, "at least two classes"),
        ({"labels": np.arange(480) % 3 - 1}, "160 are below 0"),
        ({"labels": np.arange(480) % 3 * 2}, "no image of 1 \\('down'\\)"),
        ({"labels": (np.arange(480) % 3).astype(np.uint64) + 2**63}, "numbered from 0"),
        ({"classes": np.array(["a", "b", "c"], object)}, r"classes\.astype\(str\)"),
        ({"classes": np.array([], str)}, "3 different names"),
        ({"classes": np.array("one")}, "it holds 1: one"),
        ({"classes": np.array(["a", "a", "b"])}, "3 different names"),
        ({"classes": np.array(["a", "b", "c\nd"])}, "one line each"),
        ({"classes": np.array(["a", "b", "c", "d"])}, "it holds 4.* no image of d"),
        ({"labels": np.arange(480), "classes": None}, "Give more images of every class"),
        ({"classes": np.array(["one"])}, "must be 3 different names"),
    ],
)
def test_each_mistake_in_an_npz_is_explained(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    cfg = broken(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as error:
        datasets.load(cfg)
    assert "broken" in str(error.value)


def test_names_as_bytes_are_text(tmp_path: Path) -> None:
    data = datasets.load(broken(tmp_path, classes=np.array([b"a", "ü".encode(), b"c"])))
    assert data.classes == ("a", "ü", "c")


def test_images_of_many_channels_are_taken(tmp_path: Path) -> None:
    data = datasets.load(broken(tmp_path, images=np.zeros((480, 8, 8, 13), np.uint8)))
    assert data.input.shape == (8, 8, 13)


@pytest.mark.parametrize("alone", [1, 2])
def test_the_class_with_too_few_images_is_named(tmp_path: Path, alone: int) -> None:
    labels = np.arange(480) % 2
    labels[:alone] = 2
    with pytest.raises(InputError, match=rf"'slanted'\) has {alone} of the 480 .* needs 3"):
        datasets.load(broken(tmp_path, labels=labels))


@pytest.mark.parametrize("seed", range(20))
def test_the_fewest_images_that_are_taken_reach_training(tmp_path: Path, seed: int) -> None:
    labels = np.arange(480) % 2
    labels[:3] = 2
    cfg = broken(tmp_path, labels=labels).model_copy(update={"split_seed": seed})
    assert set(datasets.load(cfg)[Split.TRAIN].labels) == {0, 1, 2}


def test_too_many_classes_are_counted_as_in_the_users_file(tmp_path: Path) -> None:
    cfg = broken(tmp_path, labels=np.arange(480) % 100, classes=None)
    with pytest.raises(InputError, match=r"480 images of 100 classes .* 72 are left .*'val'"):
        datasets.load(cfg)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04", b"npy"])
def test_a_file_that_is_no_npz_is_explained(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    if content == b"npy":
        with (tmp_path / "x.npz").open("wb") as file:
            np.save(file, np.zeros(3))
    with pytest.raises(InputError, match=r"cannot be read as \.npz"):
        datasets.load(DatasetConfig(name="npz", path=tmp_path / "x.npz"))


def test_data_that_changes_while_it_is_read_is_explained(lane: Lane, tmp_path: Path) -> None:
    """The result would be stored under the name of other data."""
    path = tmp_path / "changing.npz"
    np.savez(path, **stripes())
    cfg = DatasetConfig(name="npz", path=path)
    datasets.source_digest(cfg)
    np.savez(path, **stripes(seed=1))
    job = Job(recipe=lane.recipe(("dataset.path", path)), scratch=tmp_path, console=SilentConsole())
    with pytest.raises(InputError, match="changed while"):
        job.dataset()


def test_shares_that_leave_nothing_to_train_on_are_explained(data_file: Path) -> None:
    with pytest.raises(InputError, match="leave nothing to train"):
        datasets.load(DatasetConfig(name="npz", path=data_file, validation=0.5, test=0.6))


def test_the_size_of_the_recipe_is_that_of_every_split() -> None:
    data = digits(size=32)
    assert {data[split].raw.shape[1:] for split in Split} == {(32, 32, 1)}
    assert all(data[split].raw.dtype == np.uint8 for split in Split)
    assert data.input.shape == (32, 32, 1)


def test_another_size_changes_neither_roles_nor_digest() -> None:
    data, small = digits(), digits(size=14)
    assert small.sha256 == data.sha256
    for split in Split:
        np.testing.assert_array_equal(small[split].labels, data[split].labels)
        np.testing.assert_array_equal(small[split].raw[0], size.resized(data, 14)[split].raw[0])
    assert not rows(small, Split.TRAIN) & rows(small, Split.TEST)


def held(values: Any) -> Dataset:
    samples = Samples(raw=values, labels=np.arange(len(values)))
    splits = dict.fromkeys(Split, samples)
    return Dataset(name="x", classes=tuple("abcd"), splits=splits, sha256="0")


def images_of(*shape: int) -> Dataset:
    return held(np.random.default_rng(0).integers(0, 256, (4, *shape), np.uint8))


@pytest.mark.parametrize(
    ("shape", "longer", "expected"),
    [
        ((20, 10, 3), 40, (40, 20, 3)),
        ((10, 20, 1), 5, (2, 5, 1)),
        ((3, 300, 2), 30, (1, 30, 2)),
        ((9, 9, 5), 9, (9, 9, 5)),
    ],
)
def test_an_oblong_image_keeps_its_aspect(
    shape: tuple[int, ...], longer: int, expected: tuple[int, ...]
) -> None:
    assert size.resized(images_of(*shape), longer).input.shape == expected


def test_a_smaller_image_averages_and_channels_stay_apart() -> None:
    y, x = np.mgrid[:16, :16]
    board = (x + y) % 2 * 200
    whole = held(np.stack([board, board // 2, 255 - board], axis=-1)[None].astype(np.uint8))
    small = size.resized(whole, 4)[Split.VAL].raw
    np.testing.assert_allclose(small, np.broadcast_to([100, 50, 155], small.shape), atol=2)


def test_the_same_size_is_the_same_images() -> None:
    whole = images_of(8, 6, 1)
    same = size.resized(whole, 8)[Split.TRAIN].raw
    np.testing.assert_array_equal(same, whole[Split.TRAIN].raw)


@pytest.fixture
def no_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No cache, no Debian package, no network; the cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(fashion_mnist, "DOWNLOAD", "http://127.0.0.1:9/")
    return tmp_path / "cache" / "edge-distill" / "fashion-mnist"


@pytest.fixture
def small_fashion(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """IDX files of the published shape, with few images, registered as the published ones."""
    import hashlib

    random = np.random.default_rng(0)
    contents = {}
    for part, count in (("train", 60), ("t10k", 20)):
        contents[f"{part}-images-idx3-ubyte"] = bytes(16) + random.bytes(count * 28 * 28)
        contents[f"{part}-labels-idx1-ubyte"] = bytes(8) + bytes(i % 10 for i in range(count))
    digests = {name: hashlib.sha256(raw).hexdigest() for name, raw in contents.items()}
    monkeypatch.setattr(fashion_mnist, "CONTENTS", digests)
    return contents


def fill(folder: Path, contents: dict[str, bytes], *, level: int | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in contents.items():
        path = folder / (name if level is None else f"{name}.gz")
        path.write_bytes(raw if level is None else gzip.compress(raw, level))


FASHION = DatasetConfig(name="fashion-mnist", validation=0.5)


def test_without_any_source_every_remedy_is_named(no_sources: Path) -> None:
    with pytest.raises(InputError) as error:
        fashion_mnist.load(FASHION)
    for remedy in ("apt-get install dataset-fashion-mnist", str(no_sources), "--data", "network"):
        assert remedy in str(error.value)


def test_sources_are_looked_for_in_their_order(
    no_sources: Path, small_fashion: dict[str, bytes], tmp_path: Path
) -> None:
    """Each is damaged in turn: the error names the one that was taken."""
    damaged = dict.fromkeys(small_fashion, b"")
    fill(tmp_path / "debian", small_fashion, level=9)
    assert len(fashion_mnist.load(FASHION)[Split.TEST]) == 20
    fill(tmp_path / "debian", damaged, level=9)
    with pytest.raises(InputError, match=rf"{tmp_path / 'debian'}/.* is not the published file"):
        fashion_mnist.load(FASHION)
    fill(no_sources, damaged, level=1)
    with pytest.raises(InputError, match=rf"{no_sources}/.* is not the published file"):
        fashion_mnist.load(FASHION)
    fill(tmp_path / "given", small_fashion, level=None)
    given = fashion_mnist.load(FASHION.model_copy(update={"path": tmp_path / "given"}))
    assert len(given[Split.TEST]) == 20


def test_the_digest_is_the_same_however_the_files_are_compressed(
    no_sources: Path, small_fashion: dict[str, bytes], tmp_path: Path
) -> None:
    digests = set()
    for number, level in enumerate((None, 1, 9)):
        fill(tmp_path / f"{number}", small_fashion, level=level)
        cfg = FASHION.model_copy(update={"path": tmp_path / f"{number}"})
        digests.add(fashion_mnist.source_digest(cfg))
        assert len(fashion_mnist.load(cfg)[Split.TEST]) == 20
    assert len(digests) == 1


def test_a_file_with_other_contents_is_refused(
    no_sources: Path, small_fashion: dict[str, bytes]
) -> None:
    fill(no_sources, {**small_fashion, "t10k-labels-idx1-ubyte": bytes(28)}, level=1)
    with pytest.raises(InputError, match=r"t10k-labels.* is not the published file"):
        fashion_mnist.load(FASHION)


def test_a_truncated_download_is_refused(no_sources: Path, small_fashion: dict[str, bytes]) -> None:
    fill(no_sources, small_fashion, level=1)
    path = no_sources / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cannot be read .*delete it"):
        fashion_mnist.load(FASHION)


def test_a_given_folder_without_the_files_is_explained(no_sources: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not hold the four files"):
        fashion_mnist.load(FASHION.model_copy(update={"path": tmp_path}))

"""Each form that images and labels have is taken, or refused with the line that mends it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import datasets
from pipeline.datasets import forms, image_files, images
from pipeline.recipe.schema import DatasetConfig
from targets.errors import InputError

RANDOM = np.random.default_rng(0)
COUNT = 6
PIXELS = RANDOM.integers(0, 256, (COUNT, 8, 9, 3), np.uint8)
PIXELS[0, 0, 0], PIXELS[0, 0, 1] = 0, 255
LABELS = np.array([0, 1, 2, 0, 1, 2])
NAMES = np.array(["cat", "dog", "frog"])


def line(message: str | None) -> str:
    """The first line of Python in a message."""
    found = re.search(r"`([^`]+)`", message or "")
    assert found is not None, message
    return found[1]


def mended(message: str | None, **arrays: Any) -> dict[str, Any]:
    """The arrays after the line of the message was run on them."""
    scope = {"np": np, **arrays}
    exec(line(message), scope)
    return scope


def grown(values: Any, high: int) -> Any:
    return (values.astype(np.float64) / 255 * high).round()


@pytest.mark.parametrize(
    "given",
    [
        PIXELS / 255,
        (PIXELS / 255).astype(np.float32),
        PIXELS / 127.5 - 1,
        PIXELS.astype(np.float32),
        PIXELS.astype(np.int64),
        PIXELS.astype(np.uint16),
        PIXELS.astype(np.uint16) * 257,
        grown(PIXELS, 4095).astype(np.uint16),
        grown(PIXELS, 1023).astype(np.int32),
        np.ascontiguousarray(PIXELS.transpose(0, 3, 1, 2)),
    ],
    ids=lambda given: f"{given.dtype}-{given.max():.3g}-{given.shape[1]}",
)
def test_the_line_gives_back_the_pixels(given: Any) -> None:
    back = mended(forms.images_problem(given), images=given)["images"]
    np.testing.assert_array_equal(back, PIXELS)
    assert forms.images_problem(back) is None


def test_masks_become_black_and_white() -> None:
    for given in (PIXELS > 127, (PIXELS > 127).astype(np.int64)):
        back = mended(forms.images_problem(given), images=given)["images"]
        np.testing.assert_array_equal(back, (PIXELS > 127) * 255)
        assert back.dtype == np.uint8


def test_any_other_range_can_be_brought_to_pixels() -> None:
    for given in (grown(PIXELS, 4000) - 1000, (grown(PIXELS, 4000) - 1000).astype(np.int16)):
        message = forms.images_problem(given)
        assert message is not None
        assert "-1000 to 3000: undo the normalisation" in message
        assert "images * std + mean" in message
        last = re.findall(r"`([^`]+)`", message)[-1]
        np.testing.assert_array_equal(mended(f"`{last}`", images=given)["images"], PIXELS)


def test_rows_of_pixels_get_their_sides() -> None:
    grey = np.zeros((COUNT, 64), np.uint8)
    assert mended(forms.images_problem(grey), images=grey)["images"].shape == (COUNT, 8, 8)
    colour = forms.images_problem(np.zeros((COUNT, 3072), np.uint8))
    assert colour is not None
    assert "reshape(-1, 32, 32, 3)" in colour
    assert "reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)" in colour


def test_both_problems_of_images_are_in_one_message() -> None:
    message = forms.images_problem(PIXELS.transpose(0, 3, 1, 2) / 255)
    assert message is not None
    assert "* 255" in message
    assert "transpose(0, 2, 3, 1)" in message


def test_images_of_different_sizes_get_one() -> None:
    ragged = np.empty(2, object)
    ragged[:] = [PIXELS[0], PIXELS[1, :4]]
    message = forms.images_problem(forms.OBJECTS)
    assert mended(message, images=ragged, width=9, height=8)["images"].shape == (2, 8, 9, 3)


@pytest.mark.parametrize(
    ("image", "first"),
    [
        ((3, 32, 32), True),
        ((1, 28, 28), True),
        ((4, 20, 30), True),
        ((2, 64, 48), True),
        ((13, 64, 64), True),  # a spectral image: the square gives its sides
        ((3, 1, 128), True),
        ((32, 32, 3), False),
        ((32, 32, 13), False),
        ((11, 9, 200), False),
        ((3, 3, 200), False),
        ((3, 300, 2), False),
        ((1, 1, 1), False),
        ((300, 200, 4), False),
        ((32, 32, 32), False),
    ],
)
def test_channels_in_front_are_known(image: tuple[int, ...], first: bool) -> None:
    assert forms.channels_first(image) is first
    message = forms.layout_problem(np.zeros((2, *image), np.uint8))
    assert (message is not None) is first


def test_a_low_image_of_many_channels_can_be_turned() -> None:
    signal = np.zeros((COUNT, 1, 128, 9), np.uint8)
    message = forms.images_problem(signal)
    assert message is not None
    assert "really are 1 high and 128 wide with 9 channels" in message
    assert forms.images_problem(signal.transpose(0, 2, 1, 3)) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (PIXELS[:0], "no pixel"),
        (PIXELS[:, :0], "no pixel"),
        (np.full((2, 4, 4), np.nan), "NaN or infinity"),
        (PIXELS[None, ...], "5 dimensions"),
        (np.array(["a.png", "b.png"]), "read the image files"),
        (forms.OBJECTS, "All must have one size"),
    ],
)
def test_images_that_no_line_can_mend_are_explained(given: Any, message: str) -> None:
    assert message in (forms.images_problem(given) or "")


@pytest.mark.parametrize(
    "given",
    [
        LABELS[:, None],
        LABELS[None, :].astype(np.uint8),
        np.eye(3)[LABELS],
        np.eye(3, dtype=np.uint8)[LABELS],
        np.eye(3)[LABELS] * 0.5 + 0.1,
        NAMES[LABELS],
        NAMES.astype("S")[LABELS],
        LABELS.astype(np.float64),
    ],
    ids=lambda given: f"{given.dtype}-{given.ndim}",
)
def test_the_line_gives_back_the_labels(given: Any) -> None:
    back = mended(forms.labels_problem(given, images=COUNT), labels=given)
    np.testing.assert_array_equal(back["labels"], LABELS)
    assert forms.labels_problem(back["labels"], images=COUNT) is None
    if given.dtype.kind in "SU":
        assert back["classes"].tolist() == NAMES.tolist()


def test_yes_and_no_become_1_and_0() -> None:
    given = LABELS == 1
    back = mended(forms.labels_problem(given, images=COUNT), labels=given)["labels"]
    np.testing.assert_array_equal(back, [0, 1, 0, 0, 1, 0])
    assert back.dtype == np.int64


def test_several_classes_of_one_image_are_not_learned() -> None:
    several = np.eye(3, dtype=np.uint8)[LABELS]
    several[0] = 1
    message = forms.labels_problem(several, images=COUNT)
    assert message is not None
    assert "1 images have several classes or none" in message
    last = re.findall(r"`([^`]+)`", message)[-1]
    back = mended(f"`{last}`", labels=several, images=PIXELS)
    np.testing.assert_array_equal(back["labels"], LABELS[1:])
    np.testing.assert_array_equal(back["images"], PIXELS[1:])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (LABELS[:4], "one per image (6), not int64 [4]"),
        (LABELS + 0.5, "not whole"),
        (forms.OBJECTS, "labels.astype(str)"),
        (np.zeros((COUNT, 2, 2), int), "in the same order"),
        (LABELS.astype(complex), "its number"),
    ],
)
def test_labels_that_no_line_can_mend_are_explained(given: Any, message: str) -> None:
    assert message in (forms.labels_problem(given, images=COUNT) or "")


def test_images_without_a_label_are_left_out() -> None:
    missing = np.array([0, -1, 1, 0, 1, -1])
    back = mended(forms.numbering_problem(missing, None), labels=missing, images=PIXELS)
    np.testing.assert_array_equal(back["labels"], [0, 1, 0, 1])
    unknown = np.where(missing < 0, np.nan, missing)
    back = mended(forms.labels_problem(unknown, images=COUNT), labels=unknown, images=PIXELS)
    np.testing.assert_array_equal(back["images"], PIXELS[[0, 2, 3, 4]])


def test_labels_from_1_are_numbered_from_0() -> None:
    back = mended(forms.numbering_problem(LABELS + 1, list(NAMES)), labels=LABELS + 1)
    np.testing.assert_array_equal(back["labels"], LABELS)


def test_the_class_without_an_image_is_named_and_can_be_left_out() -> None:
    names = ["cat", "dog", "frog", "hen"]
    given = np.where(LABELS == 2, 3, LABELS)
    message = forms.numbering_problem(given, names)
    assert message is not None
    assert "no image of 2 ('frog')" in message
    back = mended(message, labels=given, classes=np.array(names))
    assert back["classes"][back["labels"]].tolist() == np.array(names)[given].tolist()
    assert forms.numbering_problem(back["labels"], list(back["classes"])) is None
    assert "no image of 0 ('cat')" in (forms.numbering_problem(LABELS + 1, names) or "")
    assert "no image of 2." in (forms.numbering_problem(given, None) or "")


def test_names_are_text_or_bytes_of_utf_8() -> None:
    for classes in (NAMES, NAMES.astype("S"), np.array(["Kätzchen".encode(), b"dog"])):
        assert forms.names_problem(classes) is None
    given = np.array([b"K\xe4tzchen", b"dog"])
    back = mended(forms.names_problem(given), classes=given)["classes"]
    assert back.tolist() == ["Kätzchen", "dog"]
    column = mended(forms.names_problem(NAMES[:, None]), classes=NAMES[:, None])["classes"]
    assert column.tolist() == NAMES.tolist()
    objects = mended(forms.names_problem(forms.OBJECTS), classes=NAMES.astype(object))["classes"]
    assert forms.names_problem(objects) is None


def test_arrays_of_given_splits_are_joined(tmp_path: Path) -> None:
    old, new = tmp_path / "old.npz", tmp_path / "new.npz"
    column = LABELS[:, None].astype(np.uint8)
    parts = {"train_images": PIXELS[:4], "train_labels": column[:4]}
    parts |= {"test_labels": column[4:], "test_images": PIXELS[4:]}
    np.savez(old, **parts)
    mended(forms.held(parts), path=old, new=new)
    with np.load(new) as joined:
        np.testing.assert_array_equal(joined["images"], PIXELS)
        np.testing.assert_array_equal(joined["labels"], LABELS)
    assert 'images=np.concatenate([old["x_train"], old["x_test"]])' in forms.held(
        {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS, "y_test": LABELS}
    )
    assert 'images=old["X"], labels=old["y"]' in forms.held({"X": PIXELS, "y": LABELS})
    assert "np.savez(path" in forms.held({"arr_0": PIXELS, "arr_1": LABELS})


def written(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


@pytest.mark.parametrize(
    ("shape", "given", "message"),
    [
        ((8, 9, 3), PIXELS.transpose(0, 3, 1, 2), "`images = images.transpose(0, 2, 3, 1)`"),
        ((3, 8, 9), PIXELS, "`images = images.transpose(0, 3, 1, 2)`"),
        ((None, None, 3), PIXELS.transpose(0, 3, 1, 2), "transpose(0, 2, 3, 1)"),
        ((8, 9, 3), PIXELS / 255, "`images = (images * 255).round()"),
        ((16, 18, 3), PIXELS, "the network's size"),
        ((8, 9, 3), np.array([PIXELS[0], None], object), "must have one size"),
    ],
)
def test_what_a_network_takes_decides_the_order(
    tmp_path: Path, shape: Any, given: Any, message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        images.load(written(tmp_path, images=given), shape=shape, classes=3)


def test_a_network_may_take_channels_first(tmp_path: Path) -> None:
    path = written(tmp_path, images=PIXELS.transpose(0, 3, 1, 2))
    assert images.load(path, shape=(3, 8, 9), classes=3).images.shape == (COUNT, 3, 8, 9)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (LABELS[:, None], 3, r"reshape\(-1\)"),
        (LABELS + 1, 3, "`labels = labels - 1`"),
        (LABELS - 1, 3, r"images\[keep\]"),
        (LABELS, 2, "leave 'labels' out"),
        (LABELS, 1, "0 to 2, but the network has 2 classes"),
    ],
)
def test_labels_of_a_network_are_mended_by_a_line(
    tmp_path: Path, labels: Any, classes: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        images.load(
            written(tmp_path, images=PIXELS, labels=labels), shape=(8, 9, 3), classes=classes
        )


def test_one_score_is_one_of_two_classes(tmp_path: Path) -> None:
    path = written(tmp_path, images=PIXELS, labels=LABELS % 2)
    assert images.load(path, shape=(8, 9, 3), classes=1).labels is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """40 images of two classes, one of them with 16 bits, and files that are none."""
    y, x = np.mgrid[:20, :24]
    for number in range(40):
        place = tmp_path / "pets" / ("cat", "dog")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.stack([(x * 9 + number) % 256, y * 12, x + y], axis=-1).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.{'png' if number % 3 else 'JPG'}")
    grey = Image.fromarray(np.full((20, 24), 128 * 257, np.uint16))
    grey.save(tmp_path / "pets" / "cat" / "deep.png")
    hidden = tmp_path / "pets" / ".ipynb_checkpoints"
    hidden.mkdir()
    for junk in (hidden / "1.png", tmp_path / "pets" / "cat" / "._0.png"):
        junk.write_bytes(b"junk")
    (tmp_path / "pets" / "notes.txt").write_text("none")
    return tmp_path / "pets"


@pytest.mark.parametrize("name", ["npz", "npy", "digits"])
def test_a_folder_of_image_files_gets_the_data_set_that_reads_it(name: str, folder: Path) -> None:
    with pytest.raises(InputError, match=r"41 image files in 2 folders: cat \(21\), dog") as error:
        datasets.source_digest(DatasetConfig(name=name, path=folder))
    assert "--set dataset.name=folder" in str(error.value)
    assert len(datasets.load(DatasetConfig(name="folder", path=folder)).classes) == 2


def test_a_folder_for_a_finished_network_gets_the_way_to_an_npz(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"41 image files in 2 folders: cat \(21\), dog") as error:
        images.load(folder, shape=(None, None, 3), classes=2)
    monkeypatch.chdir(folder.parent)
    exec(re.findall(r"`([^`]+)`", str(error.value))[-1], {})
    data = datasets.load(DatasetConfig(name="npz", path=folder.parent / "pets.npz"))
    assert data.classes == ("cat", "dog")
    assert data.input.shape == (32, 32, 3)
    with np.load("pets.npz") as arrays:
        assert abs(arrays["images"][arrays["labels"] == 0].mean(axis=(1, 2, 3)) - 128).min() < 1


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((None, 28, 1), "convert('L').resize((28, 32))"),
        ((20, 28), "convert('L').resize((28, 20))"),
        ((3, 20, 28), "convert('RGB').resize((28, 20))"),
        ((100,), "convert('RGB').resize((32, 32))"),
    ],
)
def test_the_script_for_a_folder_has_the_networks_size(
    folder: Path, shape: Any, message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        images.load(folder, shape=shape, classes=2)


def test_images_beside_each_other_have_no_class(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    way = image_files.how_to_convert(tmp_path, image=(8, 8, 3))
    assert "folder of its own first" in (way or "")


def test_what_is_no_folder_of_images_is_explained(tmp_path: Path) -> None:
    load = datasets.source_digest
    with pytest.raises(InputError, match="is not a file"):
        load(DatasetConfig(name="npz", path=tmp_path / "none.npz"))
    with pytest.raises(InputError, match="is not a file"):
        load(DatasetConfig(name="npz", path=tmp_path))
    np.save(tmp_path / "images.npy", PIXELS)
    with pytest.raises(InputError, match="the data set npy"):
        load(DatasetConfig(name="npz", path=tmp_path))

"""The data set of arrays: which files it takes, how they are scaled, and each user mistake."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets.arrays.scaling import scaling_of
from pipeline.datasets.splits import Dataset, Split
from pipeline.recipe.schema import DatasetConfig
from targets.bench import samples
from targets.errors import InputError
from targets.formats.channel_scaling import ChannelScaling
from targets.formats.input_spec import array_input
from tests.arrays import NAMES, series, write


def config(path: Path, **settings: object) -> DatasetConfig:
    return DatasetConfig.model_validate({"name": "arrays", "path": path, **settings})


def loaded(path: Path, **settings: object) -> Dataset:
    return datasets.DATASETS["arrays"].load(config(path, **settings))


def notes(path: Path) -> str:
    return " ".join(datasets.notes_on(config(path)))


def refused(path: Path, **settings: object) -> str:
    with pytest.raises(InputError) as error:
        loaded(path, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("values", ["values", "x", "X", "data", "features"])
@pytest.mark.parametrize("labels", ["labels", "y"])
def test_values_and_labels_have_usual_names(tmp_path: Path, values: str, labels: str) -> None:
    found = series()
    path = tmp_path / "a.npz"
    np.savez(path, **{values: found["values"], labels: found["labels"]})
    data = loaded(path)
    assert data.input.kind == "array"
    assert data.classes == ("0", "1", "2")
    assert {split: len(data[split]) for split in Split} == {"train": 36, "val": 9, "test": 15}
    assert {data[split].raw.dtype for split in Split} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("labels", "classes", "wanted"),
    [
        (np.arange(60) % 3, NAMES, NAMES),
        (np.array(NAMES)[np.arange(60) % 3], None, NAMES),
        (np.array(NAMES)[np.arange(60) % 3], NAMES[::-1], NAMES[::-1]),
        (np.array(NAMES, "S")[np.arange(60) % 3], None, NAMES),
        (np.arange(60) % 3 * 5 - 5, None, ("-5", "0", "5")),
    ],
)
def test_labels_are_numbers_or_names(
    tmp_path: Path, labels: Any, classes: Any, wanted: tuple[str, ...]
) -> None:
    data = loaded(write(tmp_path / "a.npz", labels=labels, classes=classes))
    assert data.classes == wanted
    for split in Split:
        swings = np.asarray(data[split].raw).std(axis=1) / (1, 100, 0.01)
        named = [data.classes[label] for label in data[split].labels.tolist()]
        order = sorted({*named}, key=[*wanted].index)
        found = [swings[[name == one for one in named]].mean(axis=0).argmax() for name in order]
        assert sorted(found) == [0, 1, 2]


def test_the_parts_of_a_file_of_keras_are_its_splits(tmp_path: Path) -> None:
    found = series()
    path = tmp_path / "a.npz"
    np.savez(
        path,
        x_train=found["values"][:45],
        y_train=found["labels"][:45],
        x_test=found["values"][45:],
        y_test=found["labels"][45:],
    )
    data = loaded(path)
    np.testing.assert_array_equal(data[Split.TEST].raw, found["values"][45:].astype("f4"))
    assert (len(data[Split.TRAIN]), len(data[Split.VAL])) == (38, 7)


def test_an_array_gives_the_split_of_each_sample(tmp_path: Path) -> None:
    split = np.array(["train", "Training", "test", "val", "train"] * 12)
    data = loaded(write(tmp_path / "a.npz", split=split))
    assert [len(data[one]) for one in Split] == [36, 12, 12]
    np.testing.assert_array_equal(data[Split.VAL].labels, series()["labels"][split == "val"])


def test_a_group_is_in_one_split(tmp_path: Path) -> None:
    groups = np.arange(60) // 3
    data = loaded(write(tmp_path / "a.npz", subject=groups))
    values = series()["values"].astype("f4")
    place = {values[row].tobytes(): group for row, group in enumerate(groups.tolist())}
    of = {s: {place[one.tobytes()] for one in np.asarray(data[s].raw)} for s in Split}
    assert all(of.values())
    assert sum(map(len, of.values())) == 20


def test_each_channel_is_scaled_by_the_training_samples_alone(tmp_path: Path) -> None:
    split = np.array(["train", "train", "train", "val", "test"] * 12)
    values = series()["values"]
    values[split != "train"] += 1e6
    data = loaded(write(tmp_path / "a.npz", values=values, split=split))
    train = np.asarray(data[Split.TRAIN].raw, np.float64)
    scaling = data.input.front_end
    assert isinstance(scaling, ChannelScaling)
    np.testing.assert_allclose(scaling.mean, train.mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(scaling.deviation, train.std(axis=(0, 1)), rtol=1e-4)
    seen = data.input.real(np.asarray(data[Split.TRAIN].raw)).numpy()
    assert seen.shape == (36, 12, 1, 3)
    np.testing.assert_allclose(seen.mean(axis=(0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(seen.std(axis=(0, 1, 2)), 1, atol=1e-3)


@pytest.mark.parametrize("still", [0.0, 7.25, 9.80665, 123456.789])
def test_a_channel_that_never_changes_stays_as_it_is(still: float, tmp_path: Path) -> None:
    values = series()["values"]
    values[..., 1] = still
    path = write(tmp_path / "a.npz", values=values)
    data = loaded(path)
    seen = data.input.real(np.asarray(data[Split.TEST].raw)).numpy()
    assert not seen[..., 1].any()
    assert isinstance(data.input.front_end, ChannelScaling)
    assert data.input.front_end.deviation[1] == 1
    assert "the same in all samples, and say nothing: 1." in notes(path)


def test_the_last_bit_of_a_float_is_no_change() -> None:
    values = np.full((8, 4, 1), 1000, np.float32)
    values[::2] = np.nextafter(np.float32(1000), np.float32(2000))
    assert scaling_of(values, np.arange(8), channels=1).deviation == (1.0,)


@pytest.mark.parametrize(
    ("shape", "channels", "seen"),
    [((8,), 1, (8, 1, 1)), ((8,), 8, (1, 1, 8)), ((8, 3), 3, (8, 1, 3)), ((4, 5, 2), 2, (4, 5, 2))],
)
def test_every_shape_is_a_map_to_a_network(
    shape: tuple[int, ...], channels: int, seen: tuple[int, ...]
) -> None:
    scaling = ChannelScaling(mean=(1.0,) * channels, deviation=(2.0,) * channels)
    spec = array_input(*shape, scaling=scaling)
    raw = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    assert spec.features == seen
    np.testing.assert_array_equal(spec.real(raw), ((raw - 1) * np.float32(0.5)).reshape(2, *seen))


def test_columns_can_be_quantities_of_their_own(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(60, 4)) * (1, 10, 100, 1000)
    path = write(tmp_path / "a.npz", values=values)
    assert "a series of 4 steps of 1 channel" in notes(path)
    data = loaded(path, layout="features")
    assert data.input.features == (1, 1, 4)
    deep = write(tmp_path / "b.npz")
    assert "dataset.layout: features are [samples, features]" in refused(deep, layout="features")


def hole(value: float) -> Any:
    values = series()["values"]
    values[7, 3, 0] = values[9, 0, 2] = value
    return values


COLUMN = np.arange(60) % 3
RAGGED = np.array([np.zeros(3), np.zeros(4)] * 30, object)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": hole(np.nan)}, r"values\[7, 3, 0\] is nan (and 1 more), in 2 of 60 samples"),
        ({"values": hole(-np.inf)}, r"values\[7, 3, 0\] is -inf (and 1 more), in 2 of 60 samples"),
        ({"values": hole(1e300)}, r"\[7, 3, 0\] is 1e\+300 is larger than float32 holds (and 1"),
        ({"values": RAGGED}, "Python objects, which is what numpy makes of samples of different l"),
        ({"values": series()["values"] * 1j}, "holds complex numbers"),
        ({"values": np.array(["a"] * 60)}, "'values' is <U1, and values are numbers"),
        ({"values": np.zeros(60)}, "a single number for each sample"),
        ({"values": np.zeros((60, 2, 2, 2, 2))}, r"must be \[samples, length\]"),
        ({"values": np.zeros((60, 0, 2))}, "none of them 0"),
        ({"values": None}, r"no values for each sample in it; it holds labels int64 \[60\]"),
        ({"labels": None}, r"no labels for each sample in it; it holds values float64 \[60, 12, 3"),
        ({"values": None, "images": np.zeros((60, 8, 8), "u1")}, "the data set npz"),
        ({"data": np.zeros((60, 3))}, "values, data may all be the values"),
        ({"x_train": np.zeros((60, 3))}, "values, x_train may all be the values"),
        ({"labels": COLUMN[:-1]}, r"'labels' is \[59\], and there are 60 samples"),
        ({"labels": COLUMN / 2}, "A quantity is no class"),
        ({"labels": COLUMN * 1.0}, r"`labels = labels.astype\(\"int64\"\)`"),
        ({"labels": COLUMN[:, None]}, r"`labels = labels.reshape\(-1\)`"),
        ({"labels": np.eye(3)[COLUMN]}, r"`labels = labels.argmax\(axis=1\)`"),
        ({"labels": COLUMN * 0}, "all 60 samples are of one class, 0"),
        ({"labels": COLUMN, "classes": NAMES[:2]}, "'labels' holds 2, which 'classes' does not"),
        ({"labels": COLUMN - 1, "classes": NAMES}, "'labels' holds -1, which 'classes' does not"),
        ({"classes": (*NAMES, "down")}, "no sample is of the class down"),
        ({"split": ["here"] * 60}, "'split' says here. Its words are train, val and test"),
        ({"split": np.zeros(60)}, "'split' must be text, train, val or test for each of 60"),
        ({"split": ["train"] * 59 + ["test"], "labels": [0, 1] * 29 + [0, 2]}, "no training sam"),
        ({"groups": [0, 1] * 30}, "2 groups in .* are too few for three splits. Give more groups"),
        ({"groups": np.zeros((60, 2))}, "'groups' must be an integer or text for each sample"),
        ({"labels": [0] * 58 + [1] * 2}, "there are fewer of 1 .2.. .* an array 'split' with"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_paragraph(
    changes: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    said = refused(write(tmp_path / "a.npz", **changes))
    assert re.search(message.replace("(and", r"\(and").replace("more)", r"more\)"), said), said
    assert f"{tmp_path / 'a.npz'}" in said


def test_the_line_that_leaves_gaps_out_does(tmp_path: Path) -> None:
    values = hole(np.nan)
    said = refused(write(tmp_path / "a.npz", values=values))
    (line,) = re.findall("`keep = (.*?)`", said)
    keep = eval(line, {"np": np, "values": values})
    assert keep.tolist().count(False) == 2
    loaded(write(tmp_path / "b.npz", values=values[keep], labels=series()["labels"][keep]))


def test_what_is_no_file_of_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert "is not a file; give an .npz with values and labels" in refused(path)
    path.write_bytes(b"PK\x03\x04 broken")
    assert f"data set arrays: {path} cannot be read as .npz" in refused(path)
    with pytest.raises(InputError, match="needs a file: give it with --data FILE"):
        datasets.DATASETS["arrays"].load(DatasetConfig(name="arrays"))


def test_the_same_values_in_two_given_splits_end_the_run(tmp_path: Path) -> None:
    values, split = series()["values"], np.array(["train", "train", "train", "val", "test"] * 12)
    values[4] = values[1]
    path = write(tmp_path / "a.npz", values=values, split=split)
    said = refused(path)
    assert "1 pair of samples of the same bytes: values[1] (train) = values[4] (test)" in said
    assert len(loaded(path, allow_leaks=True)[Split.TEST]) == 12


def test_copies_are_in_one_split_and_pauses_are_no_copies(tmp_path: Path) -> None:
    values = series()["values"]
    values[30:60] = values[:30]
    values[::10] = 0.0
    path = write(tmp_path / "a.npz", values=values)
    data = loaded(path)
    held = [{one.tobytes() for one in np.asarray(data[s].raw) if one.any()} for s in Split]
    assert sum(map(len, held)) == len(set.union(*held))
    assert sum(len(data[split]) for split in Split) == 60
    assert "Samples with the values of an earlier one: 27." in notes(path)


def test_the_notes_say_what_there_is(tmp_path: Path) -> None:
    said = notes(write(tmp_path / "a.npz", classes=NAMES))
    assert "60 samples (36 train, 9 val, 15 test)." in said
    assert "3 classes, training samples: ahead 12, aside 12, up 12." in said
    assert "a series of 12 steps of 3 channels" in said
    turned = notes(write(tmp_path / "b.npz", values=series()["values"].transpose(0, 2, 1)))
    assert "`values = values.transpose(0, 2, 1)`" in turned


@pytest.mark.parametrize("name", ["values", "x", "data", "features"])
def test_a_model_is_measured_on_the_same_file(name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{name: series()["values"], "labels": COLUMN})
    found = samples.read(tmp_path / "a.npz", tmp_path)
    assert (found.count, found.shape) == (60, (12, 3))
    assert found.labels is not None
    assert found.labels.tolist() == COLUMN.tolist()


def test_floats_that_are_no_pixels_are_sent_to_this_data_set(tmp_path: Path) -> None:
    images = {"images": series()["values"], "labels": COLUMN}
    for number, arrays in enumerate((images, series())):
        path = tmp_path / f"{number}.npz"
        np.savez(path, **arrays)
        with pytest.raises(InputError, match='another data set: dataset\\.name = "arrays"'):
            datasets.DATASETS["npz"].load(DatasetConfig(name="npz", path=path))

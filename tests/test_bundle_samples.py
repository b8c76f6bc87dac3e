"""The test samples that a run keeps for the receiver of its files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.splits import Dataset, Split
from pipeline.reporting.schema.predictions import read as predictions
from targets.bundle import samples
from targets.bundle.samples import CLEAR, KeptSample, choose
from targets.bundle.stamping import stamp
from targets.errors import InputError
from targets.files.digest import file_sha256
from tests.picture_models import delivered
from tests.test_snippets import facts


def test_the_classes_take_turns_and_the_clear_samples_come_first() -> None:
    labels = [0, 0, 0, 1, 1, 2]
    lowest = np.array([0.5, 0.9, 0.55, 0.7, 0.99, 0.2])
    assert choose(labels, lowest) == [1, 3, 5, 2, 4, 0]
    assert choose(labels, lowest, most=4) == [1, 3, 5, 2]


def test_of_many_classes_some_from_the_first_to_the_last_are_taken() -> None:
    found = choose(list(range(100)), np.ones(100), most=4)
    assert found == [0, 33, 66, 99]


def test_a_class_without_samples_and_samples_without_agreement_are_left_out() -> None:
    assert choose([0, 2, 2], np.array([np.nan, 0.9, np.nan])) == [1]
    assert choose([0], np.array([np.nan])) == []


def test_a_run_keeps_inputs_as_its_files_take_them(run: Path, stripes_data: Dataset) -> None:
    test = stripes_data[Split.TEST]
    found = predictions(run / "predictions" / "local.json")
    kept = samples.read(run).samples
    assert len(kept) == samples.MOST
    for sample in kept:
        raw = samples.read_input(run / "samples" / sample.file, shape=(12, 12, 1))
        assert np.array_equal(raw, test.raw[sample.index])
        assert sample.label == stripes_data.classes[test.labels[sample.index]]
        for name, got in sample.predicted.items():
            assert got == stripes_data.classes[found.models[name].predicted[sample.index]]


def test_most_of_what_a_run_keeps_is_clear(run: Path) -> None:
    found = predictions(run / "predictions" / "local.json")
    students = [one for name, one in found.models.items() if name.startswith("student")]
    first = samples.read(run).samples[:16]
    assert all(one.confidence[sample.index] >= CLEAR for sample in first for one in students)


@pytest.mark.parametrize("shape", [(5, 4, 1), (5, 4, 3), (5, 4, 2), (7,)])
def test_every_input_comes_back_in_every_bit(shape: tuple[int, ...], tmp_path: Path) -> None:
    raw = np.random.default_rng(0).integers(0, 256, (3, *shape)).astype(np.uint8)
    suffix = samples.suffix(raw)
    assert suffix == ("png" if shape[-1] in (1, 3) else "npy")
    chosen = {
        place: KeptSample(file=f"{place:02d}.{suffix}", index=place, label="a", predicted={})
        for place in (2, 0)
    }
    samples.write(tmp_path / "samples", raw, chosen)
    kept = samples.read(tmp_path).samples
    assert [one.index for one in kept] == [2, 0]
    for one in kept:
        found = samples.read_input(tmp_path / "samples" / one.file, shape=shape)
        assert np.array_equal(found, raw[one.index])


def test_an_input_of_another_shape_is_refused(tmp_path: Path) -> None:
    samples.write_input(tmp_path / "a.npy", np.zeros(3, np.float32))
    with pytest.raises(InputError, match=r"input of \[3\], not of \[4\]"):
        samples.read_input(tmp_path / "a.npy", shape=(4,))


@pytest.mark.parametrize("name", ["../secret.png", "a/b.png", "a.pkl", ".png", "a.png\n"])
def test_a_sample_is_a_file_of_the_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    text = samples.Samples(samples=()).model_dump_json(by_alias=True)
    row = f'{{"file":{name!r},"index":0,"label":"a","predicted":{{}}}}'.replace("'", '"')
    (tmp_path / "samples" / "samples.json").write_text(text.replace("[]", f"[{row}]"))
    with pytest.raises(InputError, match=r"samples\.0\.file"):
        samples.read(tmp_path)


def test_a_teacher_of_another_size_is_compared_on_noise(tmp_path: Path) -> None:
    models = tmp_path / "run" / "models"
    models.mkdir(parents=True)
    path = delivered(models / "teacher.onnx")
    found = facts("onnx")
    model = replace(found.models[0], file="models/teacher.onnx", sha256=file_sha256(path))
    raw = np.zeros((2, 12, 12, 1), np.uint8)
    stamped = stamp(tmp_path / "run", tmp_path / "bundle", found, model, raw)
    assert stamped.logits is None
    assert stamped.path.read_bytes() != path.read_bytes()
    raw = np.zeros((2, 8, 8, 3), np.uint8)
    stamped = stamp(tmp_path / "run", tmp_path / "bundle", found, model, raw)
    assert stamped.logits is not None
    assert stamped.logits.shape == (2, 3)

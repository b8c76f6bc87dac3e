"""A teacher that does not fit the data is refused with the cause."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.splits import Dataset, Samples, three_way
from pipeline.recipe.training import TeacherConfig
from pipeline.teachers import open_teacher
from pipeline.teachers.check import best_order, require_teaches
from targets.errors import InputError
from tests.conftest import stripes
from tests.teacher_files import TO_1, onnx_file


def test_the_label_order_is_named_and_the_remedy_helps(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data, columns=(1, 2, 0))
    with pytest.raises(InputError, match=r'another order: .*\["down", "slanted", "across"\]'):
        require_teaches(open_teacher(path, TO_1, stripes_data), stripes_data)
    wrong = TO_1.model_copy(update={"classes": ("slanted", "down", "across")})
    with pytest.raises(InputError, match=r'Correct .*\["down", "slanted", "across"\]'):
        require_teaches(open_teacher(path, wrong, stripes_data), stripes_data)
    right = TO_1.model_copy(update={"classes": ("down", "slanted", "across")})
    assert require_teaches(open_teacher(path, right, stripes_data), stripes_data).top1 > 0.9


def test_two_exchanged_classes_are_noticed_above_chance(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    many = stripes(samples=1200)
    samples = Samples(raw=many["images"][..., None], labels=many["labels"])
    data = replace(
        stripes_data,
        splits=three_way(samples, validation=0.5, test=0.25, seed=0, name="stripes"),
    )
    path = onnx_file(tmp_path / "t.onnx", data, columns=(0, 2, 1))
    with pytest.raises(InputError, match=r'right for 3\d\.\d % .*\["across", "slanted", "down"\]'):
        require_teaches(open_teacher(path, TO_1, data), data)


def test_the_normalisation_is_named_and_the_remedy_helps(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data)
    with pytest.raises(InputError, match=r"no better than chance: right for \d") as error:
        require_teaches(open_teacher(path, TeacherConfig(), stripes_data), stripes_data)
    message = "The cause is the normalisation: with pixels from 0 to 1 it is right for"
    assert message in str(error.value)
    assert "Set teacher.scale = 0.00392156863 and teacher.offset = 0." in str(error.value)


def test_a_network_that_learnt_nothing_gets_all_the_likely_causes(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    noise = replace(
        stripes_data,
        splits={
            part: Samples(
                raw=samples.raw, labels=random.permutation(samples.labels).astype(np.int64)
            )
            for part, samples in stripes_data.splits.items()
        },
    )
    teacher = open_teacher(onnx_file(tmp_path / "t.onnx", stripes_data), TO_1, noise)
    causes = r"chance.*label order .*teacher\.classes.*normalisation.*channels"
    with pytest.raises(InputError, match=causes):
        require_teaches(teacher, noise)


def test_probabilities_taken_for_logits_and_the_reverse_are_explained(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    soft = onnx_file(tmp_path / "soft.onnx", stripes_data, softmax=True)
    with pytest.raises(InputError, match=r'gives probabilities .* Set teacher.output = "prob'):
        require_teaches(open_teacher(soft, TO_1, stripes_data), stripes_data)
    hard = onnx_file(tmp_path / "hard.onnx", stripes_data)
    cfg = TO_1.model_copy(update={"output": "probabilities"})
    with pytest.raises(InputError, match="do not sum to 1"):
        require_teaches(open_teacher(hard, cfg, stripes_data), stripes_data)


def test_nan_from_a_teacher_is_an_error_of_its_own(stripes_data: Dataset, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "t.onnx", stripes_data)
    cfg = TeacherConfig.model_construct(**{**dict(TO_1), "scale": float("nan")})
    with pytest.raises(InputError, match=r"gives NaN or infinity for \d+ of \d+ validation"):
        require_teaches(open_teacher(path, cfg, stripes_data), stripes_data)


def test_the_best_order_takes_each_output_once() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    predicted = np.array([1, 1, 1, 1, 1, 0, 2, 2, 0])
    assert best_order(np.eye(3)[predicted].astype(np.float32), labels) == [1, 0, 2]

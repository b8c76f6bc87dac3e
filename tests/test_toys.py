"""A plug-in is one module: a toy of every kind goes through the contracts and the whole lane."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets import DATASETS
from pipeline.datasets.contract import DatasetSource
from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.progress import SilentConsole
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from pipeline.losses import FEATURE_LOSSES, LOSSES
from pipeline.losses.contract import DistillationLoss, FeatureLoss
from pipeline.models import STUDENTS, TEACHERS
from pipeline.models.contract import NetworkFamily
from pipeline.recipe.load import Override, load, parse_override
from pipeline.recipe.schema import DatasetConfig
from pipeline.recipe.section import NoSettings
from pipeline.teachers import TEACHER_FILES, kind_of, open_teacher
from pipeline.teachers.check import require_teaches
from pipeline.teachers.contract import TeacherFile, TeacherFileConfig
from pipeline.training.augmentation.images import ImageViews
from targets.errors import InputError
from targets.registry import Registry
from tests.conftest import THREADS
from tests.toys import plugged_in

RECIPE = f"""
schema = "recipe/1"
name = "toys"
threads = {THREADS}

[dataset]
name = "toy"
samples = 480

[teacher]
widths = [8, 8]
blocks = 1
epochs = 2
learning_rate = 0.02

[logits]
views = 1

[distill]
family = "toy"
filters = 4
loss = "toy"
parameters.scale = 100.0
features = "toy"
epochs = 2
batch_size = 32

[quantize]
epochs = 1
calibration_samples = 256

[bench]
enabled = false
"""


@pytest.fixture(autouse=True)
def toys() -> Iterator[None]:
    with plugged_in():
        yield


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "toys.toml"
    path.write_text(RECIPE)
    return path


@pytest.mark.parametrize(
    ("registry", "contract"),
    [
        (STUDENTS, NetworkFamily),
        (TEACHERS, NetworkFamily),
        (LOSSES, DistillationLoss),
        (FEATURE_LOSSES, FeatureLoss),
        (DATASETS, DatasetSource),
        (TEACHER_FILES, TeacherFile),
    ],
    ids=lambda value: getattr(value, "axis", ""),
)
def test_every_plug_in_has_the_members_of_its_contract(
    registry: Registry[object], contract: type[object]
) -> None:
    assert len(registry) == len(registry.values()) >= 2
    assert all(isinstance(plugin, contract) for plugin in registry.values())


def test_toys_of_one_module_each_go_through_the_whole_lane(
    recipe_file: Path, tmp_path: Path
) -> None:
    runner = Runner(
        recipe=load(str(recipe_file)),
        store=Store(tmp_path / "store"),
        console=SilentConsole(),
        force=(),
    )
    folders = {step.name: step.folder for step in runner.run(tmp_path / "out")}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["dataset"]["train"] == 288
    assert report["recipe"]["dataset"]["samples"] == 480
    assert report["recipe"]["distill"]["filters"] == 4
    (student,) = (row for row in report["models"] if row["name"] == "student.int8.tflite")
    # 3x3 convolution, batch norm (2 trained and 2 measured values per filter), dense layer.
    assert student["parameters"] == 9 * 4 + 4 * 4 + (4 + 1) * 2
    history = Path(folders["distill"] or "") / "history.jsonl"
    first = json.loads((tmp_path / "store" / history).read_text().splitlines()[0])
    assert first["loss"] > 10  # times `scale`; the cross-entropy of two classes starts near 0.7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "distill.filtres=8",
            "--set distill.filtres: unknown key; did you mean 'distill.filters'? Known: seed, ",
        ),
        ("distill.filters=0", "--set distill.filters: Input should be greater than or equal to 1"),
        ("distill.filters=many", "--set distill.filters: Input should be a valid integer"),
        ("distill.settings=1", "--set distill.settings: unknown key"),
        ("distill.family=fused", "toys.toml: distill.filters: unknown key"),
        ("distill.family=toi", "--set distill.family: unknown student family 'toi'; did you mean"),
        ("dataset.sampels=8", "--set dataset.sampels: unknown key; did you mean 'dataset.samples'"),
        ("distill.loss=toi", "--set distill.loss: unknown loss 'toi'; did you mean 'toy'?"),
        ("distill.parameters.scala=1", "distill: loss toy has no parameter 'scala'; it has: scale"),
        ("distill.features=toi", "--set distill.features: unknown feature loss 'toi'; did you"),
    ],
)
def test_a_mistake_in_a_plug_ins_settings_is_explained_like_any_other(
    recipe_file: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError) as error:
        load(str(recipe_file), [parse_override(text)])
    assert message in str(error.value)


def test_a_recipe_is_read_back_from_its_dump(recipe_file: Path) -> None:
    recipe = load(str(recipe_file), [Override("distill.filters", 8, "--set")])
    tree = recipe.model_dump(mode="json", by_alias=True)
    assert type(recipe).model_validate(tree) == recipe
    assert tree["distill"]["filters"] == 8


@pytest.mark.parametrize("name", ["digits", "npz", "npy", "toy"])
def test_a_data_set_has_three_disjoint_stratified_splits_and_a_stable_digest(
    name: str, data_file: Path, tmp_path: Path
) -> None:
    path = {"npz": data_file, "npy": tmp_path}.get(name)
    if name == "npy":
        with np.load(data_file) as arrays:
            np.save(tmp_path / "images.npy", arrays["images"])
            np.save(tmp_path / "labels.npy", arrays["labels"])
    cfg = DatasetConfig(name=name, path=path)
    data = DATASETS[name].load(cfg)
    assert data.sha256 == DATASETS[name].source_digest(cfg) == datasets.source_digest(cfg)
    train, val, test = ({image.tobytes() for image in data[split].raw} for split in Split)
    assert train.isdisjoint(val | test)
    assert val.isdisjoint(test)
    shares = [np.bincount(data[s].labels) / len(data[s]) for s in Split]
    assert len(shares[0]) == len(data.classes)
    assert np.abs(np.array(shares) - shares[0]).max() < 0.02
    assert data.input.shape == data[Split.TEST].raw.shape[1:]


def test_a_data_set_without_settings_has_no_keys_of_its_own(recipe_file: Path) -> None:
    assert DATASETS["digits"].Settings is NoSettings
    with pytest.raises(InputError, match=r"dataset\.samples: unknown key"):
        load("digits", [parse_override("dataset.samples=240")])


@pytest.fixture
def bright_and_dark() -> Dataset:
    return datasets.load(DatasetConfig(name="toy"))


def test_a_toy_teacher_file_teaches(bright_and_dark: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "teacher.brightness"
    path.write_text("50\n150\n")
    assert kind_of(path) == "toy"
    teacher = open_teacher(path, TeacherFileConfig(), bright_and_dark)
    assert require_teaches(teacher, bright_and_dark).top1 == 1


@pytest.mark.parametrize("content", ["dark bright", "50"])
def test_a_teacher_file_that_does_not_fit_is_an_input_error(
    content: str, bright_and_dark: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "teacher.brightness"
    path.write_text(content)
    with pytest.raises(InputError, match=r"teacher .*teacher\.brightness: "):
        open_teacher(path, TeacherFileConfig(), bright_and_dark)


def test_the_old_name_of_a_table_works_and_names_the_new_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.toml"
    path.write_text('name = "old"\n[views]\nshift = 3\n')
    recipe = load(str(path), [parse_override("views.cutout=1")])
    assert recipe.augmentation.views == ImageViews(shift=3, cutout=1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"{path}: [views] has a new name, [augmentation]; the old one still works.",
        "--set views.cutout has a new name, augmentation.cutout; the old one still works.",
    ]
    assert "augmentation" in recipe.model_dump()


def test_both_names_of_a_table_in_one_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "both.toml"
    path.write_text('name = "both"\n[views]\nshift = 3\n[augmentation]\nshift = 2\n')
    with pytest.raises(InputError, match=r"both\.toml: views is the old name of augmentation"):
        load(str(path))
    path.write_text('name = "both"\n[views]\nshift = 3\n')
    with pytest.raises(InputError, match=r"--set views\.shfit: unknown key; did you mean"):
        load(str(path), [parse_override("views.shfit=3")])

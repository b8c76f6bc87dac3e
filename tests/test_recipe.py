"""Every mistake in a recipe is an error before anything runs: key, known names, the nearest."""

from pathlib import Path

import pytest

from pipeline.models import resnet
from pipeline.recipe.load import Override, built_in, load, parse_override
from pipeline.recipe.schema import Recipe
from pipeline.training.augmentation.images import ImageViews
from targets.errors import InputError


def loaded(*sets: str) -> Recipe:
    return load("digits", [parse_override(text) for text in sets])


def refused(*sets: str) -> str:
    with pytest.raises(InputError) as error:
        loaded(*sets)
    return str(error.value)


@pytest.mark.parametrize("name", sorted(built_in()))
def test_every_built_in_recipe_is_valid_and_bears_its_name(name: str) -> None:
    recipe = load(name)
    assert recipe.name == name
    assert recipe.about.summary


def test_an_override_is_a_toml_value_or_else_a_string() -> None:
    recipe = loaded(
        "distill.temperature=2", "augmentation.flip=true", "distill.family=mobilenet_v2"
    )
    assert recipe.distill.temperature == 2.0
    assert recipe.augmentation.views == ImageViews(shift=2, flip=True)
    assert recipe.distill.family == "mobilenet_v2"
    assert loaded("teacher.widths=[8, 16]").teacher.settings == resnet.Settings(widths=(8, 16))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "distill.temprature=2",
            "--set distill.temprature: unknown key; did you mean 'distill.temp",
        ),
        ("distil.temperature=2", "unknown key; did you mean 'distill'?"),
        ("distill=2", "a table; set one of its keys"),
        ("distill.temperature.deep=2", "is a value and has no keys"),
        ("distill.temperature=0", "--set distill.temperature: Input should be greater than 0, not"),
        ("distill.temperature=nan", "--set distill.temperature: Input should be a finite number"),
        ("distill.alpha=1.5", "less than or equal to 1"),
        ("distill.epochs=0", "greater than or equal to 1"),
        ("distill.epochs=two", "should be a valid integer"),
        ("distill.family=mobilenet_v3", "did you mean 'mobilenet_v"),
        (
            "dataset.name=digit",
            "unknown dataset 'digit'; did you mean 'digits'? Known: arrays, c",
        ),
        ('bench.devices=["foo://x"]', "bench.devices: foo://x: is not the address of a device."),
        ('convert.targets=["tflit"]', "unknown target 'tflit'; did you mean 'tflite'? Known: onnx"),
        ('bench.devices=["locl"]', "unknown device 'locl'; did you mean 'local'?"),
        (
            "convert.targets=[]",
            '--set convert.targets: give at least 1, such as ["tflite"], not [].',
        ),
        ("ablation.seeds=[]", "--set ablation.seeds: give at least 1, such as [0, 1, 2], not []."),
        ("teacher.widths=[8]", "give at least 2, such as [32, 64, 128], not [8]."),
        (
            'convert.precisions=["int4"]',
            "--set convert.precisions: unknown precision 'int4'; did you mean 'int8'? Known: "
            "dynamic, float16, float32, int16x8, int8, int8_ptq.",
        ),
        ("distill.epochs=true", "should be a valid integer"),
        ("convert.targets=tflite", 'Input should be a list, such as ["tflite"], not'),
        ("threads=99999999999", "less than or equal to 1024"),
        ("dataset.split_seed=-1", "greater than or equal to 0"),
        ("bench.max_duration_s=1", "bench: max_duration_s must not be less than min_duration_s"),
        ("name=" + "x" * 300, "at most 80 characters"),
        ("name=../up", "use letters, digits, '.', '_' and '-', and begin"),
        ("seed=-1", "greater than or equal to 0"),
        ("distill.temperature", "expected KEY=VALUE"),
        ('distill.loss=["kd"]', "--set distill.loss: Input should be a valid string"),
        ("distill.parameters.others_weight=2", "distill: loss kd has no parameter 'others_weight'"),
        ("ablation.seeds=[0, -1]", "--set ablation.seeds: Input should be greater than or"),
        ("ablation.seeds=[1, 0, 1]", "ablation: a seed is listed twice"),
    ],
)
def test_a_wrong_override_is_explained(text: str, message: str) -> None:
    assert message in refused(text)


def test_a_wrong_item_of_a_list_is_one_mistake() -> None:
    assert refused('convert.precisions=["int4"]').count("convert.precisions") == 1


def test_one_parameter_of_a_loss_is_set_and_the_others_stay_as_published() -> None:
    recipe = loaded("distill.loss=dkd", "distill.parameters.others_weight=2")
    assert recipe.distill.parameters == {"target_weight": 1.0, "others_weight": 2.0}


def test_a_conflict_of_two_tables_is_an_error_of_the_file() -> None:
    message = refused("teacher.file=t.onnx", "distill.features=rkd")
    assert message.startswith("digits.toml: distill.features: rkd needs the teacher's layers")


def test_an_override_cannot_smuggle_in_a_second_one() -> None:
    assert "valid integer" in refused("seed=1\nname='x'")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbf" + b'name = "windows"')
    assert load(str(path)).name == "windows"


def test_a_wrong_key_in_a_file_is_explained_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[distill]\ntemprature = 2\n[teacher]\nepochs = 0\n')
    with pytest.raises(InputError) as error:
        load(str(path))
    assert "mine.toml: distill.temprature: unknown key; did you mean 'distill.temperature'?" in str(
        error.value
    )
    assert "mine.toml: teacher.epochs: Input should be greater than or equal to 1" in str(
        error.value
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [("[distill", "not valid TOML"), ("", "name: Field required"), ("distill = 3", "distill: ")],
)
def test_a_broken_file_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load(str(path))


def test_an_override_into_a_table_that_is_none_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text('name = "x"\ndistill = 3\n')
    with pytest.raises(InputError, match=r"--set distill\.epochs: 'distill' is a value"):
        load(str(path), [parse_override("distill.epochs=1")])


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown recipe 'digit'; did you mean 'digits'\?"):
        load("digit")
    with pytest.raises(InputError, match="cannot be read"):
        load("missing.toml")


def test_an_option_is_named_as_the_user_wrote_it() -> None:
    with pytest.raises(InputError, match=r"^--target: unknown target 'tflit'"):
        load("digits", [Override("convert.targets", ("tflit",), "--target")])


def test_the_loss_is_carried_into_quantization_aware_training() -> None:
    recipe = loaded("distill.loss=dkd", "distill.parameters.others_weight=2")
    assert (recipe.quantize.loss, recipe.quantize.temperature) == ("dkd", 4.0)
    assert recipe.quantize.parameters == recipe.distill.parameters
    assert loaded("distill.temperature=2").quantize.temperature == 2.0
    own = loaded("distill.loss=dkd", "distill.temperature=2", "quantize.loss=kd").quantize
    assert (own.loss, own.temperature, own.alpha) == ("kd", 4.0, 0.9)


@pytest.mark.parametrize("loss", [(), ("quantize.loss=kd",)])
def test_the_loss_on_labels_is_carried_into_quantization_aware_training(
    loss: tuple[str, ...],
) -> None:
    distill = ("distill.balance=weights", "distill.label_smoothing=0.1")
    recipe = loaded(*distill, *loss)
    assert (recipe.quantize.balance, recipe.quantize.label_smoothing) == ("weights", 0.1)
    own = loaded(*distill, "quantize.balance=none", *loss).quantize
    assert (own.balance, own.label_smoothing) == ("none", 0.1)


def test_frozen_layers_may_come_from_the_teacher() -> None:
    teacher = 'teacher={family = "mobilenet_v1"}'
    recipe = loaded(teacher, 'distill={init = "teacher", freeze_batch_norm = true}')
    assert recipe.distill.freeze_batch_norm


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("teacher.scale=0.5", "teacher.scale: describes a teacher's file"),
        ("distill.feature_weight=2", "distill.feature_weight: without distill.features"),
        ('distill={init = "teacher"}', "distill.init: teacher needs one family"),
        ("teacher.frozen_share=0.5", "teacher.frozen_share: keeps layers at their initial weights"),
        ("distill.freeze_batch_norm=true", "which are random here; set distill.weights"),
        ("quantize.freeze_batch_norm=true", "quantize.freeze_batch_norm: unknown key"),
        ("quantize.frozen_share=0.5", "quantize.frozen_share: unknown key"),
        ("quantize.mixed_precision=true", "quantize.mixed_precision: unknown key"),
    ],
)
def test_what_would_be_ignored_is_explained(text: str, message: str) -> None:
    assert message in refused(text)


@pytest.mark.parametrize(
    ("teacher", "weights", "message"),
    [
        ('file = "t.keras"', "", "distill.init: teacher needs the teacher's layers"),
        ('family = "mobilenet_v1"', 'weights = "a.npz"', "exclude each other"),
    ],
)
def test_a_student_inherits_only_from_a_teacher_that_is_trained_here(
    teacher: str, weights: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "inherits.toml"
    path.write_text(f'name = "x"\n[teacher]\n{teacher}\n[distill]\ninit = "teacher"\n{weights}\n')
    with pytest.raises(InputError, match=message):
        load(str(path))


def test_a_family_for_teachers_only_lists_the_students() -> None:
    message = refused("distill.family=efficientnet_v2b0")
    assert "for teachers only" in message
    assert "efficientnet_lite0" in message


def test_the_known_keys_of_a_table_are_listed_once() -> None:
    mistakes = [Override(f"distill.x{number}", 1, "--set") for number in range(3)]
    with pytest.raises(InputError) as caught:
        load("digits", mistakes)
    assert str(caught.value).count("unknown key") == 3
    assert str(caught.value).count("Known: ") == 1

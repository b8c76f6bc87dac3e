"""Data of every kind: which networks take them, which keys a recipe has, how they are changed."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets import DATASETS
from pipeline.datasets.splits import Dataset, Samples, Split, hold_out, three_way
from pipeline.models import STUDENTS, TEACHERS
from pipeline.models.contract import why_no_int8
from pipeline.models.network import NetworkSpec, build
from pipeline.recipe.load import Source, parse_override
from pipeline.recipe.schema import DatasetConfig, Recipe
from pipeline.recipe.training import TrainingConfig
from pipeline.search.space import space_of
from pipeline.training.augmentation import VIEWS, ViewSettings, mixup, training_view
from pipeline.training.loop import batches
from targets.errors import InputError
from targets.formats.front_end import SoundFrontEnd
from targets.formats.input_kinds import WORDS
from targets.formats.input_spec import (
    InputSpec,
    array_input,
    image_input,
    token_input,
    waveform_input,
)
from tests.tasks import small_task
from tests.toys import plugged_in

INPUTS = {
    "image": image_input(64, 64, 3),
    "waveform": waveform_input(16_000, SoundFrontEnd(rate=16_000)),
    "tokens": token_input(40, 500),
    "array": array_input(49, 10, 1),
}
LINES = Source(place="lines.toml", tree={"name": "lines", "dataset": {"name": "lines"}})
IMAGES = Source(place="images.toml", tree={"name": "images"})


@pytest.fixture(autouse=True)
def toys() -> Iterator[None]:
    with plugged_in():
        yield


def with_sets(source: Source, *sets: str) -> Source:
    return source.with_values([parse_override(text) for text in sets])


def refused(source: Source, *sets: str) -> str:
    with pytest.raises(InputError) as error:
        with_sets(source, *sets).recipe()
    return str(error.value)


def test_every_kind_has_an_input_and_words() -> None:
    assert INPUTS.keys() == WORDS.keys() >= set(VIEWS)
    assert all(kind == spec.kind for kind, spec in INPUTS.items())
    assert INPUTS["waveform"].features == (49, 10, 1)


def cases() -> Iterator[tuple[str, str, str]]:
    """Role, family and kind, once for features of one form; images are in `test_models`."""
    seen = set()
    for role, registry in (("student", STUDENTS), ("teacher", TEACHERS)):
        for family in registry:
            for kind in registry[family].TAKES:
                built = (family, INPUTS[kind].features)
                if kind != "image" and built not in seen:
                    yield role, family, kind
                seen.add(built)


@pytest.mark.parametrize(("role", "family", "kind"), [*cases(), ("student", "toy", "waveform")])
def test_a_family_gives_logits_for_every_kind_that_it_takes(
    role: Any, family: str, kind: str
) -> None:
    spec = NetworkSpec(role=role, family=family, settings={}, input=INPUTS[kind], classes=12)
    model = build(spec)
    assert model.input_shape == (None, *INPUTS[kind].features)
    assert model.output_shape == (None, 12)


def test_a_teacher_of_photos_does_not_take_sounds() -> None:
    of_images = {name for name in TEACHERS if "image" in TEACHERS[name].TAKES}
    assert {name for name in of_images if "waveform" not in TEACHERS[name].TAKES} == {
        "efficientnet_v2b0",
        "resnet50v2",
    }


@pytest.fixture
def lines() -> Dataset:
    return datasets.load(DatasetConfig(name="lines"))


@pytest.mark.parametrize("name", ["digits", "toy", "lines"])
def test_a_data_set_is_of_the_kind_that_it_says(name: str) -> None:
    data = datasets.load(DatasetConfig(name=name))
    assert data.input.kind == DATASETS[name].KIND
    assert data.input.shape == data[Split.TEST].raw.shape[1:]
    assert data.input.dtype == data[Split.TEST].raw.dtype


def test_the_keys_of_augmentation_are_those_of_the_kind() -> None:
    """And the kind is no key: it is in no dump."""
    images, arrays = IMAGES.recipe(), LINES.recipe()
    assert type(images.augmentation.views) is VIEWS["image"].Settings
    assert type(arrays.augmentation.views) is VIEWS["array"].Settings
    assert arrays.model_dump()["augmentation"] == {}
    assert "kind" not in images.model_dump()["augmentation"]
    for one in (images, arrays):
        assert Recipe.model_validate(one.model_dump(mode="json", by_alias=True)) == one


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (
            ("augmentation.flip=true",),
            "--set augmentation.flip: unknown key: it is for images, and the data set holds "
            "samples. Known: none.",
        ),
        (("augmentation.flipp=true",), "--set augmentation.flipp: unknown key. Known: none."),
        (("augmentation.kind=image",), "augmentation.kind: is that of the data set, which holds s"),
        (("dataset.size=16",), "dataset.size: is for images, and the data set lines holds samples"),
        (("teacher.size=64",), "teacher.size: is for images, and the data set lines holds sam"),
        (("teacher.cutout=3",), "teacher.cutout: is for images, and the data set lines holds sam"),
        (("distill.cutmix=1",), "distill.cutmix: is for images, and the data set lines holds sam"),
        (
            ("teacher={family = 'resnet50v2'}",),
            "teacher.family: resnet50v2 is for images, and the data set lines holds samples; "
            "families for them: resnet, wrn, ",
        ),
        (("teacher={}", "distill={batch_size = 63}", "workers=2"), "63 samples cannot be shared"),
    ],
)
def test_what_another_kind_of_data_has_is_refused(sets: tuple[str, ...], message: str) -> None:
    assert message in refused(LINES, *sets)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("augmentation.kind=tokens", "which holds images; leave it out."),
        ("augmentation.flop=true", "unknown key; did you mean 'augmentation.flip'?"),
        ("augmentation=3", "a table; set one of its keys: shift, flip, cutout"),
    ],
)
def test_a_mistake_in_the_augmentation_of_images_is_explained(text: str, message: str) -> None:
    found = refused(IMAGES, text)
    assert message in found
    assert "kind," not in found


def test_arrays_are_mixed_and_not_rounded() -> None:
    given = with_sets(LINES, "distill.mixup=0.4").recipe()
    assert given.distill.mixup == 0.4
    raw = np.random.default_rng(0).normal(size=(8, 5, 3, 1)).astype(np.float32)
    mix = mixup(8, alpha=0.4, seed=0, epoch=0, number=0)
    mixed = mix(raw)
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, mix.lam * raw + (1 - mix.lam) * raw[mix.partner], rtol=1e-5)


def test_a_view_of_an_array_is_the_array(lines: Dataset) -> None:
    cfg = VIEWS["array"].Settings()
    assert not cfg.changes
    index = np.array([3, 0, 3])
    shown = training_view(cfg, lines, seed=0, view=1).render(lines[Split.TRAIN], index)
    np.testing.assert_array_equal(shown, lines[Split.TRAIN].raw[index])


def test_the_loop_trains_on_arrays(lines: Dataset) -> None:
    task = small_task(
        lines, TrainingConfig(epochs=1, batch_size=16), augmentation=VIEWS["array"].Settings()
    )
    made = list(batches(task, 0))
    assert len(made) == len(lines[Split.TRAIN]) // 16
    assert all(batch.raw.dtype == np.float32 for batch in made)


@pytest.mark.parametrize("kind", VIEWS)
def test_plain_settings_change_nothing_and_say_how(kind: str) -> None:
    settings = VIEWS[kind].Settings
    assert not settings.plain().changes
    lines = settings().to_plain()
    table = ", ".join(line.removeprefix("augmentation.") for line in lines)
    given = settings.model_validate(read_table(table))
    assert not given.changes


def read_table(text: str) -> dict[str, object]:
    return cast(dict[str, object], parse_override(f"x={{{text}}}").value)


def test_settings_that_change_something_are_not_plain() -> None:
    class Louder(ViewSettings):
        gain_db: float = 0.0

    assert not Louder().changes
    assert Louder(gain_db=6).to_plain() == ("augmentation.gain_db = 0.0",)


def test_a_search_offers_the_families_that_take_the_data() -> None:
    found = space_of(LINES)
    assert "dataset.size" not in found.dimensions
    assert set(found.families()) == {
        name
        for name in STUDENTS
        if "array" in STUDENTS[name].TAKES and not why_no_int8(STUDENTS[name])
    }


def test_a_search_asks_each_family_for_the_precisions_that_it_has() -> None:
    families = "distill={family=['ds_cnn','gru']}"
    space = f"search.space={{{families},convert={{precisions=[['int8'],['dynamic']]}}}}"
    found = space_of(with_sets(LINES, space))
    offered = {one: found.offered("convert.precisions", one) for one in found.families()}
    choices = {name: one.dimension.choices for name, one in offered.items() if one}
    assert choices == {"ds_cnn": (["int8"], ["dynamic"]), "gru": (["dynamic"],)}
    with pytest.raises(InputError, match=r"convert.precisions: gru cannot be int8: the steps of"):
        space_of(with_sets(LINES, f"search.space={{{families}}}"))


@pytest.mark.parametrize(("kind", "word"), [("waveform", "clips"), ("tokens", "texts")])
def test_too_few_samples_are_called_what_they_are(kind: Any, word: str) -> None:
    few = Samples(raw=np.zeros((4, 3), np.int32), labels=np.array([0, 1, 0, 1]))
    with pytest.raises(InputError, match=f"4 {word} of 2 classes.*Give more {word} of"):
        three_way(few, validation=0.2, test=0.2, seed=0, name="x", kind=kind)
    with pytest.raises(InputError, match=f"4 {word} cannot be split.*Give more {word} of"):
        hold_out(few, 0.1, seed=0, name="x", kind=kind)


def test_an_input_without_a_spec_is_an_image_of_its_samples() -> None:
    data = datasets.load(DatasetConfig(name="toy"))
    assert data.spec is None
    assert data.input == InputSpec(shape=(8, 8, 1), scale=1 / 128, zero_point=128)


def test_one_sample_is_singular() -> None:
    assert [WORDS["waveform"].counted(count) for count in (1, 1200)] == ["1 clip", "1,200 clips"]

"""The space, the limits and the candidates of a search, and what is refused before it begins."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from pipeline.recipe.limits import parse
from pipeline.recipe.load import Override, Source, parse_override, read
from pipeline.recipe.schema import Recipe
from pipeline.recipe.search_space import PHOTOS, SMALL_IMAGES
from pipeline.reporting.schema.search import DeviceFigures, Figures
from pipeline.search import bench, best
from pipeline.search.limits import limits_of, missed, violations
from pipeline.search.optimizer import imported
from pipeline.search.space import described, space_of
from pipeline.search.study import Study
from pipeline.search.variants import candidate, with_values
from targets.errors import InputError


def source(space: str = "{}", *more: str, recipe: str = "digits") -> Source:
    return read(recipe, [parse_override(f"search.space={space}"), *map(parse_override, more)])


@pytest.mark.parametrize(
    ("text", "figure", "most"),
    [
        ("p90 <= 5 ms", "p90", 5e6),
        ("median<2.5us", "median", 2500),
        ("p90 <= 800 µs", "p90", 8e5),
        ("size <= 500 kB", "size", 5e5),
        ("size ≤ 1 MiB", "size", 2**20),
        ("memory <= 1e1 MB", "memory", 1e7),
    ],
)
def test_a_limit_has_a_figure_a_number_and_a_unit(text: str, figure: str, most: float) -> None:
    assert parse(text)[:2] == (figure, most)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p90 <= 5", "there is no unit"),
        ("p90 <= 5 kB", "no unit of p90"),
        ("size <= 5 ms", "no unit of size"),
        ("p99 <= 5 ms", "did you mean 'p90'"),
        ("p90 >= 5 ms", "is not a limit"),
        ("p90 <= 0 ms", "more than 0"),
        ("p90 <= -5 ms", "is not a limit"),
        ("p90 <= 1e999 ms", "more than 0"),
        ("p90 <= 1.2.3 ms", "is no number"),
        ("", "is not a limit"),
    ],
)
def test_a_wrong_limit_is_refused_with_the_remedy(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read("digits", [Override("search.limits", [text], "--limit")]).recipe()
    assert str(caught.value).startswith("--limit: ")


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ("{distill={famly=['resnet']}}", "famly.*no family.*family"),
        ("{distill={family=['resnett']}}", "did you mean 'resnet'"),
        ("{distill={family=['wrn']}}", "wrn"),
        ("{distil={epochs=[1]}}", "unknown key; did you mean 'distill'"),
        ("{distill={epochs=['many']}}", "search.space: distill.epochs: .*integer"),
        ("{distill={temperature={low=0, high=3}}}", "greater than 0"),
        ("{distill={temperature={low=4, high=2}}}", "must be less than"),
        ("{distill={temperature=3}}", "give a list of values"),
        ("{distill={temperature=[]}}", "at least 1"),
        ("{distill={epochs='default'}}", "has no default"),
        ("{distill={blocks=[1]}}", "no family of this search"),
        ("{convert={precisions=['int4']}}", "unknown precision 'int4'"),
        ("{seed=[1, 2]}", "cannot be searched"),
        ("{bench={devices=['local']}}", "cannot be searched"),
        ("{workers=[1, 2]}", "cannot be searched"),
        ("{dataset={validation=[0.1, 0.2]}}", "cannot be searched"),
        ("{convert={keep_float=[[], ['a']]}}", "cannot be searched"),
        ("{distill=[{family='resnet'}]}", "is a whole table"),
        ("{distill={temperature={low=true, high=3}}}", "valid number"),
        ("{distill={temperature={low='1', high='3'}}}", "valid number"),
        ("{distill={temperature={low=1, high=4, step=2}}}", "number of steps"),
        ("{distill={temperature={low=1, high=2, step=5}}}", "number of steps"),
        ("{distill={temperature=[2, 2.0]}}", "listed twice"),
        ("{distill={temperature={choices=[1], low=1, high=2}}}", "not both"),
        ("{distill={epochs={low=1, high=8, step=0.5}}}", "valid integer"),
    ],
)
def test_a_wrong_dimension_is_refused_before_anything_runs(space: str, says: str) -> None:
    with pytest.raises(InputError, match=f"(?s){says}"):
        space_of(source(space))


def test_which_pictures_are_read_is_no_dimension(tmp_path: Path) -> None:
    folder = ["dataset.name='folder'", f"dataset.path='{tmp_path}'"]
    with pytest.raises(InputError, match="skip_bad: cannot be searched"):
        space_of(source("{dataset={skip_bad=[true, false]}}", *folder))


@pytest.mark.parametrize("text", ["memory <= 5 MB", "  memory<5MB "])
def test_memory_is_measured_where_a_limit_asks_for_it(text: str) -> None:
    assert bench.limits_memory(limits_of(["size <= 1 MB", text]))
    assert not bench.limits_memory(limits_of(["size <= 1 MB"]))


def test_epochs_are_a_dimension_or_a_budget() -> None:
    space = "{distill={epochs=[4, 8]}}"
    assert space_of(source(space)).dimensions.keys() == {"distill.epochs"}
    with pytest.raises(InputError, match="epochs sets the"):
        space_of(source(space, "search.epochs=3"))


def test_a_range_of_whole_numbers_has_whole_steps(tmp_path: Path) -> None:
    """A recipe refuses 3.0 epochs, so that every trial would fail."""
    space = space_of(source("{distill={epochs={low=1, high=7, step=2}}}"))
    study = Study.open(tmp_path / "journal", space=space, seed=0, sampler="random")
    asked = [one for one in (study.ask() for _ in range(20)) if one is not None]
    found = [one.values["distill.epochs"] for one in asked]
    assert set(found) == {1, 3, 5, 7}
    assert all(type(value) is int for value in found)


def test_a_familys_own_key_is_offered_to_the_families_that_have_it() -> None:
    found = space_of(source("{distill={family=['fused','resnet'],blocks=[1,2]}}"))
    assert found.offered("distill.blocks", "fused") is None
    offered = found.offered("distill.blocks", "resnet")
    assert offered is not None
    assert offered.dimension.choices == (1, 2)


def test_each_family_is_offered_the_depths_that_it_can_have() -> None:
    depths = "[[1,2,2,6,2],[1,2,3,4,3,3,1]]"
    families = "['mobilenet_v1','mobilenet_v2']"
    space = f"{{distill={{family={families},depth={depths}}}}}"
    found = space_of(source(space))
    names = {
        name: found.offered("distill.depth", name) for name in ("mobilenet_v1", "mobilenet_v2")
    }
    assert [len(one.dimension.choices or ()) for one in names.values() if one] == [1, 1]
    assert len({one.name for one in names.values() if one}) == 2


def test_the_defaults_are_of_the_kind_of_data() -> None:
    assert space_of(source()).dimensions.keys() == SMALL_IMAGES.keys()
    photos = source("{}", "dataset.size=96")
    assert space_of(photos).dimensions.keys() == PHOTOS.keys()


def test_a_default_can_be_asked_for_by_its_key() -> None:
    found = space_of(source("{bench={threads='default'},distill={temperature=[3]}}"))
    assert found.dimensions["bench.threads"].choices == (1, 2, 4)
    assert found.dimensions.keys() == {"bench.threads", "distill.temperature"}


def test_another_family_does_not_keep_the_keys_of_the_recipes() -> None:
    recipe = source("{}", "distill.family=resnet", "distill.widths=[8,16]")
    found = candidate(recipe, {"distill.family": "fused", "distill.width_multiplier": 0.5})
    assert found.distill.settings.model_dump() == {"width_multiplier": 0.5}
    kept = candidate(recipe, {"distill.family": "resnet"})
    assert kept.distill.settings.model_dump()["widths"] == (8, 16)


def test_another_loss_has_its_published_settings() -> None:
    found = candidate(source(), {"distill.loss": "dkd"})
    published = read("digits", [Override("distill", {"loss": "dkd"}, "")]).recipe()
    assert found.distill.temperature == published.distill.temperature
    assert found.distill.parameters == published.distill.parameters
    mine = candidate(source(), {"distill.loss": "dkd", "distill.temperature": 3.0})
    assert mine.distill.temperature == 3.0
    assert mine.quantize.loss == "dkd", "the loss is carried into quantization-aware training"


VALUES: tuple[Mapping[str, JsonValue], ...] = ({}, {"convert.precisions": ["float32"]})


@pytest.mark.parametrize("values", VALUES)
def test_a_candidate_has_one_file_and_the_searchs_budget(values: Mapping[str, JsonValue]) -> None:
    more = ("convert.targets=['onnx','tflite']", "search.epochs=3", "gates.size_kb=1.0")
    found = candidate(source("{}", *more), values)
    assert found.convert.made == (("float32",) if values else ("int8",))
    assert found.convert.targets == ("onnx",)
    assert found.distill.epochs == 3
    whole = with_values(source("{}", *more), values).recipe()
    assert whole.distill.epochs == 18, "the recommended recipe has the full budget"
    assert whole.convert.targets == ("onnx", "tflite")


def figures(**devices: float) -> Figures:
    rows = [
        DeviceFigures(device=n, median_ns=p90 / 2, p90_ns=p90, p90_upper_ns=2 * p90, valid=True)
        for n, p90 in devices.items()
    ]
    return Figures(sha256="", size_bytes=400_000, devices=tuple(rows))


def test_the_device_that_misses_a_limit_by_most_is_named() -> None:
    limits = (parse("p90 <= 5 ms"), parse("size <= 500 kB"))
    (miss,) = missed(limits, figures(a=4e6, b=7e6, c=6e6))
    assert str(miss) == "p90 7.00 ms on b, limit p90 <= 5 ms"
    found = violations(limits, figures(a=4e6, b=7e6))
    assert found["p90 <= 5 ms"] > 0 > found["size <= 500 kB"]


def test_a_limit_is_surely_kept_only_with_the_upper_end() -> None:
    limits = (parse("p90 <= 5 ms"),)
    assert not missed(limits, figures(a=4e6))
    assert missed(limits, figures(a=4e6), surely=True)
    assert not missed(limits, figures(a=2e6), surely=True)


def test_values_read_like_a_sentence() -> None:
    values: dict[str, JsonValue] = {
        "distill.family": "fused",
        "distill.width_multiplier": 0.5,
        "convert.precisions": ["int8"],
        "distill.depth": [1, 2],
    }
    assert described(values) == "family fused, width_multiplier 0.5, precisions int8, depth [1, 2]"


def test_values_of_one_name_are_told_apart_by_their_tables() -> None:
    values: dict[str, JsonValue] = {"distill.epochs": 8, "quantize.epochs": 2}
    assert described(values) == "distill.epochs 8, quantize.epochs 2"


def test_the_recommended_recipe_of_a_long_name_is_a_recipe() -> None:
    recipe = source("{}", f"name={80 * 'a'}")
    tree = best.recipe_tree(recipe, {}, name=best.name_for(80 * "a"))
    assert Recipe.model_validate(tree).name.endswith("a-best")


def test_the_recommended_recipe_measures_on_one_device_of_a_fleet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices.toml").write_text('[a]\nurl = "ssh://a@x"\n[b]\nurl = "ssh://b@x"\n')
    recipe = source("{}", "bench.devices=['a,b','local']")
    assert best.recipe_tree(recipe, {}, name="digits-best")["bench"] == {"devices": ["a", "local"]}


def test_a_recipe_whose_files_are_proved_can_search_the_precision() -> None:
    more = ("convert.prove_on=['x86-sse4']", "convert.targets=['tflite','onnx']")
    recipe = source("{convert={precisions=['float32','int8']}}", *more)
    assert space_of(recipe).dimensions.keys() == {"convert.precisions"}
    tree = best.recipe_tree(recipe, {"convert.precisions": ["float32"]}, name="digits-best")
    assert tree["convert"] == {"targets": ["tflite", "onnx"], "precisions": ["float32"]}


@pytest.mark.parametrize("package", ["optuna", "tomli_w"])
def test_a_missing_package_is_named_before_the_search(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"edge-distill\[search\]") as caught:
        imported()
    assert f"'{package}'" in str(caught.value)

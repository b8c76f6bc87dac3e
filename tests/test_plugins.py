"""A family or a data set of another distribution."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from pipeline.engine import fingerprint, plugins
from pipeline.engine.graph import STAGES
from pipeline.models import STUDENTS
from pipeline.recipe.load import load, parse_override
from targets.errors import InputError

MODULE = '''"""A student of one dense layer."""


def build(shape, classes, *, name, width_multiplier):
    from tf_keras import Model, layers

    image = layers.Input(shape=shape, name="image")
    flat = layers.Flatten(name="flat")(image)
    return Model(image, layers.Dense(classes, name="logits")(flat), name=name)
'''


def install(folder: Path, *, name: str, entries: str, version: str = "1.2") -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text(entries)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder on the path, in which distributions can be installed."""
    monkeypatch.syspath_prepend(tmp_path)
    plugins._entries.cache_clear()
    yield tmp_path
    plugins._entries.cache_clear()
    sys.modules.pop("one_layer_student", None)


@pytest.fixture
def one_layer(site: Path) -> Path:
    install(site, name="one-layer", entries="[edge_distill.students]\none = one_layer_student\n")
    (site / "one_layer_student.py").write_text(MODULE)
    return site


def test_a_family_of_another_distribution_is_found_and_built(one_layer: Path) -> None:
    module = plugins.find("students", "one", STUDENTS)
    assert module == "one_layer_student"
    assert module not in sys.modules
    model = import_module(module).build((8, 9, 1), 3, name="student", width_multiplier=1.0)
    assert model.output_shape == (None, 3)


def test_the_distribution_is_told_for_the_fingerprint(one_layer: Path) -> None:
    assert plugins.distribution_of("students", "one", STUDENTS) == ("one-layer", "1.2")
    assert plugins.distribution_of("students", "mobilenet_v1", STUDENTS) is None


@pytest.mark.parametrize("stage", ["teacher", "logits", "distill", "convert"])
def test_another_version_of_a_teachers_family_is_in_every_key_that_runs_it(
    one_layer: Path, stage: str
) -> None:
    info = one_layer / "one-layer-1.2.dist-info" / "entry_points.txt"
    info.write_text("[edge_distill.teachers]\none = one_layer_student\n")
    recipe = load("digits", [parse_override("teacher.family=one")])
    (asked,) = (found for found in STAGES if found.name == stage)
    key = fingerprint.stage_key(asked, recipe, inputs={}, dataset_sha256="d")
    assert key["libraries"]["one-layer"] == "1.2"


def test_what_nothing_offers_is_none_and_told_with_what_is_known(one_layer: Path) -> None:
    assert plugins.find("students", "onne", STUDENTS) is None
    assert plugins.find("teachers", "one", {}) is None
    with pytest.raises(InputError, match=r"did you mean 'one'.*mobilenet_v1, .*one") as error:
        plugins.require("students", "onne", STUDENTS, word="student family")
    assert "unknown student family 'onne'" in str(error.value)


def test_ours_cannot_be_replaced(site: Path) -> None:
    install(site, name="thief", entries="[edge_distill.students]\nmobilenet_v1 = thief\n")
    assert plugins.find("students", "mobilenet_v1", STUDENTS) == STUDENTS["mobilenet_v1"]
    assert plugins.distribution_of("students", "mobilenet_v1", STUDENTS) is None


def test_a_known_name_reads_no_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_points", None)
    plugins._entries.cache_clear()
    assert plugins.find("students", "mobilenet_v1", STUDENTS)


def test_two_that_offer_one_name_are_told(one_layer: Path) -> None:
    install(one_layer, name="two", entries="[edge_distill.students]\none = other\n", version="3")
    with pytest.raises(InputError, match=r"more than one .*one-layer 1.2.*two 3.*Uninstall"):
        plugins.find("students", "one", STUDENTS)


def test_an_entry_that_is_no_module_is_told(site: Path) -> None:
    install(site, name="fn", entries="[edge_distill.datasets]\nmine = package.data:load\n")
    with pytest.raises(InputError, match=r"of fn 1\.2.*must be a module.*'package.data'"):
        plugins.find("datasets", "mine", {})

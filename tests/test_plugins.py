"""Plug-ins of other distributions, which offer them as entry points."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.datasets import DATASETS
from pipeline.engine import fingerprint
from pipeline.engine.graph import STAGES
from pipeline.losses import FEATURE_LOSSES, LOSSES
from pipeline.models import STUDENTS, TEACHERS, mobilenet_v1
from pipeline.models.network import NetworkSpec, build
from pipeline.recipe.load import load, parse_override
from pipeline.teachers import kind_of
from targets.errors import InputError
from targets.formats.input_spec import image_input
from targets.runtimes import runtime_for

TOYS = Path(__file__).parent / "toys"


def install(folder: Path, *, name: str, entries: str, version: str = "1.2") -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text(entries)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder on the path, in which distributions can be installed."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def toy_distribution(site: Path) -> Iterator[Path]:
    """A distribution with a plug-in for every kind that other distributions may offer."""
    kinds = {
        "students": "student",
        "teachers": "student",
        "losses": "loss",
        "feature_losses": "feature_loss",
        "datasets": "dataset",
        "teacher_files": "teacher_file",
        "formats": "format",
    }
    for module in set(kinds.values()):
        (site / f"installed_{module}.py").write_text((TOYS / f"{module}.py").read_text())
    groups = [f"[edge_distill.{group}]\none = installed_{name}\n" for group, name in kinds.items()]
    groups.append("[edge_distill.runtimes]\none = installed_format:RUNTIME\n")
    install(site, name="toy-plugins", entries="\n".join(groups))
    yield site
    for module in kinds.values():
        sys.modules.pop(f"installed_{module}", None)


def test_a_family_of_another_distribution_is_imported_when_it_is_built(
    toy_distribution: Path,
) -> None:
    assert "one" in STUDENTS
    assert "installed_student" not in sys.modules
    spec = NetworkSpec(
        role="student", family="one", settings={}, input=image_input(8, 9, 1), classes=3
    )
    assert build(spec).output_shape == (None, 3)


def test_a_recipe_names_plug_ins_of_another_distribution(toy_distribution: Path) -> None:
    path = toy_distribution / "mine.toml"
    path.write_text(
        'name = "mine"\n[dataset]\nname = "one"\nsamples = 60\n[teacher]\nfamily = "one"\n'
        '[distill]\nfamily = "one"\nfilters = 4\nloss = "one"\nfeatures = "one"\n'
    )
    recipe = load(str(path), [parse_override("distill.filters=8")])
    assert recipe.distill.settings.model_dump() == {"filters": 8}
    assert recipe.dataset.settings.model_dump()["samples"] == 60
    assert recipe.distill.parameters == {"scale": 1.0}


@pytest.mark.parametrize("module", ["import no_such_package", "", "def build(): ..."])
def test_a_plug_in_that_cannot_be_used_is_named_with_its_distribution(
    site: Path, module: str
) -> None:
    """Its import fails, the entry names nothing there, or a member of the contract is missing."""
    (site / "broken.py").write_text(module)
    entry = "broken" if module else "broken:absent"
    install(site, name="broken", entries=f"[edge_distill.students]\nbad = {entry}\n")
    try:
        with pytest.raises(InputError, match=r"plug-in 'bad' of broken 1\.2: broken.*Update that"):
            STUDENTS["bad"]
    finally:
        sys.modules.pop("broken", None)


def test_a_target_of_another_distribution_has_its_runtime(toy_distribution: Path) -> None:
    overrides = [
        parse_override(f"convert.{key}") for key in ("targets=['one']", "precisions=['float32']")
    ]
    assert load("digits", overrides).convert.targets == ("one",)
    assert runtime_for("toy").distribution == "ai-edge-litert"
    with pytest.raises(InputError, match=r"format tflight: no runtime executes it\..* one,"):
        runtime_for("tflight")


def test_a_teacher_file_of_another_distribution_is_known_by_its_suffix(
    toy_distribution: Path,
) -> None:
    path = toy_distribution / "teacher.brightness"
    path.write_text("50\n150\n")
    assert kind_of(path) == "one"


@pytest.mark.parametrize("registry", [STUDENTS, TEACHERS, DATASETS, LOSSES, FEATURE_LOSSES])
def test_a_plug_in_has_its_distribution_and_its_module(
    toy_distribution: Path, registry: object
) -> None:
    assert registry.distribution("one") == ("toy-plugins", "1.2")  # type: ignore[attr-defined]
    assert registry.module("one").startswith("installed_")  # type: ignore[attr-defined]


def test_a_built_in_plug_in_has_no_distribution() -> None:
    assert STUDENTS.distribution("mobilenet_v1") is None
    assert STUDENTS.module("mobilenet_v1") == "pipeline.models.mobilenet_v1"


@pytest.mark.parametrize("stage", ["teacher", "logits", "distill", "convert"])
def test_the_version_of_a_teachers_distribution_is_in_every_key_that_uses_it(
    toy_distribution: Path, stage: str
) -> None:
    path = toy_distribution / "mine.toml"
    path.write_text('name = "mine"\n[teacher]\nfamily = "one"\n')
    (found,) = (one for one in STAGES if one.name == stage)
    key = fingerprint.stage_key(found, load(str(path)), inputs={}, dataset_sha256="d")
    assert key["libraries"]["toy-plugins"] == "1.2"


def test_an_unknown_name_lists_the_known_ones_and_the_nearest(toy_distribution: Path) -> None:
    assert "onne" not in STUDENTS
    with pytest.raises(InputError, match=r"did you mean 'one'.*mobilenet_v1, .*one") as error:
        STUDENTS["onne"]
    assert "unknown student family 'onne'" in str(error.value)


def test_a_built_in_name_cannot_be_replaced(site: Path) -> None:
    install(site, name="thief", entries="[edge_distill.students]\nmobilenet_v1 = thief\n")
    assert STUDENTS["mobilenet_v1"] is mobilenet_v1
    assert STUDENTS.distribution("mobilenet_v1") is None


def test_a_name_of_two_distributions_is_refused(toy_distribution: Path) -> None:
    entries = "[edge_distill.students]\none = other\n"
    install(toy_distribution, name="two", entries=entries, version="3")
    with pytest.raises(InputError, match=r"more than one .*toy-plugins 1.2.*two 3.*Uninstall"):
        STUDENTS["one"]


def test_a_module_without_the_contract_is_refused(toy_distribution: Path) -> None:
    entries = "[edge_distill.datasets]\nmine = installed_student\n"
    install(toy_distribution, name="fn", entries=entries)
    with pytest.raises(InputError, match=r"of fn 1\.2: .*does not satisfy .*DatasetSource"):
        DATASETS["mine"]

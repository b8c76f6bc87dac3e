"""What the kind of the data decides: the keys of `[augmentation]`, and which networks fit."""

from collections.abc import Iterator, Mapping

from pipeline.datasets import DATASETS
from pipeline.datasets.contract import SourceConfig
from pipeline.models import STUDENTS, TEACHERS
from pipeline.models.contract import NetworkFamily
from pipeline.recipe.files import ConvertConfig
from pipeline.recipe.training import DistillConfig, TeacherConfig
from pipeline.training.augmentation import VIEWS
from targets.errors import listed
from targets.formats.input_kinds import WORDS
from targets.formats.input_spec import Kind
from targets.registry import Registry


def kind_of(dataset: object) -> Kind | None:
    """The kind of the data set that `[dataset]` names; None for an unknown one: another error."""
    if isinstance(dataset, SourceConfig):
        return DATASETS[dataset.name].KIND
    default = SourceConfig.model_fields["name"].default
    name = dataset.get("name", default) if isinstance(dataset, Mapping) else None
    return DATASETS[name].KIND if isinstance(name, str) and name in DATASETS else None


def with_kind(tree: Mapping[str, object]) -> dict[str, object]:
    """The contents of a recipe with the kind of its data in `[augmentation]`."""
    kind, table = kind_of(tree.get("dataset", {})), tree.get("augmentation", {})
    if kind is None or not isinstance(table, Mapping):
        return dict(tree)
    return {**tree, "augmentation": {**table, "kind": kind}}


def require_own_kind(tree: Mapping[str, object]) -> None:
    """Raise `ValueError` for a written kind that is not that of the data."""
    kind, table = kind_of(tree.get("dataset", {})), tree.get("augmentation", {})
    if kind is not None and isinstance(table, Mapping) and table.get("kind", kind) != kind:
        raise ValueError(
            f"augmentation.kind: is that of the data set, which holds {WORDS[kind].many}; leave "
            "it out"
        )


def for_other_kinds(key: str, dataset: object) -> str:
    """Why a key of `[augmentation]` is not known for these data; empty if no kind has it."""
    kind = kind_of(dataset)
    owners = [WORDS[name].many for name in VIEWS if key in VIEWS[name].Settings.model_fields]
    if kind is None or not owners:
        return ""
    return f"it is for {listed(owners)}, and the data set holds {WORDS[kind].many}"


def require_kind(
    dataset: SourceConfig,
    *,
    teacher: TeacherConfig,
    distill: DistillConfig,
    convert: ConvertConfig,
) -> None:
    """Raise `ValueError` for what cannot be done with data of this kind."""
    kind = DATASETS[dataset.name].KIND
    data = f"the data set {dataset.name} holds {WORDS[kind].many}"
    for key in _keys_of_images(dataset, teacher) if kind != "image" else ():
        raise ValueError(f"{key}: is for images, and {data}; leave it out")
    if convert.front_end_apart and kind != "waveform":
        raise ValueError(
            f"convert.front_end_apart: is for sounds, and {data}, whose files have no front end; "
            "leave it out"
        )
    _require_mixable(distill, kind, data)
    if teacher.file is None:
        _require_taken("teacher.family", teacher.family, TEACHERS, kind, data)
    _require_taken("distill.family", distill.family, STUDENTS, kind, data)


def require_sounds(dataset: SourceConfig, table: str) -> None:
    """Raise `ValueError` for a table of sounds beside data of another kind."""
    kind = DATASETS[dataset.name].KIND
    if kind != "waveform":
        raise ValueError(
            f"{table}: is for {WORDS['waveform'].many}, and the data set {dataset.name} holds "
            f"{WORDS[kind].many}; leave the table out"
        )


def _keys_of_images(dataset: SourceConfig, teacher: TeacherConfig) -> Iterator[str]:
    """The keys outside of `[augmentation]` that are set, and mean something for images only."""
    for key, value in (
        ("dataset.size", dataset.size),
        ("teacher.size", teacher.size),
        ("teacher.cutout", teacher.cutout),
    ):
        if value is not None:
            yield key


def _require_mixable(distill: DistillConfig, kind: Kind, data: str) -> None:
    for key, value in (("mixup", distill.mixup), ("cutmix", distill.cutmix)):
        mixable = [name for name in VIEWS if key in VIEWS[name].MIXED_BY]
        if value and kind not in mixable:
            kinds = listed([WORDS[name].many for name in mixable])
            raise ValueError(f"distill.{key}: is for {kinds}, and {data}; leave it out")


def _require_taken(
    key: str, name: str, families: Registry[NetworkFamily], kind: Kind, data: str
) -> None:
    takes = families[name].TAKES
    if kind not in takes:
        fitting = [other for other, family in families.search() if kind in family.TAKES]
        raise ValueError(
            f"{key}: {name} is for {listed([WORDS[one].many for one in takes])}, and {data}; "
            f"families for them: {listed(fitting) if fitting else 'none'}"
        )

"""The networks of a recipe."""

from typing import Literal, NamedTuple

from pipeline.datasets.splits import Dataset
from pipeline.engine.artifacts import Checkpoint, Teacher
from pipeline.models.network import NetworkSpec, build, load_weights, member
from pipeline.models.pretrained.inheritance import inherit
from pipeline.models.pretrained.initial import load_initial
from pipeline.recipe.schema import Recipe
from pipeline.recipe.training import DistillConfig, InitialisedConfig, TeacherConfig
from pipeline.training.mixed_precision import precision
from targets.untyped import KerasModel


def teacher_network(recipe: Recipe, data: Dataset) -> NetworkSpec:
    network = _network("teacher", recipe.teacher, data)
    return network.model_copy(update={"members": recipe.teacher.members})


def student_network(recipe: Recipe, data: Dataset) -> NetworkSpec:
    return _network("student", recipe.distill, data)


def _network(
    role: Literal["teacher", "student"], cfg: TeacherConfig | DistillConfig, data: Dataset
) -> NetworkSpec:
    return NetworkSpec(
        role=role,
        family=cfg.family,
        settings=cfg.settings.model_dump(mode="json"),
        input=data.input,
        classes=len(data.classes),
    )


class Initial(NamedTuple):
    """A network before its first step."""

    model: KerasModel
    own_head: bool = False
    """Whether its classifier came with initial weights."""


def initial_teacher(cfg: TeacherConfig, network: NetworkSpec, number: int = 0) -> Initial:
    """A network of the teacher before its first step."""
    return _initial(cfg, network, number)


def initial_student(cfg: DistillConfig, network: NetworkSpec, teacher: Teacher) -> Initial:
    """The student before its first step; `teacher` is the trained one."""
    student = _initial(cfg, network)
    if cfg.init == "teacher":
        inherit(student=student.model, teacher=restore(teacher.checkpoint))
    return student


def _initial(cfg: InitialisedConfig, network: NetworkSpec, number: int = 0) -> Initial:
    with precision(mixed=cfg.mixed_precision):
        model = member(network, number)
    loaded = cfg.weights is not None and load_initial(model, network, cfg.weights)
    return Initial(model, own_head=loaded)


def restore(checkpoint: Checkpoint) -> KerasModel:
    """The float network of a checkpoint, with its weights."""
    model = build(checkpoint.network)
    load_weights(model, checkpoint.weights)
    return model

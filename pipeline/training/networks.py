"""The networks of a recipe."""

from typing import Literal

from pipeline.datasets.splits import Dataset
from pipeline.engine.artifacts import Checkpoint, Teacher
from pipeline.models.network import NetworkSpec, build, load_weights
from pipeline.models.pretrained.inheritance import inherit
from pipeline.models.pretrained.initial import load_initial
from pipeline.recipe.schema import DistillConfig, InitialisedConfig, Recipe, TeacherConfig
from pipeline.training.mixed_precision import precision
from targets.untyped import KerasModel


def teacher_network(recipe: Recipe, data: Dataset) -> NetworkSpec:
    return _network("teacher", recipe.teacher, data)


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


def initial_teacher(cfg: TeacherConfig, network: NetworkSpec) -> KerasModel:
    """The teacher before its first step."""
    return _initial(cfg, network)


def initial_student(cfg: DistillConfig, network: NetworkSpec, teacher: Teacher) -> KerasModel:
    """The student before its first step; `teacher` is the trained one."""
    student = _initial(cfg, network)
    if cfg.init == "teacher":
        inherit(student=student, teacher=restore(teacher.checkpoint))
    return student


def _initial(cfg: InitialisedConfig, network: NetworkSpec) -> KerasModel:
    with precision(mixed=cfg.mixed_precision):
        model = build(network)
    if cfg.weights is not None:
        load_initial(model, network, cfg.weights)
    return model


def restore(checkpoint: Checkpoint) -> KerasModel:
    """The float network of a checkpoint, with its weights."""
    model = build(checkpoint.network)
    load_weights(model, checkpoint.weights)
    return model

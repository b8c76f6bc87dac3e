"""The networks of a recipe."""

from typing import Literal

from pipeline.datasets.splits import Dataset
from pipeline.engine.artifacts import Checkpoint
from pipeline.models.network import NetworkSpec, build, load_weights
from pipeline.recipe.schema import DistillConfig, Recipe, TeacherConfig
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


def restore(checkpoint: Checkpoint) -> KerasModel:
    """The float network of a checkpoint, with its weights."""
    model = build(checkpoint.network)
    load_weights(model, checkpoint.weights)
    return model

"""The networks of a recipe."""

from pipeline.datasets.splits import Dataset
from pipeline.engine.artifacts import Checkpoint
from pipeline.models.network import NetworkSpec, build, load_weights
from pipeline.recipe.schema import Recipe
from targets.untyped import KerasModel


def teacher_network(recipe: Recipe, data: Dataset) -> NetworkSpec:
    cfg = recipe.teacher
    return NetworkSpec(
        role="teacher",
        family=cfg.family,
        settings=cfg.settings.model_dump(mode="json"),
        input=data.input,
        classes=len(data.classes),
    )


def student_network(recipe: Recipe, data: Dataset) -> NetworkSpec:
    cfg = recipe.distill
    return NetworkSpec(
        role="student",
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

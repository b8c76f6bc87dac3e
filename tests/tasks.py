"""A training of a small network on arrays, for tests of the loop, and settings of Hypothesis."""

from typing import Any

from hypothesis import HealthCheck, settings

from pipeline.datasets.splits import Dataset
from pipeline.models.network import NetworkSpec, build
from pipeline.recipe.training import TrainingConfig
from pipeline.training import session
from pipeline.training.augmentation.images import ImageViews
from pipeline.training.loop import Task
from pipeline.training.optimizers import one_cycle, optimizer_of
from pipeline.training.supervision import supervised
from targets.untyped import KerasModel
from tests.conftest import THREADS

LOADED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For a machine that is busy with other work."""


def small_network(data: Dataset) -> KerasModel:
    network = NetworkSpec(
        role="teacher",
        family="resnet",
        settings={"widths": [8, 16], "blocks": 1},
        input=data.input,
        classes=len(data.classes),
    )
    return build(network)


def small_task(data: Dataset, cfg: TrainingConfig, **changes: Any) -> Task:
    """Training of a new network on the labels; `changes` are of the task."""
    session.start(seed=0, threads=THREADS)
    given = {
        "stage": "t",
        "model": small_network(data),
        "objective": supervised(cfg, data),
        "optimizer": optimizer_of(cfg),
        "schedule": one_cycle,
        "data": data,
        "cfg": cfg,
        "augmentation": ImageViews(shift=0),
        "seed": 0,
        "view_seed": 0,
    }
    return Task(**{**given, **changes})

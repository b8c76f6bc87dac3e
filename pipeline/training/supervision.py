"""What a student learns from its teacher: logits of cached views, or live outputs per batch."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import Images
from pipeline.engine.artifacts import TeacherLogits
from pipeline.losses import objectives
from pipeline.losses.objectives import Objective
from pipeline.recipe.schema import DistillationConfig
from pipeline.training.inference import Outputs
from pipeline.training.loop import Targets


def objective(cfg: DistillationConfig) -> Objective:
    return objectives.distillation(
        cfg.loss, temperature=cfg.temperature, alpha=cfg.alpha, parameters=cfg.parameters
    )


def cached(cfg: DistillationConfig, logits: TeacherLogits) -> Targets | None:
    """The stored logits of a batch; None where the teacher has no weight."""
    if cfg.alpha == 0:
        return None
    views = np.load(logits.path, mmap_mode="r", allow_pickle=False)

    def targets(*, view: int, index: npt.NDArray[np.int64], raw: Images) -> list[Outputs]:
        return [views[view, index].astype(np.float32)]

    return targets


def live(outputs: Callable[[Images], list[Outputs]]) -> Targets:
    """The outputs of the teacher for the very pixels that the student gets."""

    def targets(*, view: int, index: npt.NDArray[np.int64], raw: Images) -> list[Outputs]:
        return outputs(raw)

    return targets

"""What a student learns from its teacher: logits of cached views, or live outputs per batch."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import TeacherLogits
from pipeline.losses import objectives
from pipeline.losses.labels import LabelLoss, label_loss
from pipeline.losses.objectives import Objective
from pipeline.recipe.training import DistillationConfig, TrainingConfig
from pipeline.training.inference import Outputs
from pipeline.training.loop import Targets


def distilled(cfg: DistillationConfig, data: Dataset) -> Objective:
    """Teacher and labels; images without a label learn from the teacher alone."""
    return objectives.distillation(
        cfg.loss,
        temperature=cfg.temperature,
        alpha=cfg.alpha,
        parameters=cfg.parameters,
        label_loss=_label_loss(cfg, data),
    )


def supervised(cfg: TrainingConfig, data: Dataset) -> Objective:
    return objectives.supervised(_label_loss(cfg, data))


def _label_loss(cfg: TrainingConfig, data: Dataset) -> LabelLoss:
    return label_loss(
        data[Split.TRAIN].labels,
        len(data.classes),
        balanced=cfg.balance == "weights",
        smoothing=cfg.label_smoothing,
    )


def cached(cfg: DistillationConfig, logits: TeacherLogits) -> Targets | None:
    """The stored logits of a batch; None where the teacher has no weight."""
    if cfg.alpha == 0:
        return None
    views = np.load(logits.path, mmap_mode="r", allow_pickle=False)

    def targets(*, view: int, index: npt.NDArray[np.int64], raw: Raw) -> list[Outputs]:
        return [views[view, index].astype(np.float32)]

    return targets


def live(outputs: Callable[[Raw], list[Outputs]]) -> Targets:
    """The outputs of the teacher for the very pixels that the student gets."""

    def targets(*, view: int, index: npt.NDArray[np.int64], raw: Raw) -> list[Outputs]:
        return outputs(raw)

    return targets

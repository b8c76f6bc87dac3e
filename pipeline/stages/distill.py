"""Train the student on the labels and on the teacher's logits of the same views."""

from pathlib import Path
from typing import Any

from pipeline.engine.artifacts import Checkpoint, Teacher, TeacherLogits
from pipeline.engine.job import Job
from pipeline.recipe.schema import DistillConfig


def run(
    cfg: DistillConfig, out: Path, *, job: Job, teacher: Teacher, logits: TeacherLogits
) -> Checkpoint:
    from pipeline.models.network import build
    from pipeline.training import preparation
    from pipeline.training.loop import one_cycle, sgd

    preparation.start(job, cfg, trains=True)
    network = preparation.student_network(job)
    student = build(network)
    told: dict[str, Any] = {"model": student, "objective": preparation.distillation(cfg)}
    told |= preparation.taught_by(cfg, logits)
    if cfg.features != "none":
        told |= _with_features(cfg, job, teacher, student)
    elif cfg.mixup:
        told |= _live(job, teacher) if cfg.alpha else {"cycle": None}
    task = preparation.task(
        "distill", job, cfg, optimizer=sgd(cfg), schedule=one_cycle, mixup=cfg.mixup, **told
    )
    return preparation.train(task, out, job=job, network=network, counted=student, kept=student)


def _live(job: Job, teacher: Teacher) -> dict[str, Any]:
    """The teacher itself: of mixed images nobody has asked it before."""
    from pipeline.training import preparation

    opened = preparation.open_teacher(teacher, job)

    def targets(*, view: int, index: Any, raw: Any) -> list[Any]:
        return [opened.logits(raw)]

    return {"targets": targets, "cycle": None}


def _with_features(cfg: DistillConfig, job: Job, teacher: Teacher, student: Any) -> dict[str, Any]:
    """Both networks tapped for a feature loss; the teacher runs live for its features."""
    from pipeline.losses import FEATURE_LOSSES
    from pipeline.losses.feature_distillation import feature_distillation, with_features
    from pipeline.training import preparation
    from pipeline.training.loop import make_features

    both = feature_distillation(
        cfg.features, student=student, teacher=preparation.restore(teacher.checkpoint)
    )
    features = make_features(both.teacher, job.dataset().input)
    weight = cfg.feature_weight or FEATURE_LOSSES[cfg.features].WEIGHT

    def targets(*, view: int, index: Any, raw: Any) -> list[Any]:
        return features(raw)

    return {
        "model": both.student,
        "objective": with_features(preparation.distillation(cfg), both, weight=weight),
        "targets": targets,
        "cycle": None,
    }

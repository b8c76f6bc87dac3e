"""What the training stages share: a session, a teacher, a fit, a checkpoint published."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.engine.artifacts import Checkpoint, Teacher, TeacherLogits
from pipeline.engine.job import Job
from pipeline.losses import objectives
from pipeline.losses.objectives import Objective
from pipeline.models.network import (
    NetworkSpec,
    build,
    count_macs,
    count_parameters,
    load_weights,
    save_weights,
)
from pipeline.recipe.schema import AugmentationConfig, DistillationConfig, TrainingConfig
from pipeline.teachers.contract import OpenTeacher
from pipeline.training import session
from pipeline.training.checkpoint import EpochRecord
from pipeline.training.loop import Targets, Task, fit

HISTORY = "history.jsonl"
"""Beside the weights: an `EpochRecord` per line."""


def seed_of(cfg: Any, job: Job) -> int:
    """The stage's own seed, or the recipe's."""
    own: int | None = getattr(cfg, "seed", None)
    return job.recipe.seed if own is None else own


def start(job: Job, cfg: Any = None, *, trains: bool = False) -> None:
    """A fresh session; before a training, with a look at what comes after it."""
    session.start(seed=seed_of(cfg, job), threads=job.recipe.threads)
    if trains:
        preflight(job)
        session.start(seed=seed_of(cfg, job), threads=job.recipe.threads)


def preflight(job: Job) -> None:
    """What would fail only after hours of training, told before it."""
    from pipeline.quantization.preflight import (
        need_quantization,
        need_samples,
        require_features,
        require_quantizable,
    )
    from pipeline.training.augmentation import require_fit

    recipe, data = job.recipe, job.dataset()
    require_fit(recipe.augmentation, data)
    require_fit(teacher_views(job), data, cutout="teacher.cutout")
    asked = set(recipe.convert.precisions) | ({"int8"} if recipe.ablation.enabled else set())
    if need_samples(asked):
        require_calibration(job)
    if need_quantization(asked):
        require_quantizable(build(student_network(job)), family=recipe.distill.family)
    if recipe.distill.features != "none":
        student, teacher = build(student_network(job)), build(teacher_network(job))
        require_features(recipe.distill.features, student=student, teacher=teacher)


def require_calibration(job: Job) -> None:
    """Raise `InputError` where the training part is too small to read activation ranges from."""
    from pipeline.datasets.splits import Split
    from targets.formats.calibration import require_enough

    recipe, data = job.recipe, job.dataset()
    train, given = data[Split.TRAIN], sum(len(data[split]) for split in Split)
    without = "--set 'convert.precisions=[\"float32\"]'"
    require_enough(
        train,
        what=f"data set {recipe.dataset.path or data.name}, training part of its {given} samples",
        instead=f"go without int8: {without}{' and no --ablation' * recipe.ablation.enabled}",
    )


def teacher_views(job: Job) -> AugmentationConfig:
    """What the teacher is trained on; of a file, nothing is known of that."""
    views, cfg = job.recipe.augmentation, job.recipe.teacher
    own = cfg.file is None and cfg.cutout is not None
    return views.model_copy(update={"cutout": cfg.cutout}) if own else views


def teacher_network(job: Job) -> NetworkSpec:
    cfg, data = job.recipe.teacher, job.dataset()
    return NetworkSpec(
        role="teacher",
        family=cfg.family,
        settings=cfg.settings.model_dump(mode="json"),
        input=data.input,
        classes=len(data.classes),
    )


def student_network(job: Job) -> NetworkSpec:
    cfg, data = job.recipe.distill, job.dataset()
    return NetworkSpec(
        role="student",
        family=cfg.family,
        settings=cfg.settings.model_dump(mode="json"),
        input=data.input,
        classes=len(data.classes),
    )


def open_teacher(teacher: Teacher, job: Job) -> OpenTeacher:
    """The teacher as a function of raw images, wherever it came from."""
    from pipeline import teachers
    from pipeline.teachers.trained import open_checkpoint

    if teacher.asked is None:
        return open_checkpoint(teacher.checkpoint, job.dataset())
    return teachers.open_teacher(
        teacher.path, teacher.asked, job.dataset(), threads=job.recipe.threads
    )


def restore(checkpoint: Checkpoint) -> Any:
    """The float network of a checkpoint, with its weights."""
    model = build(checkpoint.network)
    load_weights(model, checkpoint.weights)
    return model


def task(
    stage: str,
    job: Job,
    cfg: TrainingConfig,
    *,
    views: AugmentationConfig | None = None,
    **rest: Any,
) -> Task:
    """A task on the job's data, with the seeds and views of its recipe."""
    return Task(
        stage=stage,
        data=job.dataset(),
        cfg=cfg,
        views=job.recipe.augmentation if views is None else views,
        seed=seed_of(cfg, job),
        view_seed=job.recipe.seed,
        **rest,
    )


def train(
    task: Task,
    out: Path,
    *,
    job: Job,
    network: NetworkSpec,
    counted: Any,
    kept: Any = None,
    quantized: bool = False,
    finish: Callable[[], None] = lambda: None,
) -> Checkpoint:
    """Run the task and write its checkpoint to `out`.

    `counted` is the network whose size is told, `kept` the one whose weights are written where it
    is not the task's.
    """
    records = fit(
        task,
        checkpoint=job.scratch / f"{task.stage}.npz",
        progress=partial(job.console.epochs, task.stage),
    )
    finish()
    save_weights(task.model if kept is None else kept, out / Checkpoint.WEIGHTS)
    lines = [record.model_dump_json() for record in records]
    (out / HISTORY).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Checkpoint(
        folder=out,
        network=network,
        quantized=quantized,
        parameters=count_parameters(counted),
        macs=count_macs(counted),
    )


def validated(trained: Checkpoint) -> float:
    """Top-1 on the validation split after the last epoch."""
    text = (trained.folder / HISTORY).read_text(encoding="utf-8")
    return EpochRecord.model_validate_json(text.splitlines()[-1]).validation_top1


def distillation(cfg: DistillationConfig) -> Objective:
    return objectives.distillation(
        cfg.loss, temperature=cfg.temperature, alpha=cfg.alpha, parameters=cfg.parameters
    )


def cached(logits: TeacherLogits) -> Targets:
    """The teacher's words on a batch, from disk."""
    import numpy as np

    kept = np.load(logits.path, mmap_mode="r", allow_pickle=False)

    def targets(*, view: int, index: Any, raw: Any) -> list[Any]:
        return [kept[view, index].astype(np.float32)]

    return targets


def taught_by(cfg: DistillationConfig, logits: TeacherLogits) -> dict[str, Any]:
    """The part of a task that is about the teacher; nothing where its weight is 0."""
    if cfg.alpha == 0:
        return {"cycle": logits.views}  # the same views as with a teacher: an equal comparison
    return {"targets": cached(logits), "cycle": logits.views}


def calibration(job: Job, samples: int) -> Any:
    """Raw training images for the ranges of activations: `samples` of them, drawn by the seed."""
    import numpy as np

    from pipeline.datasets.splits import Split
    from pipeline.training.augmentation import epoch_order

    require_calibration(job)
    images = job.dataset()[Split.TRAIN].images
    chosen = epoch_order(len(images), seed=job.recipe.seed, epoch=0)[:samples]
    return np.asarray(images[chosen])

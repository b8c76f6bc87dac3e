"""Train the teacher on the labels, or take the user's own once it has shown what it knows."""

import shutil
from pathlib import Path

from pipeline.engine.artifacts import Teacher
from pipeline.engine.job import Job
from pipeline.recipe.schema import AugmentationConfig, TeacherConfig
from targets.errors import InputError


def run(cfg: TeacherConfig, out: Path, *, job: Job) -> Teacher:
    from pipeline.training import preparation

    preparation.start(job, cfg, trains=True)
    if cfg.file is not None:
        return _bring(cfg.file, cfg, out, job)
    return _train(cfg, out, job)


def _bring(file: Path, cfg: TeacherConfig, out: Path, job: Job) -> Teacher:
    from pipeline.teachers import open_teacher
    from pipeline.teachers.check import require_teaches

    data = job.dataset()
    opened = open_teacher(file, cfg, data, threads=job.recipe.threads)
    if opened.splits is not None:
        _require_plain(job.recipe.augmentation, file)
    seen = require_teaches(opened, data)
    job.console.say(f"teacher   {file.name}: right for {seen}")
    copy = out / f"teacher{file.suffix.lower()}"
    if file.is_dir():
        shutil.copytree(file, copy)
    else:
        shutil.copyfile(file, copy)
    return Teacher(
        folder=out,
        kind=opened.kind,
        file=copy.name,
        asked=TeacherConfig(
            scale=cfg.scale, offset=cfg.offset, output=cfg.output, classes=cfg.classes
        ),
        parameters=opened.parameters,
    )


def _require_plain(views: AugmentationConfig, file: Path) -> None:
    if views.changes:
        raise InputError(
            f"teacher {file}: logits that were computed before are of the images as they are, and "
            "the recipe shows the student changed ones: a student that is given other pixels than "
            "its teacher saw learns less. Set augmentation.shift = 0, augmentation.flip = false "
            "and augmentation.cutout = 0, or give the network itself."
        )


def _train(cfg: TeacherConfig, out: Path, job: Job) -> Teacher:
    from pipeline.losses.objectives import hard_labels
    from pipeline.models.network import build
    from pipeline.training import preparation
    from pipeline.training.loop import one_cycle, sgd

    network = preparation.teacher_network(job)
    model = build(network)
    task = preparation.task(
        "teacher",
        job,
        cfg,
        model=model,
        objective=hard_labels,
        optimizer=sgd(cfg),
        schedule=one_cycle,
        views=preparation.teacher_views(job),
    )
    trained = preparation.train(task, out, job=job, network=network, counted=model)
    _say_if_at_chance(preparation.validated(trained), job)
    return Teacher(
        folder=out,
        kind="trained",
        file=trained.WEIGHTS,
        network=network,
        parameters=trained.parameters,
        macs=trained.macs,
    )


def _say_if_at_chance(top1: float, job: Job) -> None:
    """A warning, not an error: a training may be short on purpose."""
    from pipeline.datasets.splits import Split
    from pipeline.reporting.findings import notes

    data = job.dataset()
    labels = data[Split.VAL].labels
    note = notes.at_chance({"teacher": top1}, labels, data.classes, what="validation")
    if note:
        job.console.say(f"teacher   warning: {note}")

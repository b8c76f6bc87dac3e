"""Train the teacher on the labels, or take the user's own after a check of its accuracy."""

import shutil
from functools import partial
from pathlib import Path

from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import Teacher
from pipeline.engine.job import Job
from pipeline.losses.objectives import hard_labels
from pipeline.recipe.schema import AugmentationConfig, TeacherConfig
from pipeline.reporting.findings import notes
from pipeline.teachers import open_teacher
from pipeline.teachers.check import require_teaches
from pipeline.training import checkpoint, preflight, session
from pipeline.training.augmentation import teacher_augmentation
from pipeline.training.loop import Task, fit
from pipeline.training.networks import initial_teacher, teacher_network
from pipeline.training.optimizers import one_cycle, sgd
from targets.errors import InputError


def run(cfg: TeacherConfig, out: Path, *, job: Job) -> Teacher:
    data, seed = job.dataset(), job.seed(cfg)
    preflight.require_trainable(job.recipe, data, seed=seed)
    session.start(seed=seed, threads=job.recipe.threads)
    if cfg.file is not None:
        return _adopt(cfg.file, cfg, out, job, data)
    return _train(cfg, out, job, data)


def _adopt(file: Path, cfg: TeacherConfig, out: Path, job: Job, data: Dataset) -> Teacher:
    """Copy the user's own teacher, if it is right about the validation split."""
    opened = open_teacher(file, cfg, data, threads=job.recipe.threads)
    if opened.splits is not None:
        _require_plain(job.recipe.augmentation, file)
    accuracy = require_teaches(opened, data)
    job.console.say(f"teacher   {file.name}: right for {accuracy}")
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


def _require_plain(augmentation: AugmentationConfig, file: Path) -> None:
    if augmentation.changes:
        raise InputError(
            f"teacher {file}: precomputed logits are of the images as they are, and the recipe "
            "trains the student on augmented ones: a student that gets other pixels than its "
            "teacher learns less. Set augmentation.shift = 0, augmentation.flip = false and "
            "augmentation.cutout = 0, or give the network itself."
        )


def _train(cfg: TeacherConfig, out: Path, job: Job, data: Dataset) -> Teacher:
    network = teacher_network(job.recipe, data)
    model = initial_teacher(cfg, network)
    task = Task(
        stage="teacher",
        model=model,
        objective=hard_labels,
        optimizer=sgd(cfg),
        schedule=one_cycle,
        data=data,
        cfg=cfg,
        augmentation=teacher_augmentation(job.recipe),
        seed=job.seed(cfg),
        view_seed=job.recipe.seed,
    )
    history = fit(
        task,
        checkpoint=job.scratch / "teacher.npz",
        progress=partial(job.console.epochs, "teacher"),
    )
    trained = checkpoint.publish(out, history, network=network, model=model)
    _warn_at_chance(history[-1].validation_top1, job, data)
    return Teacher(
        folder=out,
        kind="trained",
        file=trained.WEIGHTS,
        network=network,
        parameters=trained.parameters,
        macs=trained.macs,
    )


def _warn_at_chance(top1: float, job: Job, data: Dataset) -> None:
    """A warning, not an error: a training may be short on purpose."""
    labels = data[Split.VAL].labels
    note = notes.at_chance({"teacher": top1}, labels, data.classes, what="validation")
    if note:
        job.console.say(f"teacher   warning: {note}")

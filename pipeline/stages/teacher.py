"""Train the teacher on the labels, or take the user's own after a check of its accuracy."""

import shutil
from functools import partial
from pathlib import Path

from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import Teacher
from pipeline.engine.job import Job
from pipeline.models.network import NetworkSpec, mean_of
from pipeline.recipe.training import TeacherConfig
from pipeline.reporting.findings import notes
from pipeline.teachers import open_teacher
from pipeline.teachers.check import require_teaches
from pipeline.training import checkpoint, preflight, session
from pipeline.training.augmentation import ViewSettings
from pipeline.training.checkpoint import EpochRecord
from pipeline.training.head import fit_head
from pipeline.training.inference import make_predict
from pipeline.training.loop import Task, fit
from pipeline.training.networks import initial_teacher, teacher_network
from pipeline.training.optimizers import SCHEDULES, optimizer_of
from pipeline.training.supervision import supervised
from targets.errors import InputError
from targets.evaluation import metrics
from targets.untyped import KerasModel


def run(cfg: TeacherConfig, out: Path, *, job: Job) -> Teacher:
    data, seed = job.teacher_dataset(), job.seed(cfg)
    preflight.require_trainable(job.recipe, job.dataset(), teacher=data, seed=seed)
    session.start(seed=seed, threads=job.recipe.threads)
    if cfg.file is not None:
        return _adopt(cfg.file, cfg, out, job, data)
    return _train(cfg, out, job, data)


def _adopt(file: Path, cfg: TeacherConfig, out: Path, job: Job, data: Dataset) -> Teacher:
    """Copy the user's own teacher, if it is right about the validation split."""
    opened = open_teacher(file, cfg, data, threads=job.recipe.threads)
    if opened.splits is not None:
        _require_plain(job.recipe.augmentation.views, file, data)
        _require_no_unlabelled(data, file)
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


def _require_plain(augmentation: ViewSettings, file: Path, data: Dataset) -> None:
    if augmentation.changes:
        raise InputError(
            f"teacher {file}: precomputed logits are of the {data.words.many} as they are, and the "
            "recipe trains the student on augmented ones: a student that gets others than its "
            f"teacher learns less. Set {', '.join(augmentation.to_plain())}, or give the network "
            "itself."
        )


def _require_no_unlabelled(data: Dataset, file: Path) -> None:
    if data.unlabelled is not None:
        raise InputError(
            f"teacher {file}: holds logits of the labelled {data.words.many} only, and data set "
            f"{data.name} has {len(data.unlabelled)} without labels, from which the student learns "
            "by the teacher's logits. Give the network itself, or a data set without them."
        )


def _train(cfg: TeacherConfig, out: Path, job: Job, data: Dataset) -> Teacher:
    network, history = teacher_network(job.recipe, data), list[EpochRecord]()
    models = []
    for number in range(cfg.members):
        model, records = _member(cfg, network, number, job, data)
        models.append(model)
        done = number * cfg.epochs
        history += [one.model_copy(update={"epoch": done + one.epoch}) for one in records]
    teacher = models[0] if cfg.members == 1 else mean_of(models, name="teacher")
    trained = checkpoint.publish(out, history, network=network, model=teacher)
    _warn_at_chance(_accuracy(teacher, history, cfg, data), job, data)
    return Teacher(
        folder=out,
        kind="trained",
        file=trained.WEIGHTS,
        network=network,
        parameters=trained.parameters,
        macs=trained.macs,
    )


def _member(
    cfg: TeacherConfig, network: NetworkSpec, number: int, job: Job, data: Dataset
) -> tuple[KerasModel, list[EpochRecord]]:
    """Network `number` of the teacher, trained from a seed of its own."""
    seed = job.seed(cfg) + number
    if cfg.members > 1:
        job.console.say(f"teacher   network {number + 1} of {cfg.members}")
        session.start(seed=seed, threads=job.recipe.threads)
    model, own_head = initial_teacher(cfg, network, number)
    task = Task(
        stage="teacher",
        model=model,
        objective=supervised(cfg, data),
        optimizer=optimizer_of(cfg, cfg.optimizer),
        schedule=SCHEDULES["teacher"],
        data=data,
        cfg=cfg,
        augmentation=job.recipe.teacher_views,
        seed=seed,
        view_seed=job.recipe.seed + number,
        distribution=job.distribution,
    )
    state = job.scratch / ("teacher.npz" if number == 0 else f"teacher-{number}.npz")
    if cfg.weights is not None and not state.exists():
        head = fit_head(
            model,
            data,
            own=own_head,
            balanced=cfg.balance != "none",
            seed=task.seed,
            threads=job.recipe.threads,
        )
        job.console.say(head.line("teacher"))
    history = fit(
        task,
        checkpoint=state,
        progress=partial(job.console.epochs, "teacher"),
    )
    return model, history


def _accuracy(
    teacher: KerasModel, history: list[EpochRecord], cfg: TeacherConfig, data: Dataset
) -> float:
    """On the validation split; of one network it is in its history."""
    if cfg.members == 1:
        return checkpoint.kept(history, cfg).validation_top1
    validation = data[Split.VAL]
    return metrics.top1(make_predict(teacher, data.input)(validation.raw), validation.labels)


def _warn_at_chance(top1: float, job: Job, data: Dataset) -> None:
    """A warning, not an error: a training may be short on purpose."""
    labels, words = data[Split.VAL].labels, data.words
    note = notes.at_chance({"teacher": top1}, labels, data.classes, what="validation", words=words)
    if note:
        job.console.say(f"teacher   warning: {note}")

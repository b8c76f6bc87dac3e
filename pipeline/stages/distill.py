"""Train the student on the labels and on the teacher's logits of the same views."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import DistilledCheckpoint, Teacher, TeacherLead, TeacherLogits
from pipeline.engine.job import Job
from pipeline.losses import FEATURE_LOSSES
from pipeline.losses.feature_distillation import feature_distillation, with_features
from pipeline.recipe.training import DistillConfig
from pipeline.reporting.findings.teacher_lead import line
from pipeline.teachers.contract import split_logits
from pipeline.teachers.stored import open_stored
from pipeline.training import checkpoint, preflight, session
from pipeline.training.head import fit_head
from pipeline.training.inference import make_features, make_predict
from pipeline.training.loop import Task, fit
from pipeline.training.networks import initial_student, restore, student_network
from pipeline.training.optimizers import SCHEDULES, optimizer_of
from pipeline.training.supervision import cached, distilled, live
from pipeline.training.teacher_lead import teacher_lead
from targets.untyped import KerasModel


def run(
    cfg: DistillConfig, out: Path, *, job: Job, teacher: Teacher, logits: TeacherLogits
) -> DistilledCheckpoint:
    data, seed = job.dataset(), job.seed(cfg)
    preflight.require_trainable(job.recipe, data, teacher=job.teacher_dataset(), seed=seed)
    session.start(seed=seed, threads=job.recipe.threads)
    network = student_network(job.recipe, data)
    student, own_head = initial_student(cfg, network, teacher)
    state = job.scratch / "distill.npz"
    if cfg.weights is not None and not state.exists():
        head = fit_head(
            student,
            data,
            own=own_head,
            balanced=cfg.balance != "none",
            seed=seed,
            threads=job.recipe.threads,
        )
        job.console.say(head.line("distill"))
    history = fit(
        make_task(cfg, student, job=job, teacher=teacher, logits=logits),
        checkpoint=state,
        progress=partial(job.console.epochs, "distill"),
    )
    trained = checkpoint.publish(out, history, network=network, model=student)
    lead = _lead(student, teacher, job) if cfg.alpha else None
    if lead is not None:
        job.console.say(f"distill   {line(lead)}")
    return DistilledCheckpoint(folder=out, **trained.model_dump(), lead=lead)


def _lead(student: KerasModel, teacher: Teacher, job: Job) -> TeacherLead | None:
    data, shown = job.dataset(), job.teacher_dataset()
    theirs = split_logits(open_stored(teacher, shown, threads=job.recipe.threads), shown, Split.VAL)
    if theirs is None:
        return None
    validation = data[Split.VAL]
    ours = make_predict(student, data.input)(validation.raw)
    return teacher_lead(student=ours, teacher=theirs, labels=validation.labels)


def make_task(
    cfg: DistillConfig, student: KerasModel, *, job: Job, teacher: Teacher, logits: TeacherLogits
) -> Task:
    """Cached logits teach; features and mixed samples are not cached, and need the live teacher."""
    data = job.dataset().for_distillation()
    task = Task(
        stage="distill",
        model=student,
        objective=distilled(cfg, data),
        optimizer=optimizer_of(cfg, cfg.optimizer),
        schedule=SCHEDULES["distill"],
        data=data,
        cfg=cfg,
        augmentation=job.recipe.augmentation.views,
        seed=job.seed(cfg),
        view_seed=job.recipe.seed,
        targets=cached(cfg, logits),
        cycle=logits.views,
        mixup=cfg.mixup,
        cutmix=cfg.cutmix,
        distribution=job.distribution,
    )
    if cfg.features != "none":
        return _with_features(task, cfg, teacher, job)
    if cfg.mixup or cfg.cutmix:
        return _with_live_logits(task, cfg, teacher, job)
    return task


def _with_live_logits(task: Task, cfg: DistillConfig, teacher: Teacher, job: Job) -> Task:
    if not cfg.alpha:
        return replace(task, cycle=None)
    shown = _shown_to_the_teacher(job)
    opened = open_stored(teacher, shown, threads=job.recipe.threads)
    return replace(
        task, targets=live(lambda raw: [opened.logits(raw)]), teacher_data=shown, cycle=None
    )


def _shown_to_the_teacher(job: Job) -> Dataset:
    return job.teacher_dataset().for_distillation()


def _with_features(task: Task, cfg: DistillConfig, teacher: Teacher, job: Job) -> Task:
    """Both networks with their features as outputs, which a further loss compares."""
    both = feature_distillation(
        cfg.features, student=task.model, teacher=restore(teacher.checkpoint)
    )
    shown = _shown_to_the_teacher(job)
    weight = cfg.feature_weight or FEATURE_LOSSES[cfg.features].WEIGHT
    return replace(
        task,
        model=both.student,
        objective=with_features(task.objective, both, weight=weight),
        targets=live(make_features(both.teacher, shown.input)),
        teacher_data=shown,
        cycle=None,
    )

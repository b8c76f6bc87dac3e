"""Single stages, run again on the stored artifacts of a finished lane."""

import json
import shutil
from pathlib import Path
from typing import TypeVar

from pipeline.engine.artifacts import Artifact, Checkpoint, Teacher, TeacherLogits
from pipeline.engine.job import Job
from pipeline.engine.progress import Console, SilentConsole
from pipeline.models.network import build
from pipeline.stages import distill
from pipeline.training.loop import Task
from pipeline.training.networks import student_network
from tests.conftest import Lane

Kept = TypeVar("Kept", bound=Artifact)
Setting = tuple[str, object]


def kept(lane: Lane, stage: str, kind: type[Kept]) -> Kept:
    """The one artifact of `stage` in the lane's store."""
    (folder,) = (lane.out / ".store").glob(f"{stage}-*")
    return kind.read(folder)


def job(lane: Lane, scratch: Path, *overrides: Setting, console: Console | None = None) -> Job:
    """The job of a stage with the lane's recipe and `overrides`."""
    scratch.mkdir(parents=True, exist_ok=True)
    return Job(recipe=lane.recipe(*overrides), scratch=scratch, console=console or SilentConsole())


def distil(
    lane: Lane,
    folder: Path,
    *overrides: Setting,
    console: Console | None = None,
    teacher: Teacher | None = None,
    logits: TeacherLogits | None = None,
) -> Checkpoint:
    """Train a student in `folder`; a training that was interrupted there is resumed."""
    given = job(lane, folder / "scratch", *overrides, console=console)
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    return distill.run(
        given.recipe.distill,
        out,
        job=given,
        teacher=teacher or kept(lane, "teacher", Teacher),
        logits=logits or kept(lane, "logits", TeacherLogits),
    )


def distillation_task(lane: Lane, folder: Path, *overrides: Setting) -> Task:
    """The task of `distil`, with fresh weights and not trained."""
    given = job(lane, folder, *overrides)
    recipe = given.recipe
    return distill.make_task(
        recipe.distill,
        build(student_network(recipe, given.dataset())),
        job=given,
        teacher=kept(lane, "teacher", Teacher),
        logits=kept(lane, "logits", TeacherLogits),
    )


def losses(student: Checkpoint) -> list[float]:
    """The training loss of each epoch."""
    lines = (student.folder / "history.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]

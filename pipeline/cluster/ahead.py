"""Make the stages of several runs on a cluster; each run then finds them in the store."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pipeline.cluster.contract import Cluster, Task
from pipeline.engine.progress import Console
from pipeline.engine.runner import Runner
from targets.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Missing:
    """The first stage that a run would make."""

    name: str
    runner: Runner
    stage: str
    folder: str


def make_ahead(runners: Mapping[str, Runner], cluster: Cluster, *, console: Console) -> None:
    """By name, for a person. What several runs wait for is a task of its own, and made once: the
    teacher, its logits, a student. Each run that waits for nobody is one task.

    The first error of a task is raised when the others of its round have ended.
    """
    made: set[str] = set()
    while missing := list(_missing(runners)):
        _require_progress(missing, made)
        outcomes = cluster.make(list(_tasks(missing)), console=console)
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        made |= {one.folder for one in missing}


def with_variants(runner: Runner) -> Iterator[tuple[str, Runner]]:
    """The run, and those of its ablation."""
    name = runner.recipe.name
    yield name, runner
    for seed, chain, variant in runner.variants():
        yield f"{name}, seed {seed}: {chain}", variant


def _missing(runners: Mapping[str, Runner]) -> Iterator[Missing]:
    for name, runner in runners.items():
        steps = replace(runner, force=()).plan()
        step = next(step for step in steps if not step.reused)
        if step.folder is not None:  # else it is a measurement
            yield Missing(name=name, runner=runner, stage=step.name, folder=step.folder)


def _tasks(missing: list[Missing]) -> Iterator[Task]:
    waiting: dict[str, list[Missing]] = {}
    for one in missing:
        waiting.setdefault(one.folder, []).append(one)
    for first, *others in waiting.values():
        task = Task(name=first.name, recipe=first.runner.recipe)
        yield replace(task, last=first.stage) if others else task


def _require_progress(missing: list[Missing], made: set[str]) -> None:
    for one in missing:
        if one.folder in made:
            raise InputError(
                f"--cluster: {one.stage} of {one.name} was made, and is not the result that this "
                "machine asks for: the worker read another data set or other files. Put them on a "
                "folder that all machines share."
            )

"""Candidates as trainings: the stages of a run up to its file, and the file on validation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.cluster.contract import Cluster, Outcome, Task, UnfinishedError
from pipeline.engine.artifacts import Exports
from pipeline.engine.progress import Console, SilentConsole
from pipeline.engine.references import References
from pipeline.engine.remote.errors import StoreError
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from pipeline.recipe.schema import Recipe
from pipeline.search.contract import Candidate, Failed, StoppedEarly, Trained
from pipeline.search.stopping import EarlyStopping
from pipeline.training.checkpoint import HISTORY, EpochRecord
from targets.errors import EdgeDistillError
from targets.formats.record import ExportedModel

if TYPE_CHECKING:
    from pipeline.datasets.splits import Samples

SHARED = ("teacher", "logits")
"""The stages that all students of one teacher have in common."""


@dataclass(frozen=True, kw_only=True)
class StudentTraining:
    store: Store
    cluster: Cluster
    console: Console
    references: References
    """What `pipeline store gc` keeps."""
    early_stopping: bool

    @property
    def at_once(self) -> int:
        return self.cluster.workers

    def train(
        self, candidates: Sequence[Candidate], *, earlier: Sequence[Mapping[int, float]]
    ) -> list[Trained | StoppedEarly | Failed]:
        self._make_teachers(candidates)
        tasks = [self._task(one, earlier) for one in candidates]
        outcomes = self.cluster.make(tasks, console=self.console)
        return [self._found(one) for one in outcomes]

    def _make_teachers(self, candidates: Sequence[Candidate]) -> None:
        """Once and first, where several tasks would wait for the same. A failure is that of its
        candidates, which meet it again."""
        missing: dict[str | None, Task] = {}
        for one in candidates if self.at_once > 1 else ():
            runner = Runner(recipe=one.recipe, store=self.store, console=SilentConsole())
            new = [step for step in runner.plan() if step.name in SHARED and not step.reused]
            if new:
                task = Task(name="teacher", recipe=one.recipe, last=SHARED[-1])
                missing.setdefault(new[0].folder, task)
        if missing:
            self.cluster.make([*missing.values()], console=self.console)

    def _task(self, one: Candidate, earlier: Sequence[Mapping[int, float]]) -> Task:
        name = f"trial {one.number}"
        if not self.early_stopping:
            return Task(name=name, recipe=one.recipe)
        epochs = one.recipe.distill.epochs
        watch = EarlyStopping(earlier=earlier, epochs=epochs)
        return Task(name=name, recipe=one.recipe, watch=watch)

    def _found(self, outcome: Outcome) -> Trained | StoppedEarly | Failed:
        if outcome.stopped is not None:
            return StoppedEarly(stopped=outcome.stopped, wall_s=outcome.wall_s)
        if isinstance(outcome.error, UnfinishedError | StoreError):
            raise outcome.error  # not of the candidate
        if isinstance(outcome.error, EdgeDistillError):
            return Failed(error=outcome.error, wall_s=outcome.wall_s)
        return self.trained(outcome.task.recipe, wall_s=outcome.wall_s)

    def trained(self, recipe: Recipe, *, wall_s: float = 0.0) -> Trained:
        """A candidate whose stages are in the store."""
        from pipeline.datasets.splits import Split

        exports, history = self._stored(recipe)
        model = file_of(exports)
        return Trained(
            file=exports.path(model),
            record=model,
            right=_right(exports, model, _samples(recipe, Split.VAL)),
            accuracies={one.epoch: one.validation_top1 for one in history},
            wall_s=wall_s,
        )

    def finish(self, recipes: Iterable[Recipe]) -> None:
        """From now on, `pipeline store gc` keeps what these candidates were made from, and not what
        the others were."""
        named = References(store=self.references.store, results=self.references.results)
        kept = replace(self, references=named)
        for recipe in recipes:
            kept._stored(recipe)
        named.finish()

    def test_top1(self, candidate: Candidate) -> tuple[float, int]:
        from pipeline.datasets.splits import Split

        exports, _ = self._stored(candidate.recipe)
        right = _right(exports, file_of(exports), _samples(candidate.recipe, Split.TEST))
        return sum(right) / len(right), len(right)

    def _stored(self, recipe: Recipe) -> tuple[Exports, list[EpochRecord]]:
        runner = Runner(
            recipe=recipe, store=self.store, console=SilentConsole(), references=self.references
        )
        artifacts = runner.make().artifacts
        exports = artifacts["convert"]
        assert isinstance(exports, Exports)
        lines = (artifacts["distill"].folder / HISTORY).read_text(encoding="utf-8").splitlines()
        return exports, [EpochRecord.model_validate_json(line) for line in lines]


def file_of(exports: Exports) -> ExportedModel:
    """The one file of a candidate's student."""
    return next(model for model in exports.models if model.role != "teacher")


def _samples(recipe: Recipe, split: str) -> "Samples":
    from pipeline import datasets
    from pipeline.datasets.splits import Split

    return datasets.load(recipe.dataset)[Split(split)]


def _right(exports: Exports, model: ExportedModel, samples: "Samples") -> tuple[bool, ...]:
    from targets.bench.plan import logits_of
    from targets.evaluation import metrics

    with TemporaryDirectory(prefix="pipeline-search-") as scratch:
        path = exports.path(model)
        logits = logits_of(path, model.format, samples.raw, Path(scratch))
    return tuple(map(bool, metrics.right(logits, samples.labels)))

"""All trackers of a run, and the console that lets them see its epochs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.engine.artifacts import Artifact
from pipeline.engine.progress import Console, EpochProgress
from pipeline.recipe.schema import Recipe
from pipeline.reporting.schema import report
from pipeline.reporting.schema.tracked import Tracked
from pipeline.tracking.contract import Epoch, Tracker
from pipeline.tracking.guard import UPLOAD_S, Guarded, opened
from pipeline.training.checkpoint import HISTORY, EpochRecord
from pipeline.training.optimizers import SCHEDULES

FOLDER = ".tracking"


@dataclass(frozen=True, kw_only=True)
class Tracking:
    recipe: Recipe
    trackers: Sequence[Guarded] = ()

    def console(self, shown: Console) -> Console:
        return TrackedConsole(shown=shown, tracking=self) if self.trackers else shown

    def epoch(self, stage: str, *, number: int, loss: float, accuracy: float) -> Epoch:
        cfg = getattr(self.recipe, stage)
        rate = cfg.learning_rate * SCHEDULES[stage]((number - 1) / cfg.epochs)
        return Epoch(number=number, loss=loss, accuracy=accuracy, learning_rate=rate)

    def trained(self, artifacts: Mapping[str, Artifact]) -> None:
        """The histories of all trainings, also of those that were reused."""
        for stage in SCHEDULES.keys() & artifacts.keys() if self.trackers else ():
            path = artifacts[stage].folder / HISTORY
            if path.exists():
                lines = path.read_text(encoding="utf-8").splitlines()
                self._trained(stage, [self._epoch(stage, line) for line in lines])

    def _trained(self, stage: str, history: Sequence[Epoch]) -> None:
        for tracker in self.trackers:
            tracker.tell(lambda one: one.trained(stage, history))

    def _epoch(self, stage: str, line: str) -> Epoch:
        record = EpochRecord.model_validate_json(line)
        return self.epoch(
            stage, number=record.epoch, loss=record.loss, accuracy=record.validation_top1
        )

    def tracked(self) -> Tracked | None:
        """For the report: the run that a server knows."""
        found = (one.tracker.tracked for one in self.trackers if one.tracker is not None)
        return next(filter(None, found), None)

    def delivered(self, results: Path) -> None:
        for tracker in self.trackers:
            # Read inside: another run of the same folder may be replacing it.
            tracker.tell(
                lambda one: one.delivered(results, report.read(results / report.FILE)),
                limit_s=UPLOAD_S,
            )


@contextmanager
def tracking(recipe: Recipe, results: Path, console: Console) -> Iterator[Tracking]:
    """The trackers that the recipe asks for; they keep what they write beside `results`."""
    folder, cfg = results.parent / FOLDER / results.name, recipe.tracking

    def tensorboard() -> Tracker:
        from pipeline.tracking.tensorboard import TensorBoard

        return TensorBoard(folder)

    def mlflow() -> Tracker:
        from pipeline.tracking.mlflow_run import MlflowRun

        return MlflowRun(recipe, state=folder / "mlflow.json")

    asked = {"TensorBoard": (tensorboard, cfg.tensorboard), "MLflow": (mlflow, cfg.mlflow)}
    trackers = [opened(name, make, console.say) for name, (make, on) in asked.items() if on]
    try:
        yield Tracking(recipe=recipe, trackers=trackers)
    except BaseException:
        for tracker in trackers:
            tracker.tell(lambda one: one.interrupted())
        raise


@dataclass(frozen=True, kw_only=True)
class TrackedConsole:
    shown: Console
    tracking: Tracking

    def say(self, text: str) -> None:
        self.shown.say(text)

    @contextmanager
    def epochs(self, stage: str, *, first: int, total: int) -> Iterator[EpochProgress]:
        for tracker in self.tracking.trackers:
            tracker.tell(lambda one: one.begin(stage, first=first))
        with self.shown.epochs(stage, first=first, total=total) as shown:
            yield TrackedEpochs(shown=shown, stage=stage, first=first, tracking=self.tracking)


@dataclass(frozen=True, kw_only=True)
class TrackedEpochs:
    shown: EpochProgress
    stage: str
    first: int
    tracking: Tracking

    def step(self, done: int, of: int) -> None:
        self.shown.step(done, of)

    def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
        self.shown.epoch(number, loss=loss, accuracy=accuracy)
        if number < self.first:
            return  # `trained` adds what is missing
        epoch = self.tracking.epoch(self.stage, number=number, loss=loss, accuracy=accuracy)
        for tracker in self.tracking.trackers:
            tracker.tell(lambda one: one.epoch(self.stage, epoch))

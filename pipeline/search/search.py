"""One search: opened or gone on with, run, and written after every trial."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path

from pipeline import datasets
from pipeline.cluster.contract import Cluster
from pipeline.datasets.splits import Split
from pipeline.engine.delivery import PROVENANCE
from pipeline.engine.progress import Console
from pipeline.engine.references import References
from pipeline.engine.store import Store
from pipeline.recipe.limits import Limit
from pipeline.recipe.load import Source
from pipeline.recipe.schema import Recipe
from pipeline.reporting.findings import search as findings
from pipeline.reporting.pages import search as page
from pipeline.reporting.schema.search import FILE, Cost, SearchResult, TrialRow, read
from pipeline.search import best
from pipeline.search.contract import Candidate, Measuring
from pipeline.search.document import trial_rows
from pipeline.search.journal import journal
from pipeline.search.limits import limits_of, rows
from pipeline.search.loop import Loop
from pipeline.search.space import Space, of_the_teacher, space_of
from pipeline.search.study import Study
from pipeline.search.training import StudentTraining
from pipeline.search.variants import candidate
from pipeline.search.winner import Chosen, Finalist, choose
from targets.errors import InputError
from targets.files.file_lock import waiting_lock
from targets.files.published import published

VERSIONS = ("edge-distill", "optuna", "tensorflow")
LOCK, STUDIES = ".lock", ".studies"
REMEDY = "Make room, or give another folder with --out."


@dataclass(frozen=True, kw_only=True)
class Search:
    source: Source
    folder: Path
    """The results: search.json, search.html, best.toml, and the journals."""
    store: Store
    cluster: Cluster
    measuring: Measuring
    console: Console
    _begun: float = field(default_factory=time.monotonic)

    def run(self) -> SearchResult:
        """Go on until all trials have a result; write them, and return what was written.

        Raises `DeviceError` where a device fails: the same command goes on from there.
        """
        recipe = self.source.recipe()
        space, limits = space_of(self.source), limits_of(recipe.search.limits)
        if (self.folder / PROVENANCE).exists():
            raise InputError(
                f"--out: {self.folder} holds the results of a run, which would replace those of "
                "this search. Choose another --out, or another name in the recipe."
            )
        self.folder.mkdir(parents=True, exist_ok=True)

        def on_wait() -> None:
            self.console.say(f"{self.folder} is in use by another search; waiting for it")

        with waiting_lock(self.folder / LOCK, on_wait=on_wait), self.store.used(self.console):
            return self._searched(recipe, space, limits)

    def _searched(self, recipe: Recipe, space: Space, limits: Sequence[Limit]) -> SearchResult:
        cfg = recipe.search
        where = journal(self.folder / STUDIES, self.source, space)
        study = Study.open(where, space=space, seed=_seed(recipe), sampler=cfg.sampler)
        training = self._training(recipe)
        self._introduce(recipe, space, study)

        def result(chosen: Chosen | None = None) -> SearchResult:
            return self._result(recipe, space, limits, study, chosen)

        Loop(
            source=self.source,
            study=study,
            limits=limits,
            measuring=self.measuring,
            training=training,
            trials=cfg.trials,
            measure_first=cfg.measure_first,
            say=self.console.say,
            on_result=lambda: self._write(result()),
        ).run()
        before = self._finished(result())
        if before is not None:
            return before
        finalists = self._finalists(result().trials, training)
        chosen = choose(
            finalists,
            limits=limits,
            measuring=self.measuring,
            test_top1=training.test_top1,
            say=self.console.say,
        )
        done = result(chosen)
        self._publish(done, chosen)
        if done.named:  # else what was trained waits for other limits, as after an interruption
            named = [row for row in done.trials if row.number in done.named]
            training.finish(candidate(self.source, row.values) for row in named)
        self._write(done)  # last: a finished search is not done again
        return done

    def _finished(self, now: SearchResult) -> SearchResult | None:
        """The result on disk, if it is of these trials and whole."""
        try:
            before = read(self.folder / FILE)
        except InputError:  # missing or damaged: it is written again
            return None
        if before.recommendation is not None and not (self.folder / best.FILE).exists():
            return None
        same = ("trials", "limits", "space", "devices", "seed", "recipe")
        if before.finished and all(getattr(before, key) == getattr(now, key) for key in same):
            return before
        return None

    def _introduce(self, recipe: Recipe, space: Space, study: Study) -> None:
        say, done = self.console.say, len(study.finished())
        for line in space.lines():
            say(f"search    {line}")
        for key in of_the_teacher(recipe, space.dimensions):
            remedy = " (set teacher.size, and it is trained once)" if key == "dataset.size" else ""
            say(f"search    {key} changes the teacher too, which is trained for each value{remedy}")
        limits = ", ".join(recipe.search.limits) or "no limits"
        gone_on = f"; {done} are done" if done else ""
        say(f"search    {recipe.search.trials} trials, {limits}{gone_on}")

    def _training(self, recipe: Recipe) -> StudentTraining:
        return StudentTraining(
            store=self.store,
            cluster=self.cluster,
            console=self.console,
            references=References(store=self.store.root, results=self.folder),
            early_stopping=recipe.search.early_stopping,
        )

    def _finalists(self, trials: Sequence[TrialRow], training: StudentTraining) -> list[Finalist]:
        """The trained candidates within the limits, the most accurate first; of equals the one
        that is measured to be faster."""
        fitting = [row for row in trials if row.state == "trained" and row.trained is not None]

        def order(row: TrialRow) -> tuple[float, float]:
            p90 = max(one.p90_ns for one in row.trained.devices) if row.trained else 0.0
            return -(row.top1 or 0.0), p90

        found = []
        for row in sorted(fitting, key=order):
            recipe = candidate(self.source, row.values)
            one = Candidate(number=row.number, values=row.values, recipe=recipe)
            found.append(Finalist(candidate=one, read=partial(training.trained, recipe)))
        return found

    def _result(
        self,
        recipe: Recipe,
        space: Space,
        limits: Sequence[Limit],
        study: Study,
        chosen: Chosen | None,
    ) -> SearchResult:
        trials, data = trial_rows(study.finished()), datasets.load(recipe.dataset)
        recommendation = chosen.recommendation if chosen else None
        if recommendation is not None:
            text = findings.sentence(recommendation, trials)
            recommendation = recommendation.model_copy(update={"sentence": text})
        return SearchResult(
            created_utc=datetime.now(UTC).isoformat(),
            recipe=recipe.name,
            seed=_seed(recipe),
            finished=chosen is not None,
            devices=recipe.bench.devices,
            limits=rows(limits),
            space=space.rows(),
            validation_samples=len(data[Split.VAL]),
            test_samples=len(data[Split.TEST]),
            trials=trials,
            front=findings.front(trials),
            recommendation=recommendation,
            rejected=tuple(chosen.rejected) if chosen else (),
            cost=Cost(
                wall_s=round(study.spend(time.monotonic() - self._begun), 1),
                measuring_s=sum(one.measuring_s for one in trials),
                training_s=sum(one.training_s for one in trials),
                repeated=study.repeated,
            ),
            versions={name: metadata.version(name) for name in VERSIONS},
        )

    def _write(self, result: SearchResult) -> None:
        """The page takes half a second: less than a measurement, of which each trial has one."""
        page.write(result, self.folder / page.FILE)
        with published(self.folder / FILE, remedy=REMEDY) as part:
            part.write_text(result.dump(), encoding="utf-8")

    def _publish(self, result: SearchResult, chosen: Chosen) -> None:
        if chosen.finalist is None:
            (self.folder / best.FILE).unlink(missing_ok=True)  # of an earlier search
            return
        values = chosen.finalist.candidate.values
        best.write(self.folder / best.FILE, self.source, values, result)


def _seed(recipe: Recipe) -> int:
    return recipe.seed if recipe.search.seed is None else recipe.search.seed

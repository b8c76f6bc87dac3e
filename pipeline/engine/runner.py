"""Plan what is made again and what is reused, and why; run it; hand the results over."""

import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import datasets
from pipeline.datasets.contract import AuditedSettings
from pipeline.engine import fingerprint
from pipeline.engine.artifacts import Artifact, Exports
from pipeline.engine.delivery import deliver, workplace
from pipeline.engine.graph import STAGES, Stage, needed
from pipeline.engine.job import History, Job, Step
from pipeline.engine.manifest import Manifest, StageKey
from pipeline.engine.progress import Console, Stopped, clock
from pipeline.engine.references import References
from pipeline.engine.store import Store, Stored, digests
from pipeline.engine.supply import Found, Supply
from pipeline.recipe.schema import Recipe
from pipeline.tracking.tracking import tracking
from targets.errors import InputError, printable
from targets.processors import require_emulated

if TYPE_CHECKING:
    from pipeline.reporting.schema.ablation import Ablation

ALWAYS = "always made again"


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a run has made or reused so far."""

    steps: list[Step] = field(default_factory=list)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    """Artifacts by the name of the stage."""
    digests: dict[str, str] = field(default_factory=dict)
    """Digests of the stored artifacts, by the name of the stage."""

    def upstream(self, stage: Stage) -> dict[str, Artifact]:
        return {need: self.artifacts[need] for need in stage.needs if need in self.artifacts}


@dataclass(frozen=True, kw_only=True)
class Runner:
    recipe: Recipe
    store: Store
    console: Console
    force: Collection[str] = ()
    """Names of the stages that are made again whatever the store holds."""
    references: References | None = None
    """Where a run notes what it relies on."""

    def plan(self) -> list[Step]:
        """What a run would do now. Behind a stage that is made again, reuse can only be guessed:
        it depends on whether the new result has other bytes."""
        inputs: dict[str, str] = {}
        return [self._planned(stage, inputs) for stage in needed(self.recipe)]

    def plan_ablation(self) -> list[Step]:
        """One step per variant and seed: which of its own stages a run would make."""
        steps = []
        for seed, chain, variant in self.variants():
            own = [
                step for step in variant.plan() if step.name in ("distill", "quantize", "convert")
            ]
            fresh = [step.name for step in own if not step.reused]
            reason = f"seed {seed}, {chain}: {', '.join(fresh) or 'nothing changed'}"
            steps.append(Step(name="ablation", reused=not fresh, reason=reason))
        return steps

    def variants(self) -> Iterator[tuple[int, str, "Runner"]]:
        """Seed, chain and runner of each variant of the ablation, if it is enabled."""
        from pipeline.engine import ablation

        seeds = self.recipe.ablation.seeds if self.recipe.ablation.enabled else ()
        for seed, chain in product(seeds, ablation.chains(self.recipe)):
            yield seed, chain, self._variant(ablation.variant(self.recipe, chain, seed))

    def run(self, results: Path) -> list[Step]:
        """Make what the store does not hold, and publish the folder `results`; what was done."""
        begun = time.monotonic()
        self.check()
        references = References(store=self.store.root, results=results)
        noting = replace(self, references=references)
        with (
            workplace(results, store=self.store.root) as work,
            self.store.used(self.console),
            tracking(self.recipe, results, self.console) as trackers,
        ):
            made = replace(noting, console=trackers.console(self.console)).make()
            trackers.trained(made.artifacts)
            ablation = noting._ablate() if self.recipe.ablation.enabled else None
            for stage in STAGES:
                if not stage.reusable:
                    history = History(
                        steps=tuple(made.steps), begun=begun, ablation=ablation,
                        tracked=trackers.tracked(),
                    )  # fmt: skip
                    self._make_always(stage, made, history, work)
            deliver(made.artifacts, made.steps, self.recipe, work / "results", results)
            references.finish()
            trackers.delivered(results)
        return made.steps

    def check(self) -> None:
        """What fails before a folder is made or anything trains."""
        self.store.require()
        self.check_data()
        self._require_single_devices()
        self._require_processors()
        self._require_streams()

    def check_data(self) -> None:
        """Raise `InputError` for data that are missing, in two splits, or cannot be used."""
        datasets.source_digest(self.recipe.dataset)
        datasets.notes_on(self.recipe.dataset)
        self._require_no_leaks()

    def make(self, *, last: str = "convert") -> Results:
        """Make or reuse every stage that the store keeps, up to `last`: by default, all that come
        before the bench."""
        made = Results()
        for stage in needed(self.recipe):
            if stage.reusable:
                step, stored = self._make_or_reuse(stage, made)
                if self.store.share(stored, made=not step.reused):
                    self.console.say(f"{stage.name:<9} sent to the object store")
                made.steps.append(step)
                made.digests[stage.name] = stored.manifest.digest
                made.artifacts[stage.name] = stage.makes.read(stored.folder)
            if stage.name == last:
                break
        return made

    def _require_processors(self) -> None:
        """Prepare the emulation of `convert.prove_on` before anything trains, not hours later."""
        names = self.recipe.convert.prove_on
        require_emulated(names, place="convert.prove_on")
        if names:
            from targets.processors.emulation import prepare

            prepare(names)

    def _require_streams(self) -> None:
        """Make the long sounds of `[streaming]`, which takes seconds, before anything trains."""
        if self.recipe.streaming.enabled:
            from pipeline.streams import sources

            sources.require(self.recipe.streaming, datasets.load(self.recipe.dataset))

    def _require_single_devices(self) -> None:
        for name in self.recipe.bench.devices:
            if "," in name:
                each = " ".join(f"--device {one.strip()}" for one in name.split(","))
                raise InputError(
                    f"--device {name}: is a fleet, of which `pipeline search` takes any device "
                    f"that is free. A run measures on every one: {each}."
                )

    def _require_no_leaks(self) -> None:
        cfg = self.recipe.dataset
        audit = datasets.audit_of(cfg)
        if audit is not None:
            from pipeline.datasets.audit.leaks import require_no_leaks

            assert isinstance(cfg.settings, AuditedSettings)  # it has an audit
            allowed = cfg.settings.allow_leaks
            require_no_leaks(audit, name=str(cfg.path or cfg.name), allowed=allowed)

    def _show_audit(self) -> None:
        audit = datasets.audit_of(self.recipe.dataset)
        if audit is not None:
            from pipeline.reporting.tables.audit import lines

            for line in lines(audit):
                self.console.say(line)
        for note in datasets.notes_on(self.recipe.dataset):
            self.console.say(f"data      {printable(note)}")

    def _ablate(self) -> "Ablation":
        from pipeline.engine import ablation

        def make(recipe: Recipe) -> Exports:
            exports = self._variant(recipe).make().artifacts["convert"]
            assert isinstance(exports, Exports)
            return exports

        started = time.monotonic()
        table = ablation.run(self.recipe, make=make, say=self.console.say)
        return table.model_copy(update={"wall_s": round(time.monotonic() - started, 1)})

    def _variant(self, recipe: Recipe) -> "Runner":
        return replace(self, recipe=recipe, force=())

    def _planned(self, stage: Stage, inputs: dict[str, str]) -> Step:
        """The step of `stage`, whose result's digest is added to `inputs` if it is reused."""
        if not stage.reusable:
            return Step(name=stage.name, reused=False, reason=ALWAYS)
        planned = {one.name for one in needed(self.recipe)}
        waiting = [need for need in stage.needs if need in planned - inputs.keys()]
        if waiting:
            reason = f"waits for {', '.join(waiting)}; reused if the same bytes come out"
            return Step(name=stage.name, reused=False, reason=reason)
        found = self._find(stage, inputs)
        if found.step.manifest is not None:
            inputs[stage.name] = found.step.manifest.digest
        return found.step

    def _find(self, stage: Stage, inputs: dict[str, str]) -> Found:
        return self._supply.find(stage, self._key(stage, inputs))

    @property
    def _supply(self) -> Supply:
        return Supply(store=self.store, console=self.console, force=self.force)

    def _make_or_reuse(self, stage: Stage, made: Results) -> tuple[Step, Stored]:
        found = self._find(stage, made.digests)
        if self.references is not None:
            self.references.add(self.store.folder(stage.name, found.digest).name)
        if found.stored is not None:
            self.console.say(f"{stage.name:<9} reused: {found.step.reason}")
            return found.step, found.stored
        if (
            not stage.needs and not found.step.reused
        ):  # data that changed are shown before anything trains on them
            self._show_audit()
        with self.store.scratch(stage.name, found.digest, self.console) as scratch:
            found = self._supply.brought(stage, found, scratch)
            if found.stored is not None:
                self.store.clear(scratch)
                return found.step, found.stored
            self.console.say(f"{stage.name:<9} {found.step.reason}")
            started = time.monotonic()
            try:
                stored = self._make(stage, found, made, scratch)
            except Stopped:
                self.store.clear(scratch)
                self.store.forget(scratch)
                raise
            self.store.clear(scratch)
        wall_s = time.monotonic() - started
        self.console.say(f"{stage.name:<9} done in {clock(wall_s)}")
        return replace(found.step, wall_s=wall_s, manifest=stored.manifest), stored

    def _make(self, stage: Stage, found: Found, made: Results, scratch: Path) -> Stored:
        started = time.monotonic()
        out = scratch / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        console = self.store.going_on(scratch, self.console)
        job = Job(recipe=self.recipe, scratch=scratch, console=console)
        self._trained(stage, out, job, made.upstream(stage)).write()
        if self._key(stage, made.digests) != found.key:
            raise InputError(
                f"stage {stage.name}: what it is made from (teacher.file, or a library) changed "
                "while it ran, and nothing of it was kept. Run the same command again."
            )
        manifest = Manifest(
            files=digests(out),
            made_from=found.key,
            created_utc=datetime.now(UTC).isoformat(),
            wall_s=round(time.monotonic() - started, 3),
        )
        return self.store.publish(out, stage=stage.name, key=found.digest, manifest=manifest)

    def _trained(
        self, stage: Stage, out: Path, job: Job, upstream: Mapping[str, Artifact]
    ) -> Artifact:
        """The artifact of a stage, made in this process or by the workers of the recipe."""
        if stage.workers(self.recipe) == 1:
            return stage.run(stage.config(self.recipe), out, job=job, **upstream)
        from pipeline.cluster import multi_worker

        return multi_worker.run(stage, out, job=job, store=self.store, upstream=upstream)

    def _make_always(self, stage: Stage, made: Results, history: History, work: Path) -> None:
        started = time.monotonic()
        out, scratch = work / stage.name, work / f"{stage.name}-scratch"
        out.mkdir(parents=True)
        scratch.mkdir()
        job = Job(recipe=self.recipe, scratch=scratch, console=self.console, history=history)
        artifact = stage.run(stage.config(self.recipe), out, job=job, **made.upstream(stage))
        made.artifacts[stage.name] = artifact
        wall_s = time.monotonic() - started
        made.steps.append(Step(name=stage.name, reused=False, reason=ALWAYS, wall_s=wall_s))

    def _key(self, stage: Stage, inputs: dict[str, str]) -> StageKey:
        return fingerprint.stage_key(
            stage,
            self.recipe,
            inputs={need: inputs[need] for need in stage.needs if need in inputs},
            dataset_sha256=datasets.source_digest(self.recipe.dataset),
        )

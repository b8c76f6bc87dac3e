"""Plan what is fresh and what is reused, and why; run it; hand the results over."""

import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import datasets
from pipeline.engine import fingerprint
from pipeline.engine.artifacts import Artifact, Exports
from pipeline.engine.graph import STAGES, Stage, needed
from pipeline.engine.job import History, Job, Step
from pipeline.engine.progress import Console, clock
from pipeline.engine.results import deliver, workplace
from pipeline.engine.store import Damaged, Manifest, Store, Stored, digests
from pipeline.recipe.schema import Recipe
from targets.errors import InputError
from targets.processors import require_emulated

if TYPE_CHECKING:
    from pipeline.reporting.schema.ablation import Ablation

ALWAYS = "always made again"


@dataclass(frozen=True, kw_only=True)
class Runner:
    recipe: Recipe
    store: Store
    console: Console
    force: Collection[str] = ()

    def plan(self) -> list[Step]:
        """What a run would do now. Behind a stage that is made again, reuse can only be guessed:
        it depends on whether the new result has other bytes."""
        steps: list[Step] = []
        inputs: dict[str, str] = {}
        stages = needed(self.recipe)
        planned = {stage.name for stage in stages}
        for stage in stages:
            waiting = [need for need in stage.needs if need in planned - inputs.keys()]
            if not stage.reusable:
                steps.append(Step(name=stage.name, reused=False, reason=ALWAYS))
            elif waiting:
                reason = f"waits for {', '.join(waiting)}; reused if the same bytes come out"
                steps.append(Step(name=stage.name, reused=False, reason=reason))
            else:
                step, found = self._look(stage, inputs)
                steps.append(step)
                if found is not None:
                    inputs[stage.name] = found.manifest.digest
        return steps

    def plan_ablation(self) -> list[Step]:
        """One step per variant and seed: which of its own stages a run would make."""
        from pipeline.engine import ablation

        seeds = self.recipe.ablation.seeds if self.recipe.ablation.enabled else ()
        steps = []
        for seed, chain in product(seeds, ablation.CHAINS):
            recipe = ablation.variant(self.recipe, chain, seed)
            planned = replace(self, recipe=recipe, force=()).plan()
            own = [step for step in planned if step.name in ("distill", "quantize", "convert")]
            fresh = [step.name for step in own if not step.reused]
            reason = f"seed {seed}, {chain}: {', '.join(fresh) or 'nothing changed'}"
            steps.append(Step(name="ablation", reused=not fresh, reason=reason))
        return steps

    def run(self, results: Path) -> list[Step]:
        """Run what is not there yet, and publish the folder `results`; what was done."""
        begun = time.monotonic()
        datasets.source_digest(self.recipe.dataset)  # missing data is told before a place is made
        self._require_processors()
        with workplace(results, store=self.store.root) as work:
            steps, artifacts = self.make()
            ablation = self._ablate() if self.recipe.ablation.enabled else None
            for stage in STAGES:
                if stage.reusable:
                    continue
                upstream = {need: artifacts[need] for need in stage.needs}
                started = time.monotonic()
                history = History(steps=tuple(steps), begun=begun, ablation=ablation)
                artifacts[stage.name] = self._observe(stage, work, upstream, history)
                wall_s = time.monotonic() - started
                steps.append(Step(name=stage.name, reused=False, reason=ALWAYS, wall_s=wall_s))
            deliver(artifacts, steps, self.recipe, work / "results", results)
        return steps

    def _require_processors(self) -> None:
        """What emulates them is made before anything trains, not hours later."""
        names = self.recipe.convert.prove_on
        require_emulated(names, place="convert.prove_on")
        if names:
            from targets.processors.emulation import prepare

            prepare(names)

    def make(self) -> tuple[list[Step], dict[str, Artifact]]:
        """Everything that can be kept: all that comes before the measurements."""
        steps: list[Step] = []
        artifacts: dict[str, Artifact] = {}
        inputs: dict[str, str] = {}
        for stage in needed(self.recipe):
            if stage.reusable:
                upstream = {need: artifacts[need] for need in stage.needs if need in artifacts}
                step, stored = self._make_or_reuse(stage, inputs, upstream)
                inputs[stage.name] = stored.manifest.digest
                artifacts[stage.name] = stage.makes.read(stored.folder)
                steps.append(step)
        return steps, artifacts

    def _ablate(self) -> "Ablation":
        from pipeline.engine import ablation

        def make(recipe: Recipe) -> Exports:
            _, artifacts = replace(self, recipe=recipe, force=()).make()
            exports = artifacts["convert"]
            assert isinstance(exports, Exports)
            return exports

        started = time.monotonic()
        data = datasets.load(self.recipe.dataset)
        table = ablation.run(self.recipe, make=make, data=data, say=self.console.say)
        return table.model_copy(update={"wall_s": round(time.monotonic() - started, 1)})

    def _look(self, stage: Stage, inputs: dict[str, str]) -> tuple[Step, Stored | None]:
        document = self._document(stage, inputs)
        key = fingerprint.digest(document)
        found = self.store.find(stage.name, key)
        folder = self.store.folder(stage.name, key).name
        if isinstance(found, Stored) and stage.name not in self.force:
            step = Step(name=stage.name, reused=True, reason="nothing changed", folder=folder)
            return replace(step, key=key, manifest=found.manifest), found
        if stage.name in self.force:
            reason = "--force"
        elif isinstance(found, Damaged):
            reason = f"the stored result is damaged ({found.what})"
        else:
            before = self.store.latest(stage.name)
            reason = fingerprint.difference(before.made_from, document) if before else ""
            reason = reason or "not made yet"
        return Step(name=stage.name, reused=False, reason=reason, folder=folder, key=key), None

    def _make_or_reuse(
        self, stage: Stage, inputs: dict[str, str], upstream: dict[str, Artifact]
    ) -> tuple[Step, Stored]:
        step, found = self._look(stage, inputs)
        if found is not None:
            self.console.say(f"{stage.name:<9} reused: {step.reason}")
            return step, found
        key = step.key
        assert key is not None
        with self.store.scratch(stage.name, key, self.console) as scratch:
            if stage.name not in self.force:
                found = self._made_meanwhile(stage, key)
                if found is not None:
                    step = replace(step, reused=True, reason="made by another run")
                    return replace(step, manifest=found.manifest), found
            self.console.say(f"{stage.name:<9} {step.reason}")
            started = time.monotonic()
            stored = self._make(stage, inputs, upstream, key, scratch)
            self.store.clear(scratch)
        wall_s = time.monotonic() - started
        self.console.say(f"{stage.name:<9} done in {clock(wall_s)}")
        return replace(step, wall_s=wall_s, manifest=stored.manifest), stored

    def _made_meanwhile(self, stage: Stage, key: str) -> Stored | None:
        found = self.store.find(stage.name, key)
        return found if isinstance(found, Stored) else None

    def _make(
        self,
        stage: Stage,
        inputs: dict[str, str],
        upstream: dict[str, Artifact],
        key: str,
        scratch: Path,
    ) -> Stored:
        started = time.monotonic()
        out = scratch / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        job = Job(recipe=self.recipe, scratch=scratch, console=self.console)
        stage.run(stage.config(self.recipe), out, job=job, **upstream).write()
        made_from = self._document(stage, inputs)
        if fingerprint.digest(made_from) != key:
            raise InputError(
                f"stage {stage.name}: what it is made from (teacher.file, or a library) changed "
                "while it ran, and nothing of it was kept. Run the same command again."
            )
        manifest = Manifest(
            files=digests(out),
            made_from=made_from,
            created_utc=datetime.now(UTC).isoformat(),
            wall_s=round(time.monotonic() - started, 3),
        )
        return self.store.publish(out, stage=stage.name, key=key, manifest=manifest)

    def _observe(
        self,
        stage: Stage,
        work: Path,
        upstream: dict[str, Artifact],
        history: History,
    ) -> Artifact:
        out, scratch = work / stage.name, work / f"{stage.name}-scratch"
        out.mkdir(parents=True)
        scratch.mkdir()
        job = Job(recipe=self.recipe, scratch=scratch, console=self.console, history=history)
        return stage.run(stage.config(self.recipe), out, job=job, **upstream)

    def _document(self, stage: Stage, inputs: dict[str, str]) -> fingerprint.Document:
        return fingerprint.document(
            stage,
            self.recipe,
            inputs={need: inputs[need] for need in stage.needs if need in inputs},
            dataset_sha256=datasets.source_digest(self.recipe.dataset),
        )

"""Whether a stage has a result already, here or elsewhere, and why it is made again if not."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.engine import fingerprint
from pipeline.engine.graph import Stage
from pipeline.engine.job import Step
from pipeline.engine.manifest import Manifest, StageKey, key_digest
from pipeline.engine.progress import Console
from pipeline.engine.store import Damaged, Elsewhere, Store, Stored


@dataclass(frozen=True, kw_only=True)
class Found:
    """A stage's key, and the result that can be reused for it."""

    key: StageKey
    step: Step
    stored: Stored | None = None
    elsewhere: Elsewhere | None = None
    """Where it is not stored here."""

    @property
    def digest(self) -> str:
        return key_digest(self.key)


@dataclass(frozen=True, kw_only=True)
class Supply:
    store: Store
    console: Console
    force: Collection[str]
    """Names of the stages that are made again whatever the store holds."""

    def find(self, stage: Stage, key: StageKey) -> Found:
        """Nothing is fetched."""
        digest = key_digest(key)
        if stage.name in self.force:
            return Found(key=key, step=self._fresh(stage, key, "--force"))
        here = self.store.find(stage.name, digest)
        if isinstance(here, Stored):
            return Found(key=key, step=_reused(here.manifest, "nothing changed"), stored=here)
        there = self.store.elsewhere(stage.name, digest)
        if isinstance(there, Elsewhere):
            step = _reused(there.manifest, f"nothing changed; in {there.place}")
            return Found(key=key, step=step, elsewhere=there)
        return Found(key=key, step=self._fresh(stage, key, self._why(stage, key, here or there)))

    def brought(self, stage: Stage, found: Found, scratch: Path) -> Found:
        """With the result that another run has made meanwhile, or another machine before."""
        if stage.name in self.force:
            return found
        meanwhile = self.store.find(stage.name, found.digest)
        if isinstance(meanwhile, Stored):
            step = _reused(meanwhile.manifest, "made by another run")
            return replace(found, step=step, stored=meanwhile)
        return found if found.elsewhere is None else self._fetched(stage, found, scratch)

    def _fetched(self, stage: Stage, found: Found, scratch: Path) -> Found:
        assert found.elsewhere is not None
        self.console.say(f"{stage.name:<9} reused: {found.step.reason}")
        fetched = self.store.fetch(found.elsewhere, scratch)
        if isinstance(fetched, Stored):
            return replace(found, stored=fetched)
        return replace(found, step=self._fresh(stage, found.key, _damage(fetched)))

    def _fresh(self, stage: Stage, key: StageKey, reason: str) -> Step:
        folder = self.store.folder(stage.name, key_digest(key)).name
        return Step(name=stage.name, reused=False, reason=reason, folder=folder)

    def _why(self, stage: Stage, key: StageKey, damaged: Damaged | None) -> str:
        """Why a stage is made again."""
        if damaged is not None:
            return _damage(damaged)
        before = self.store.latest(stage.name)
        changes = fingerprint.difference(before.made_from, key) if before else ""
        return changes or "not made yet"


def _damage(found: Damaged) -> str:
    return f"the stored result is damaged ({found.what})"


def _reused(manifest: Manifest, reason: str) -> Step:
    return Step(
        name=manifest.made_from["stage"],
        reused=True,
        reason=reason,
        folder=manifest.folder,
        manifest=manifest,
    )

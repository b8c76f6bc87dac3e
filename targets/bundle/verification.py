"""All that can be verified of a bundle, in the order in which each step relies on those before.

No file of the bundle is executed before container, digests and signature have passed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from targets.bundle import reading
from targets.bundle.files import check_sums
from targets.bundle.reading import Contents
from targets.bundle.schema import SIGNATURE
from targets.bundle.trial import Trial, processor
from targets.bundle.trust import Trust, how, verify
from targets.errors import VerificationError

Say = Callable[[str], None]
Verdict = Literal["passed", "failed", "skipped"]
TIMEOUT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Step:
    name: str
    verdict: Verdict
    text: str


@dataclass(kw_only=True)
class Verification:
    """The steps for one bundle, unpacked into `scratch`."""

    bundle: Path
    scratch: Path
    trust: Trust | None
    timeout_s: float
    files: dict[str, Path] = field(default_factory=dict)
    contents: Contents | None = None

    def steps(self) -> dict[str, Callable[[], str | Step]]:
        return {
            "container": self._container,
            "digests": self._digests,
            "signature": self._signature,
            "contents": self._contents,
            "models": self._models,
            "samples": self._samples,
        }

    @property
    def folder(self) -> Path:
        return self.scratch / "bundle"

    @property
    def known(self) -> Contents:
        assert self.contents is not None  # a step behind `contents`
        return self.contents

    def _container(self) -> str:
        self.folder.mkdir()
        self.files = reading.unpack(self.bundle, self.folder)
        size = sum(path.stat().st_size for path in self.files.values())
        return f"{len(self.files)} files, {size:,} bytes"

    def _digests(self) -> str:
        check_sums(self.files, error=VerificationError)
        return "every file is in SHA256SUMS and unchanged"

    def _signature(self) -> str | Step:
        if self.trust is not None:
            return f"by {verify(self.folder, self.files, self.trust)}"
        signed = SIGNATURE in self.files
        text = f"not checked ({how(self.files)})" if signed else "not signed"
        return Step(name="signature", verdict="skipped", text=text)

    def _contents(self) -> str:
        self.contents = reading.contents(self.files)
        bundle = self.contents.bundle
        return f"{bundle.name} {bundle.version}, models: {len(bundle.models)}"

    def _models(self) -> str:
        for model in self.known.bundle.models:
            self._trial.require_loaded(model.file, self.known.sidecars[model.file])
            self._trial.require_metadata(model.file, self.known.metadata(model))
        return f"load, and agree with their sidecars: {', '.join(self.known.sidecars)}"

    def _samples(self) -> str | Step:
        samples, known = self.known.bundle.samples, self.known.sidecars
        count = sum(self._trial.require_classes(f, found, samples) for f, found in known.items())
        if not count:
            return Step(name="samples", verdict="skipped", text="the bundle has none")
        return f"{count} of {count} classes as recorded on this processor, {processor()}"

    @property
    def _trial(self) -> Trial:
        return Trial(folder=self.folder, scratch=self.scratch, timeout_s=self.timeout_s)


def verified(
    bundle: Path,
    *,
    trust: Trust | None = None,
    timeout_s: float = TIMEOUT_S,
    say: Say = lambda text: None,
) -> Iterator[Step]:
    """The steps as they are done, up to the first that fails. `InputError`: it is no bundle."""
    with _scratch() as scratch:
        verification = Verification(
            bundle=bundle, scratch=scratch, trust=trust, timeout_s=timeout_s
        )
        for name, act in verification.steps().items():
            say(name)
            try:
                done = act()
            except VerificationError as error:
                yield Step(name=name, verdict="failed", text=str(error))
                return
            yield done if isinstance(done, Step) else Step(name=name, verdict="passed", text=done)


@contextmanager
def _scratch() -> Iterator[Path]:
    with TemporaryDirectory(prefix="edge-distill-") as folder:
        yield Path(folder).resolve()

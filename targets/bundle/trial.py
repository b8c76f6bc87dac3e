"""The models of a bundle on this processor, in processes of their own.

They are the processes that measure: a file that crashes its runtime, or never ends, is a verdict.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.bench.agent.kernel import cpu_features
from targets.bench.agent.session import Tensor
from targets.bench.case import BenchCase
from targets.bench.decoding import array
from targets.bench.model_files import files_of
from targets.bench.plan import Bench, BenchPlan, store
from targets.bench.runner import local_runner
from targets.bundle.schema import Sample
from targets.errors import EdgeDistillError, VerificationError, listed, printable
from targets.formats import FORMATS, format_of
from targets.formats.metadata import FileMetadata
from targets.formats.sidecar import Sidecar
from targets.images.reading import UnreadablePictureError, read

Raw = npt.NDArray[np.generic]
ONCE = BenchPlan(processes=1, min_queries=1, min_duration_s=0, max_duration_s=0)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Runs the models of the bundle in `folder`; `scratch` is for files in between."""

    folder: Path
    scratch: Path
    timeout_s: float

    def require_loaded(self, file: str, found: Sidecar) -> None:
        """Raise `VerificationError` unless the model loads, and takes and gives what its sidecar
        says."""
        with self._verdict(file):
            files_of(self.folder / file)
            described = self._bench().once(self._case(file, found), "describe")
        inputs: list[Tensor] = described["inputs"]
        adapter = found.adapter
        shape = found.input.shape if adapter is None else adapter.shape
        if len(inputs) != 1 or not _fits(inputs[0]["shape"], shape):
            raise VerificationError(f"{file}: takes {inputs}, and its sidecar says {list(shape)}.")

    def require_metadata(self, file: str, wanted: FileMetadata) -> None:
        """Raise `VerificationError` unless the file, which loads, says of itself what the bundle
        does."""
        try:
            found = FORMATS[format_of(self.folder / file)].stamped(self.folder / file)
            texts = wanted.texts()
            wrong = [key for key, text in texts.items() if found.get(key) != text]
        except Exception as error:  # libraries read here what a stranger sent
            raise VerificationError(f"{file}: its metadata cannot be read.") from error
        if wrong:
            raise VerificationError(
                f"{file}: its metadata are not those of the bundle: {listed(wrong)}. The bundle "
                "does not agree with itself."
            )

    def require_classes(self, file: str, found: Sidecar, samples: tuple[Sample, ...]) -> int:
        """The number of samples; raise `VerificationError` unless each gets its recorded class."""
        own = [one for one in samples if file in one.predicted]
        if not own:
            return 0
        given = self._classes(file, found, own)
        wrong = [
            f"{one.file} is {label}, recorded {one.predicted[file]}"
            for one, label in zip(own, given, strict=True)
            if label != one.predicted[file]
        ]
        if wrong:
            raise VerificationError(
                f"{file}: {len(wrong)} of {len(own)} samples get another class on "
                f"{processor()}: {listed(wrong, most=5, separator='; ')}. Do not use the file here."
            )
        return len(own)

    def _classes(self, file: str, found: Sidecar, samples: list[Sample]) -> list[str]:
        raw = np.stack([raw_input(self.folder, one.file, found) for one in samples])
        stored = self.scratch / "samples.npy"
        store(raw, stored)
        with self._verdict(file):
            logits, _ = self._bench(stored).outputs(self._case(file, found))
        if logits is None or logits.size != len(samples) * len(found.classes):
            raise VerificationError(
                f"{file}: does not give one score for each of {len(found.classes)} classes."
            )
        scores = logits.reshape(len(samples), -1)
        if not np.isfinite(scores).all():
            raise VerificationError(f"{file}: gives scores that are not finite.")
        return [found.classes[index] for index in scores.argmax(axis=1)]

    def _bench(self, samples: Path | None = None) -> Bench:
        runner = local_runner(self.scratch, timeout_s=self.timeout_s)
        return Bench(runner=runner, samples=samples, plan=ONCE)

    def _case(self, file: str, found: Sidecar) -> BenchCase:
        path = self.folder / file
        return BenchCase(name=path.name, format=found.format, path=path, adapter=found.adapter)

    @contextmanager
    def _verdict(self, file: str) -> Iterator[None]:
        try:
            yield
        except EdgeDistillError as error:
            what = str(error).replace(f"{self.folder}/", "")
            raise VerificationError(what if file in what else f"{file}: {what}") from error


def raw_input(folder: Path, file: str, found: Sidecar) -> Raw:
    """A sample as the raw input that the sidecar describes."""
    shape = found.input.shape
    try:
        if file.endswith(".npy"):
            raw: Raw = array(folder / file)
        else:
            raw = read(folder / file, channels=1 if shape[-1] == 1 else 3)
    except (UnreadablePictureError, ValueError) as error:
        raise VerificationError(f"{file}: cannot be read: {printable(str(error))}.") from error
    if raw.shape != shape:
        raise VerificationError(f"{file}: is {raw.dtype} {list(raw.shape)}, not {list(shape)}.")
    return raw


def _fits(declared: list[int | None], sample: tuple[int, ...]) -> bool:
    """Whether an input [batch, ...] takes a sample; None is a size that the file leaves open."""
    pairs = zip(declared[1:], sample, strict=False)
    return len(declared) == 1 + len(sample) and all(have in (None, want) for have, want in pairs)


def processor() -> str:
    """This one, by what decides how int8 is multiplied."""
    features = ", ".join(cpu_features())
    return f"{platform.machine()} with {features}" if features else platform.machine()

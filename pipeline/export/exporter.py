"""One model file: written, inspected, and compared in its runtime with its network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.digest import file_sha256
from targets.errors import DeviceError, ProofError
from targets.evaluation.parity import TooFewEqualError, require_parity, require_same_labels
from targets.formats import FORMATS
from targets.formats.calibration import evenly
from targets.formats.contract import ExportContext, Operators, ServingFunction, SourceFile
from targets.formats.precisions import PRECISIONS, Precision
from targets.formats.record import EVERY_PROCESSOR, VNNI_OR_ARM, ProcessorProof, ScaleRow

Raw = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]
Answers = Callable[[Path, str, Raw, Path], Logits]
"""(file, format, raw samples, scratch folder) -> [n, classes] in the file's runtime."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A trained network that files are made from."""

    name: str
    """Its files are `<name>.<precision>.<format>`."""
    function: Callable[[Precision, str], ServingFunction]
    """What to export for a precision; the file's name is for a `ConversionError`."""
    logits: Callable[[Raw], Logits]
    """Raw samples [n, ...] to [n, classes]."""


@dataclass(frozen=True, kw_only=True)
class SampleSets:
    """Raw samples [n, ...]."""

    calibration: Raw
    """For the ranges of activations."""
    comparison: Raw
    """On which a file is compared with its network."""
    pair: Raw
    """On which two files of one quantized graph are compared."""


@dataclass(frozen=True, kw_only=True)
class PairProof:
    """A file against the file of another format that it was made from."""

    source: SourceFile
    agreement: float
    """Share of samples with the same label."""
    max_abs_diff: float
    holds_on: str
    processors: tuple[ProcessorProof, ...]


@dataclass(frozen=True, kw_only=True)
class ProvedFile:
    path: Path
    format: str
    precision: Precision
    sha256: str
    size_bytes: int
    operators: Operators
    outputs: Logits
    """For the samples of the comparison."""
    agreement: float
    """Share of these samples with the label of the network."""
    max_abs_diff: float
    pair: PairProof | None
    """None for a file that was not made from another one."""

    @property
    def scales(self) -> tuple[ScaleRow, ...]:
        return () if self.pair is None else self.pair.source.scales


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A file that is not proved, and therefore not kept."""

    name: str
    format: str
    precision: Precision
    error: ProofError | DeviceError
    """`DeviceError`: its runtime cannot execute it."""


def _in_runtime(path: Path, file_format: str, samples: Raw, scratch: Path) -> Logits:
    from targets.bench.plan import logits_of

    return logits_of(path, file_format, samples, scratch)


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """Writes files into one folder. A format that is made from another one comes after it."""

    folder: Path
    scratch: Path
    samples: SampleSets
    say: Callable[[str], None]
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name of a format -> its settings."""
    prove_on: tuple[str, ...] = ()
    """Names of `PROCESSORS` on which pairs of files are compared too."""
    answers: Answers = _in_runtime
    _refused: set[str] = field(default_factory=set)
    _outputs: dict[tuple[Path, int], Logits] = field(default_factory=dict)

    def export(self, network: Network, target: str, precision_name: str) -> ProvedFile | Refused:
        """Write and prove one file; a refused one leaves nothing in the folder.

        Raises `InputError` for samples that are too few to calibrate with.
        """
        precision = PRECISIONS[precision_name]
        path = self.folder / f"{network.name}.{precision.name}.{target}"
        self.say(f"convert   {path.stem} to {target}")
        try:
            return self._proved(network, path, target, precision)
        except (ProofError, DeviceError) as error:
            path.unlink(missing_ok=True)
            self._refused.add(path.name)
            return Refused(name=path.name, format=target, precision=precision, error=error)

    def _proved(
        self, network: Network, path: Path, target: str, precision: Precision
    ) -> ProvedFile:
        function, context = network.function(precision, path.name), self._context(target)
        source = FORMATS[target].export(function, precision.name, path, context=context)
        outputs = self._answers(path, self.samples.comparison)
        try:
            agreement, difference = require_parity(
                path.name,
                precision.name,
                expected=network.logits(self.samples.comparison),
                seen=outputs,
            )
        except TooFewEqualError as error:
            integer_file = path if source is None else source.path
            advice = what_to_try(precision, function, integer_file, context=context)
            raise TooFewEqualError(f"{error} {advice}") from error
        return ProvedFile(
            path=path,
            format=target,
            precision=precision,
            sha256=file_sha256(path),
            size_bytes=path.stat().st_size,
            operators=FORMATS[target].inspect(path),
            outputs=outputs,
            agreement=agreement,
            max_abs_diff=difference,
            pair=None if source is None else self._pair(path, target, source),
        )

    def _context(self, target: str) -> ExportContext:
        return ExportContext(
            samples=evenly(self.samples.calibration),
            scratch=self.scratch,
            options=self.options.get(target, {}),
            refused=self._refused,
        )

    def _pair(self, path: Path, target: str, source: SourceFile) -> PairProof:
        agreement, difference = require_same_labels(
            path.name,
            source.path.name,
            expected=self._answers(source.path, self.samples.pair),
            seen=self._answers(path, self.samples.pair),
        )
        saturates = FORMATS[target].saturating_products(path)
        return PairProof(
            source=source,
            agreement=agreement,
            max_abs_diff=difference,
            holds_on=VNNI_OR_ARM if saturates else EVERY_PROCESSOR,
            processors=self._on_processors(path, source),
        )

    def _on_processors(self, path: Path, source: SourceFile) -> tuple[ProcessorProof, ...]:
        from targets.processors.proof import SAMPLES, prove

        if not self.prove_on:
            return ()
        self.say(f"convert   {path.name} on {', '.join(self.prove_on)}, emulated")
        samples = evenly(self.samples.pair, SAMPLES)
        return tuple(
            prove(path, source=source.path, samples=samples, on=self.prove_on, scratch=self.scratch)
        )

    def _answers(self, path: Path, samples: Raw) -> Logits:
        """Each file runs once over each set of samples."""
        key = path, id(samples)
        if key not in self._outputs:
            file_format = path.suffix.removeprefix(".")
            self._outputs[key] = self.answers(path, file_format, samples, self.scratch)
        return self._outputs[key]


def what_to_try(
    precision: Precision, function: ServingFunction, path: Path, *, context: ExportContext
) -> str:
    """The remedy for a file with other labels than its network, and where its signal is lost."""
    losses: tuple[str, ...] = ()
    if precision.int8 and precision.calibrated:
        file_format = FORMATS[path.suffix.removeprefix(".")]
        losses = file_format.lossy_layers(path, function, context=context)
    where = f"Most of the signal is lost in {', '.join(losses)}. " if losses else ""
    return f"{where}{precision.remedy}"

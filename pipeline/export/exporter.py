"""One model file: written, inspected, compared in its runtime with its network, and recorded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from targets.errors import DeviceError, ProofError
from targets.evaluation.parity import TooFewEqualError, require_parity, require_same_labels
from targets.files.digest import file_sha256
from targets.formats import FORMATS, format_of
from targets.formats.calibration import evenly
from targets.formats.contract import ExportContext, ServingFunction, SourceFile
from targets.formats.model_io import ModelIO
from targets.formats.precisions import PRECISIONS, Precision
from targets.formats.record import (
    EVERY_PROCESSOR,
    VNNI_OR_ARM,
    ExportedModel,
    Parity,
    ProcessorProof,
    ScaleRow,
)

Raw = npt.NDArray[Any]
Logits = npt.NDArray[np.float32]
RunModel = Callable[[Path, str, Raw, Path], Logits]
"""(file, format, raw samples, scratch folder) -> [n, classes] in the file's runtime."""


@dataclass(frozen=True, kw_only=True)
class SampleSets:
    """Raw samples [n, ...]."""

    calibration: Raw
    """Samples that set the ranges of activations."""
    comparison: Raw
    """Samples on which a file is compared with its network."""
    pair: Callable[[], Raw]
    """Samples on which two files of one quantized graph are compared; called for these only."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A trained network that files are made from."""

    name: str
    """Its files are `<name>.<precision>.<format>`."""
    role: str
    """Role in the records of its files (`ExportedModel.role`)."""
    function: Callable[[Precision, str], ServingFunction]
    """What to export for a precision; the file's name is for a `ConversionError`."""
    logits: Callable[[Raw], Logits]
    """Raw samples [n, ...] to [n, classes]."""
    parameters: int | None = None
    macs: int | None = None
    samples: SampleSets | None = None
    """Samples of its own, for a network that takes another size than the exporter's samples."""


@dataclass(frozen=True, kw_only=True)
class ProvedFile:
    record: ExportedModel
    parity: tuple[Parity, ...]
    """Parity with the network, then with the file of another format that it was made from."""
    outputs: Logits
    """Outputs for the samples of the comparison."""
    source: SourceFile | None
    processors: tuple[ProcessorProof, ...] = ()
    path: Path

    @property
    def scales(self) -> tuple[ScaleRow, ...]:
        return () if self.source is None else self.source.scales


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A file that is not proved, and therefore not kept."""

    name: str
    format: str
    precision: str
    error: ProofError | DeviceError
    """`DeviceError` if the file's runtime cannot execute it."""


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
    """Names of `PROCESSORS` on which two files of one quantized graph are compared too."""
    run_model: RunModel | None = None
    """How a file is run; None for `logits_of`, the agent that also measures."""
    _refused: set[str] = field(default_factory=set, init=False)
    _outputs: dict[tuple[Path, int], tuple[Raw, Logits]] = field(default_factory=dict, init=False)
    """By file and identity of the samples, which are held: an identity is used again else."""

    def export(self, network: Network, target: str, precision: str) -> ProvedFile | Refused:
        """Write and prove one file; a refused one leaves nothing in the folder.

        Raises `InputError` for samples that are too few to calibrate with.
        """
        path = self.folder / f"{network.name}.{precision}.{target}"
        self.say(f"convert   {path.stem} to {target}")
        try:
            return self._proved(network, path, target, PRECISIONS[precision])
        except (ProofError, DeviceError) as error:
            path.unlink(missing_ok=True)
            self._refused.add(path.name)
            return Refused(name=path.name, format=target, precision=precision, error=error)

    def _proved(
        self, network: Network, path: Path, target: str, precision: Precision
    ) -> ProvedFile:
        function = network.function(precision, path.name)
        samples = network.samples or self.samples
        context = ExportContext(
            samples=evenly(samples.calibration),
            scratch=self.scratch,
            options=self.options.get(target, {}),
            refused=self._refused,
        )
        source = FORMATS[target].export(function, precision.name, path, context=context)
        try:
            parity = self._against_network(network, path, precision, samples.comparison)
        except TooFewEqualError as error:
            quantized = path if source is None else source.path
            advice = what_to_try(precision, function, quantized, context=context)
            raise TooFewEqualError(f"{error} {advice}") from error
        pair = () if source is None else (self._against_source(parity, path, source, samples),)
        return ProvedFile(
            record=recorded(
                path,
                role=network.role,
                precision=precision.name,
                parameters=network.parameters,
                macs=network.macs,
                input_shape=function.input.shape,
            ),
            parity=(parity, *pair),
            outputs=self._logits(path, samples.comparison),
            source=source,
            processors=() if source is None else self._on_processors(path, source, samples),
            path=path,
        )

    def _against_network(
        self, network: Network, path: Path, precision: Precision, samples: Raw
    ) -> Parity:
        target = format_of(path)
        agreement, difference = require_parity(
            path.name,
            precision.name,
            expected=network.logits(samples),
            actual=self._logits(path, samples),
        )
        operators = FORMATS[target].inspect(path)
        return Parity(
            name=path.name,
            format=target,
            precision=precision.name,
            source=network.role,
            samples=len(samples),
            agreement=agreement,
            max_abs_diff=difference,
            int8_ops=operators.int8_ops,
            float_ops=operators.float_ops,
            front_ops=operators.front_ops,
            scales_equal=None,
        )

    def _against_source(
        self, parity: Parity, path: Path, source: SourceFile, sets: SampleSets
    ) -> Parity:
        samples = sets.pair()
        agreement, difference = require_same_labels(
            path.name,
            source.path.name,
            expected=self._logits(source.path, samples),
            actual=self._logits(path, samples),
        )
        saturates = FORMATS[format_of(path)].saturating_products(path)
        found = {
            "source": source.path.name,
            "samples": len(samples),
            "agreement": agreement,
            "max_abs_diff": difference,
            "scales_equal": all(row.equal for row in source.scales),
            "holds_on": VNNI_OR_ARM if saturates else EVERY_PROCESSOR,
        }
        return parity.model_copy(update=found)

    def _on_processors(
        self, path: Path, source: SourceFile, sets: SampleSets
    ) -> tuple[ProcessorProof, ...]:
        from targets.processors.proof import SAMPLES, prove

        if not self.prove_on:
            return ()
        self.say(f"convert   {path.name} on {', '.join(self.prove_on)}, emulated")
        few, on = evenly(sets.pair(), SAMPLES), self.prove_on
        return tuple(prove(path, source=source.path, samples=few, on=on, scratch=self.scratch))

    def _logits(self, path: Path, samples: Raw) -> Logits:
        """Return the file's outputs; each file runs once over each set of samples."""
        from targets.bench.plan import logits_of

        key, run_model = (path, id(samples)), self.run_model or logits_of
        if key not in self._outputs:
            self._outputs[key] = samples, run_model(path, format_of(path), samples, self.scratch)
        return self._outputs[key][1]


def recorded(
    path: Path,
    *,
    role: str,
    precision: str,
    parameters: int | None,
    macs: int | None,
    input_shape: tuple[int, ...],
    adapter: ModelIO | None = None,
) -> ExportedModel:
    return ExportedModel(
        name=path.name,
        role=role,
        format=format_of(path),
        precision=precision,
        file=f"{path.parent.name}/{path.name}",
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        parameters=parameters,
        macs=macs,
        input_shape=input_shape,
        adapter=adapter,
    )


def what_to_try(
    precision: Precision, function: ServingFunction, path: Path, *, context: ExportContext
) -> str:
    """The remedy for a file with other labels than its network, and where its signal is lost."""
    losses: tuple[str, ...] = ()
    if precision.int8 and precision.calibrated:
        losses = FORMATS[format_of(path)].lossy_layers(path, function, context=context)
    where = f"Most of the signal is lost in {', '.join(losses)}. " if losses else ""
    return f"{where}{precision.remedy}"

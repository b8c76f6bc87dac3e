"""The int8 files of sounds as two: the front end, and the network that a microcontroller runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.engine.artifacts import PARTS
from pipeline.export.exporter import Logits, ProvedFile, Raw, recorded
from targets.errors import ProofError
from targets.evaluation import metrics
from targets.files.digest import file_sha256
from targets.formats import FORMATS, sidecar
from targets.formats.confidence import Confidence
from targets.formats.features import Features
from targets.formats.front_end import SoundFrontEnd
from targets.formats.input_spec import InputSpec
from targets.formats.model_io import ModelIO
from targets.formats.precisions import PRECISIONS
from targets.formats.record import ExportedModel, NetworkEnds, TakenApart
from targets.formats.streaming import WordThreshold
from targets.sounds.windowing import Windowing

FRONT_END = "front_end"
"""Name and role of the one file of a front end, and role of a network behind it."""
NETWORK = "network"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Takes files apart into the folder `parts` of `out`."""

    out: Path
    scratch: Path
    input: InputSpec
    """Of the whole files."""
    say: Callable[[str], None]

    def of(self, files: Sequence[ProvedFile], samples: Raw) -> Iterator[TakenApart]:
        """A row for each file that is all int8; `samples` are those of its `outputs`.

        Raises `ConversionError` and `ProofError` as `Format.take_apart`, and `ProofError` where the
        parts in a row give other outputs than the whole file.
        """
        (self.out / PARTS).mkdir()
        for file in files:
            precision = PRECISIONS[file.record.precision]
            if precision.int8 and precision.chosen:
                self.say(f"convert   {file.record.name} apart: front end and network")
                yield self._proved(file, samples)

    def _proved(self, file: ProvedFile, samples: Raw) -> TakenApart:
        front_end, network, ends = self._written(file)
        found = run_in_a_row(front_end, network, ends, samples, self.scratch)
        steps = np.abs(found - file.outputs) / ends.output[0]
        row = TakenApart(
            whole=file.record.name,
            front_end=self._record(front_end, FRONT_END, file),
            network=self._record(network, NETWORK, file, ends),
            ends=ends,
            samples=len(samples),
            agreement=metrics.agreement(file.outputs, found),
            max_steps=round(float(steps.max())),
        )
        require_one_step(row)
        return row

    def _written(self, file: ProvedFile) -> tuple[Path, Path, NetworkEnds]:
        """All networks of a format have one front end."""
        kind = file.record.format
        front_end = self.out / PARTS / f"{FRONT_END}.{kind}"
        network = self.out / PARTS / f"{file.path.stem}.{NETWORK}.{kind}"
        before = front_end.read_bytes() if front_end.exists() else None
        ends = FORMATS[kind].take_apart(file.path, self.input, front_end=front_end, network=network)
        if before is not None and front_end.read_bytes() != before:
            raise ProofError(
                f"{file.record.name}: has another front end than the other {kind} files of this "
                "run. Ask for one of the precisions int8 and int8_ptq."
            )
        return front_end, network, ends

    def _record(
        self, path: Path, role: str, whole: ProvedFile, ends: NetworkEnds | None = None
    ) -> ExportedModel:
        shape = self.input.shape if ends is None else self.input.features
        is_integer = ends is not None and ends.output_dtype != "float32"
        return recorded(
            path,
            role=role,
            precision="float32" if ends is None else whole.record.precision,
            parameters=None if ends is None else whole.record.parameters,
            macs=None if ends is None else whole.record.macs,
            input_shape=shape,
            adapter=ModelIO(shape=shape, output_quantization=ends.output)
            if ends is not None and is_integer
            else None,
        )


def features_of(path: Path, samples: Raw, scratch: Path) -> Logits:
    """The features [n, frames, coefficients, 1] that the file of a front end makes of raw samples,
    in its runtime."""
    from targets.bench.plan import logits_of

    return logits_of(path, path.suffix.removeprefix("."), samples, scratch)


def run_in_a_row(
    front_end: Path, network: Path, ends: NetworkEnds, samples: Raw, scratch: Path
) -> Logits:
    """The logits of raw samples by way of both files, each in its runtime."""
    from targets.bench.plan import logits_of

    kind = network.suffix.removeprefix(".")
    given = ends.quantized(features_of(front_end, samples, scratch))
    outputs = logits_of(network, kind, given, scratch)
    reading = ModelIO(
        shape=given.shape[1:],
        output_quantization=None if ends.output_dtype == "float32" else ends.output,
    )
    return reading.logits(outputs)


def require_one_step(row: TakenApart) -> None:
    """Raise `ProofError` where a logit is more than one step from that of the whole file."""
    if row.max_steps > 1:
        raise ProofError(
            f"{row.network.name}: behind {row.front_end.name} it gives other outputs than "
            f"{row.whole}: they are up to {row.max_steps} steps of {row.ends.output[0]:.3g} apart, "
            f"and {100 * row.agreement:.2f} % of the labels of {row.samples} validation samples "
            "are equal. Leave convert.front_end_apart out, and report this as a bug."
        )


def describe(
    out: Path,
    rows: Sequence[TakenApart],
    *,
    classes: Sequence[str],
    input: InputSpec,
    windowing: Windowing | None,
    confidence: Mapping[str, Confidence],
    streaming: Mapping[str, WordThreshold],
) -> None:
    """Write the sidecars of all parts; what was fitted on the whole files holds for them too."""
    for row in rows:
        place = out / row.front_end.file
        sidecar.write(
            place,
            record=row.front_end,
            classes=(),
            input=input,
            preprocessing=None,
            windowing=windowing,
            features=_features(input, place),
            output="features",
        )
        sidecar.write(
            out / row.network.file,
            record=row.network,
            classes=classes,
            input=network_input(input, row.ends),
            preprocessing=None,
            features=_features(input, place, row.ends),
            confidence=confidence.get(row.whole),
            streaming=streaming.get(row.whole),
        )


def _features(whole: InputSpec, file: Path, ends: NetworkEnds | None = None) -> Features:
    assert isinstance(whole.front_end, SoundFrontEnd)  # of the files that were taken apart
    return Features.of(
        whole.front_end, whole.shape[0], file=file.name, sha256=file_sha256(file), ends=ends
    )


def network_input(whole: InputSpec, ends: NetworkEnds) -> InputSpec:
    """The integers that a network takes: `feature = (raw - zero_point) * scale`."""
    scale, zero_point = ends.input
    return InputSpec(
        kind="array",
        shape=whole.features,
        dtype=ends.dtype,
        scale=scale,
        zero_point=zero_point,
    )

"""The noise that int8 adds in each layer of a student, measured in its int8 files."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import Checkpoint
from pipeline.export.exporter import ProvedFile
from pipeline.export.students import restored
from pipeline.quantization.float_layers import all_float, layer_names
from targets.evaluation.noise import LOW_DB
from targets.formats import FORMATS
from targets.formats.calibration import evenly
from targets.formats.contract import ExportContext, ServingFunction
from targets.formats.precisions import PRECISIONS
from targets.formats.record import TensorNoise

SAMPLES = 64
"""Validation samples that the noise is measured on, at most."""
NAMED = 3


def measured(
    files: Sequence[ProvedFile],
    *,
    students: Sequence[Checkpoint],
    data: Dataset,
    scratch: Path,
    say: Callable[[str], None],
) -> tuple[TensorNoise, ...]:
    """A row per int8 result of each precision that is all int8, worst first.

    `students` are the checkpoints of the float network and of the quantization-aware one, if any.
    """
    context = ExportContext(samples=evenly(data[Split.VAL].raw, SAMPLES), scratch=scratch)
    rows: list[TensorNoise] = []
    for name in dict.fromkeys(file.record.precision for file in files):
        precision = PRECISIONS[name]
        if precision.int8 and precision.chosen:
            checkpoint = students[-1 if precision.quantization_aware else 0]
            made = [file for file in files if file.record.precision == name]
            found = _of_one(made, checkpoint, data, context)
            _say_bad(found, name, say)
            rows += found
    return tuple(rows)


def _of_one(
    made: Sequence[ProvedFile], checkpoint: Checkpoint, data: Dataset, context: ExportContext
) -> list[TensorNoise]:
    """Of the file that is made from another one, and so of both, where there is one."""
    model = restored(checkpoint, data)
    names = layer_names(model) if checkpoint.quantized else {}
    if checkpoint.quantized:
        all_float(model)
    function = ServingFunction(input=data.input, call=lambda image: model(image, training=False))
    file = next((one for one in made if one.source is not None), made[0])
    source = None if file.source is None else file.source.path
    rows = FORMATS[file.record.format].layer_noise(file.path, source, function, context=context)
    return [row.model_copy(update={"layer": names.get(row.layer, row.layer)}) for row in rows]


def _say_bad(rows: Sequence[TensorNoise], precision: str, say: Callable[[str], None]) -> None:
    bad = [row for row in rows if row.snr_db is not None and row.snr_db < LOW_DB]
    if bad:
        worst = ", ".join(f"{row.layer} ({row.snr_db:.1f} dB)" for row in bad[:NAMED])
        say(
            f"convert   {precision} leaves less than {LOW_DB:.0f} dB of signal to noise behind "
            f"{len(bad)} of {len(rows)} layers, the least behind {worst}"
        )

"""The noise that int8 adds in each layer of a student, measured in its int8 files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import Checkpoint
from pipeline.export.exporter import ProvedFile
from pipeline.export.students import restored
from pipeline.quantization.float_layers import all_float, layer_names
from targets.formats.calibration import evenly
from targets.formats.layer_noise import SAMPLES, measure
from targets.formats.precisions import PRECISIONS
from targets.formats.record import TensorNoise
from targets.formats.tflite.export import export_float

BAD_DB = 10.0
"""Noise of a tenth of the signal, from which on a layer is named on the terminal."""
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
    rows: list[TensorNoise] = []
    for name in dict.fromkeys(file.record.precision for file in files):
        precision = PRECISIONS[name]
        made = [file for file in files if file.record.precision == name and _is_student(file)]
        if precision.int8 and precision.chosen and made:
            checkpoint = students[-1 if precision.quantization_aware else 0]
            found = _of_one(made, checkpoint, data, scratch)
            _say_bad(found, name, say)
            rows += found
    return tuple(rows)


def _of_one(
    made: Sequence[ProvedFile], checkpoint: Checkpoint, data: Dataset, scratch: Path
) -> tuple[TensorNoise, ...]:
    model, floats = restored(checkpoint, data), scratch / "unquantized.tflite"
    names = layer_names(model) if checkpoint.quantized else {}
    if checkpoint.quantized:
        all_float(model)
    real = data.input.model_copy(update={"scale": 1.0, "zero_point": 0})
    export_float(lambda image: model(image, training=False), real, floats)
    formats = {file.record.format: file for file in made}
    onnx, tflite = formats.get("onnx"), _tflite(formats)
    if tflite is None:
        return ()
    return measure(
        tflite,
        onnx.path if onnx else None,
        floats=floats,
        input=data.input,
        samples=evenly(data[Split.VAL].images, SAMPLES),
        names=names,
    )


def _tflite(formats: Mapping[str, ProvedFile]) -> Path | None:
    """The TFLite file, or the one that an ONNX file alone was made from."""
    if "tflite" in formats:
        return formats["tflite"].path
    source = formats["onnx"].source if "onnx" in formats else None
    return None if source is None else source.path


def _is_student(file: ProvedFile) -> bool:
    return file.record.role != "teacher"


def _say_bad(rows: Sequence[TensorNoise], precision: str, say: Callable[[str], None]) -> None:
    bad = [row for row in rows if row.tflite_snr_db is not None and row.tflite_snr_db < BAD_DB]
    if bad:
        worst = ", ".join(f"{row.layer} ({row.tflite_snr_db:.1f} dB)" for row in bad[:NAMED])
        say(
            f"convert   {precision} leaves less than {BAD_DB:.0f} dB of signal to noise behind "
            f"{len(bad)} of {len(rows)} layers, the least behind {worst}"
        )

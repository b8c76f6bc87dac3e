"""`pipeline convert`: a trained classifier that is there already, in the formats of a device.

What is written takes raw uint8 values (0-255): `raw * scale + offset` is inside the file. Every
file is compared with the network in the runtime that will load it, or nothing is published.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.progress import Console
from targets.errors import InputError, ProofError, unknown
from targets.formats import (
    CALIBRATED,
    FORMATS,
    MIN_CALIBRATION_SAMPLES,
    PRECISIONS,
    require_enough,
)

if TYPE_CHECKING:
    from pipeline.datasets.images import ImagesFile
    from pipeline.teachers.loading import LoadedNetwork
    from targets.formats.record import ScaleRow
    from targets.inputs import InputSpec

Raw = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.floating[Any]]

SCHEMA = "convert/1"
DOCUMENT = "convert.json"

NOISE = "seeded uniform uint8 noise, because no --data was given: it says that the files calculate \
what the network does, and nothing about images"
NOISE_SAMPLES = 256
CALIBRATION_SAMPLES = 1024
"""At most, evenly spaced over the data."""
FLOAT_TOLERANCE = 1e-4
"""Largest difference of a float32 file's output, times the largest output where that is above 1."""
AGREEMENT = 0.95
"""Least share of equal labels of the other precisions: the upper end of its interval counts."""
FORMATS_AGREEMENT = 0.999
"""Least share of equal labels of the two int8 files, which are one quantized graph."""
BATCH = 64
LIBRARIES = ("ai-edge-litert", "keras", "onnxruntime", "tensorflow", "tf2onnx", "tf-keras")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asks for."""

    model: Path
    targets: tuple[str, ...]
    precisions: tuple[str, ...]
    data: Path | None
    scale: float
    offset: float
    out: Path


@dataclass(frozen=True)
class Source:
    """What is exported: a raw input, and the network as a function of what that stands for."""

    input: "InputSpec"
    serve: Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Work:
    """A loaded network with what its files are made from and compared with."""

    name: str
    network: "LoadedNetwork"
    exact: "Source"
    quantized: "Source"
    """For the int8 files."""
    samples: Raw
    data: "ImagesFile | None"
    expected: Logits
    folder: Path
    scratch: Path
    outputs: dict[str, Logits] = field(default_factory=dict)
    """Of every file that was compared, by its name."""


def convert(request: Request, *, console: Console) -> dict[str, Any]:
    """Write the files and `convert.json` into `request.out`; the document.

    Raises `InputError` for what cannot be asked for, `ProofError` for a file that is not shown to
    be what was asked for; then nothing is published.
    """
    from pipeline.teachers.loading import load_network
    from pipeline.training import session
    from targets.devices import available_cpus

    jobs = list(_jobs(request))
    _require_replaceable(request.out)
    session.start(seed=0, threads=len(available_cpus()))
    network = load_network(request.model)
    with _workplace(request.out) as (folder, scratch):
        work = _work(request, network, folder, scratch)
        if any(precision in CALIBRATED for _, precision in jobs):
            require_enough(work.samples, what=f"--data {request.data}")
        files = []
        for target, precision in jobs:
            console.say(f"convert   {work.name} to {target} {precision}")
            files.append(_file(work, target, precision))
        document = _document(request, work, files)
        text = json.dumps(document, indent=1)
        (folder / DOCUMENT).write_text(f"{text}\n", encoding="utf-8")
    return document


def _jobs(request: Request) -> Iterator[tuple[str, str]]:
    """Every (target, precision), checked; what has no precision asked for gets the default."""
    asked = request.precisions or (("float32", "int8_ptq") if request.data else ("float32",))
    for target in dict.fromkeys(request.targets):
        if target not in FORMATS:
            raise unknown("target", target, FORMATS, place="--target")
        for precision in dict.fromkeys(asked):
            _check_precision(target, precision, has_data=request.data is not None)
            yield target, precision


def _check_precision(target: str, precision: str, *, has_data: bool) -> None:
    known = {p for precisions in PRECISIONS.values() for p in precisions}
    if precision not in known:
        raise unknown("precision", precision, known, place="--precision")
    if precision not in PRECISIONS[target]:
        raise InputError(
            f"--precision {precision}: {target} cannot hold it; it can hold "
            f"{', '.join(PRECISIONS[target])}. Convert to the targets one by one."
        )
    if precision == "int8":
        raise InputError(
            "--precision int8: is made by quantization-aware training, which is part of `pipeline "
            "run`. For a network that is trained already ask for int8_ptq, with --data."
        )
    if precision in CALIBRATED and not has_data:
        raise InputError(
            f"--precision {precision}: needs --data FILE.npz with at least "
            f"{MIN_CALIBRATION_SAMPLES} real images, from which the activation ranges are read."
        )


def _work(request: Request, network: "LoadedNetwork", folder: Path, scratch: Path) -> Work:
    from pipeline.datasets import images

    if not (np.isfinite(request.scale) and request.scale > 0 and np.isfinite(request.offset)):
        raise InputError("--scale, --offset: must be numbers, and the scale above 0.")
    if network.batch not in (None, 1):
        raise InputError(
            f"model {request.model}: takes batches of {network.batch} only; save it with an open "
            "batch size, or with 1."
        )
    data = None
    if request.data is not None:
        (classes,) = network.output_shape
        data = images.load(request.data, shape=network.input_shape, classes=classes)
    samples = data.images if data else _noise(network, request.model)
    exact, quantized = sources(
        network, samples.shape[1:], scale=request.scale, offset=request.offset
    )
    return Work(
        name=request.model.resolve().stem,
        network=network,
        exact=exact,
        quantized=quantized,
        samples=samples,
        data=data,
        expected=_predict(network, samples, request),
        folder=folder,
        scratch=scratch,
    )


def sources(
    network: Callable[[Any], Any], shape: tuple[int, ...], *, scale: float, offset: float
) -> tuple[Source, Source]:
    """`network(raw * scale + offset)` for the float files and for the int8 ones.

    An int8 input has a whole number as zero point, and is moved by half a raw value at most for it
    (TFLite's own quantizer does the same with a network's input). Where zero is not among the
    values, the arithmetic is part of the int8 graph.
    """
    from targets.inputs import InputSpec

    raw = InputSpec(shape=shape, scale=1.0, zero_point=0)
    exact = Source(
        raw, network if (scale, offset) == (1, 0) else lambda x: network(x * scale + offset)
    )
    zero_point = round(-offset / scale)
    if not 0 <= zero_point <= 255:
        return exact, exact
    return exact, Source(InputSpec(shape=shape, scale=scale, zero_point=zero_point), network)


def _noise(network: "LoadedNetwork", model: Path) -> Raw:
    if None in network.input_shape:
        raise InputError(
            f"model {model}: leaves the size of its input open "
            f"({', '.join(map(str, network.input_shape))}). Give --data with images of the size "
            "that the device will see."
        )
    shape = [size for size in network.input_shape if size is not None]
    return np.random.default_rng(0).integers(0, 256, (NOISE_SAMPLES, *shape), np.uint8)


def _predict(network: "LoadedNetwork", samples: Raw, request: Request) -> Logits:
    """What the network itself says to raw `samples`: [samples, classes]."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def batch(raw: Any) -> Any:
        return network(tf.cast(raw, tf.float32) * request.scale + request.offset)

    size = network.batch or BATCH
    parts = [batch(samples[i : i + size]).numpy() for i in range(0, len(samples), size)]
    outputs: Logits = np.concatenate(parts)
    if not np.isfinite(outputs).all():
        raise InputError(
            f"model {request.model}: gives outputs that are not finite. Look at --scale "
            f"{request.scale:g} and --offset {request.offset:g}: the network is given raw * scale "
            "+ offset."
        )
    return outputs


def _file(work: Work, target: str, precision: str) -> dict[str, Any]:
    """Write one file, prove it, and say what it is."""
    from targets.bench.protocol import logits_of

    path = work.folder / "models" / f"{work.name}.{precision}.{target}"
    made_from = _export(work, target, precision, path)
    seen = work.outputs[path.name] = logits_of(path, target, work.samples, work.scratch)
    parity = _parity(work, path, precision, seen)
    scales: Sequence[ScaleRow] = ()
    if made_from is not None:
        scales = _same_graph(work, path, made_from)
    int8_ops, float_ops = _operators(target, path)
    return {
        "name": path.name,
        "format": target,
        "precision": precision,
        "file": path.relative_to(work.folder).as_posix(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size_bytes": path.stat().st_size,
        **parity,
        "top1": _top1(work, seen),
        "int8_ops": int8_ops,
        "float_ops": float_ops,
        "scales": [row.model_dump() for row in scales],
    }


def _export(work: Work, target: str, precision: str, path: Path) -> Path | None:
    """Write the file; for an ONNX file that is made from a TFLite file, the latter."""
    from targets.formats import onnx_qdq, tflite

    path.parent.mkdir(parents=True, exist_ok=True)
    plain: dict[tuple[str, str], Callable[..., None]] = {
        ("tflite", "float32"): tflite.export_float,
        ("tflite", "float16"): tflite.export_float16,
        ("tflite", "dynamic"): tflite.export_dynamic,
        ("onnx", "float32"): onnx_qdq.export_float,
    }
    calibrated: dict[tuple[str, str], Callable[..., None]] = {
        ("tflite", "int8_ptq"): tflite.export_int8_ptq,
        ("tflite", "int16x8"): tflite.export_int16x8,
    }
    if (target, precision) in plain:
        plain[target, precision](work.exact.serve, work.exact.input, path)
        return None
    if (target, precision) in calibrated:
        source = work.quantized if precision == "int8_ptq" else work.exact
        calibrated[target, precision](source.serve, source.input, _calibration(work), path)
        return None
    made_from = work.folder / "models" / f"{work.name}.{precision}.tflite"
    if not made_from.exists():
        made_from = work.scratch / made_from.name
        _export(work, "tflite", precision, made_from)
    onnx_qdq.export_int8(made_from, path)
    return made_from


def _calibration(work: Work) -> Raw:
    step = max(1, len(work.samples) // CALIBRATION_SAMPLES)
    return work.samples[::step][:CALIBRATION_SAMPLES]


def _parity(work: Work, path: Path, precision: str, seen: Logits) -> dict[str, Any]:
    """The file in its runtime against the network: within the bounds, or a `ProofError`."""
    from targets import metrics

    agreement = metrics.agreement(work.expected, seen)
    difference = float(np.max(np.abs(work.expected - seen)))
    tolerance = FLOAT_TOLERANCE * max(1.0, float(np.max(np.abs(work.expected))))
    if precision == "float32":
        proved = difference <= tolerance and _only_ties(work.expected, seen, tolerance)
    else:
        proved = metrics.wilson_interval(agreement, len(seen))[1] >= AGREEMENT
    if not proved:
        raise ProofError(
            f"{path.name}: differs from the network it was made from: {100 * agreement:.2f} % "
            f"equal labels on {len(seen)} samples, outputs up to {difference:.3g} apart. Nothing "
            "was published."
        )
    return {"agreement": agreement, "max_abs_diff": difference}


def _only_ties(expected: Logits, seen: Logits, tolerance: float) -> bool:
    """Whether labels differ only where the network itself does not separate the two classes."""
    rows = np.arange(len(seen))
    lost = expected.max(axis=1) - expected[rows, seen.argmax(axis=1)]
    return bool(np.all(lost <= 2 * tolerance))


def _same_graph(work: Work, path: Path, made_from: Path) -> "Sequence[ScaleRow]":
    """The scale table of the two int8 files, which must give the same labels."""
    from targets import metrics
    from targets.bench.protocol import logits_of
    from targets.formats import onnx_qdq

    if made_from.name not in work.outputs:
        seen = logits_of(made_from, "tflite", work.samples, work.scratch)
        work.outputs[made_from.name] = seen
    share = metrics.agreement(work.outputs[made_from.name], work.outputs[path.name])
    if share < FORMATS_AGREEMENT:
        raise ProofError(
            f"{path.name}: gives the same labels as {made_from.name} for {100 * share:.2f} % of "
            f"{len(work.samples)} samples only, though both are one quantized graph. Nothing was "
            "published."
        )
    return onnx_qdq.scale_table(made_from, path)


def _operators(target: str, path: Path) -> tuple[int, int]:
    from targets.formats import onnx_qdq, tflite

    seen = tflite.inspect(path) if target == "tflite" else onnx_qdq.inspect(path)
    return seen.int8_ops, seen.float_ops


def _top1(work: Work, outputs: Logits) -> float | None:
    from targets import metrics

    if work.data is None or work.data.labels is None:
        return None
    return metrics.top1(outputs, work.data.labels)


def _document(request: Request, work: Work, files: list[dict[str, Any]]) -> dict[str, Any]:
    calibrated = any(file["precision"] in CALIBRATED for file in files)
    return {
        "schema": SCHEMA,
        "model": {
            "file": request.model.name,
            "kind": work.network.kind,
            "input_shape": work.samples.shape[1:],
            "classes": work.expected.shape[1],
            "top1": _top1(work, work.expected),
        },
        "input": {"raw": "uint8 0-255", "scale": request.scale, "offset": request.offset},
        "compared_on": {
            "what": request.data.name if request.data else NOISE,
            "sha256": work.data.sha256 if work.data else None,
            "samples": len(work.samples),
            "calibration_samples": len(_calibration(work)) if calibrated else None,
        },
        "files": files,
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


def _require_replaceable(out: Path) -> None:
    ours = out.is_dir() and ((out / DOCUMENT).is_file() or not any(out.iterdir()))
    if out.exists() and not ours:
        raise InputError(
            f"--out: {out} is there and holds no earlier conversion; it would be replaced. Choose "
            "another place with --out."
        )


@contextmanager
def _workplace(out: Path) -> Iterator[tuple[Path, Path]]:
    """A folder that takes the place of `out` when all went well, and one that goes either way."""
    from pipeline.store import replace_folder

    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(mkdtemp(prefix=f".{out.name}.", suffix=".new", dir=out.parent))
    try:
        for name in ("new", "scratch"):
            (work / name).mkdir()
        yield work / "new", work / "scratch"
        replace_folder(work / "new", out)
    finally:
        shutil.rmtree(work, ignore_errors=True)

"""`pipeline convert`: a trained classifier that is there already, in the formats of a device.

What is written takes raw uint8 values (0-255): `raw * scale + offset` is inside the file. Every
file is compared with the network in the runtime that will load it; what is not proved is not
published.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from itertools import product
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.engine.progress import Console
from pipeline.export.file import Logits, Raw, Work, calibration, top1, write_file
from targets.devices.cpus import available_cpus
from targets.errors import InputError, ProofError, unknown
from targets.formats import FORMATS, PRECISIONS
from targets.formats.calibration import CALIBRATED, MIN_CALIBRATION_SAMPLES, require_enough
from targets.formats.export import Source

if TYPE_CHECKING:
    from pipeline.teachers.loading import LoadedNetwork

SCHEMA = "convert/2"
"""2: `file` is null where `reason` says why it could not be proved."""
DOCUMENT = "convert.json"

NOISE = "seeded uniform uint8 noise, because no --data was given: it says that the files calculate \
what the network does, and nothing about images"
NOISE_SAMPLES = 256
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
    threads: int
    signature: str | None = None
    """Of a SavedModel; None is its default."""


def request(*, model: Path, targets: tuple[str, ...], out: Path | None, **options: Any) -> Request:
    """The command's options with their defaults: TFLite, a folder named after the model."""
    return Request(
        model=model,
        targets=targets or ("tflite",),
        out=out or Path("converted") / model.resolve().stem,
        threads=len(available_cpus()),
        **options,
    )


def convert(request: Request, *, console: Console) -> dict[str, Any]:
    """Write the files and `convert.json` into `request.out`; the document.

    A file that is not shown to be what was asked for is a row with its `reason`; the others are
    published. Raises `InputError` for what cannot be asked for, and `ProofError` where no file is
    proved; then nothing is published.
    """
    from pipeline.teachers.loading import load_network, require_there
    from pipeline.training import session

    jobs = _jobs(request)
    require_there(request.model)
    _require_replaceable(request)
    session.start(seed=0, threads=request.threads)
    network = load_network(request.model, signature=request.signature)
    for change in network.changes:
        console.say(f"convert   {change}")
    with _workplace(request.out) as (folder, scratch):
        work = _work(request, network, folder, scratch)
        if any(precision in CALIBRATED for _, precision in jobs):
            require_enough(
                work.samples,
                what=f"--data {request.data}",
                instead="go without calibration: --precision float32",
            )
        files = []
        for target, precision in jobs:
            console.say(f"convert   {work.name} to {target} {precision}")
            files.append(write_file(work, target, precision))
        _require_any(files)
        document = _document(request, work, files)
        text = json.dumps(document, indent=1)
        (folder / DOCUMENT).write_text(f"{text}\n", encoding="utf-8")
    return document


def _jobs(request: Request) -> list[tuple[str, str]]:
    """Every (target, precision), checked; what has no precision asked for gets the default.

    In the order of `FORMATS`: int8 ONNX is made from the TFLite file.
    """
    asked = request.precisions or (("float32", "int8_ptq") if request.data else ("float32",))
    for target in request.targets:
        if target not in FORMATS:
            raise unknown("target", target, FORMATS, place="--target")
    targets = [target for target in FORMATS if target in request.targets]
    jobs = list(dict.fromkeys(product(targets, asked)))
    for target, precision in jobs:
        _check_precision(target, precision, has_data=request.data is not None)
    return jobs


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
    if network.takes_integers and (request.scale, request.offset) != (1, 0):
        raise InputError(
            f"--scale, --offset: model {request.model} takes {network.input_dtype} pixels as they "
            "are (raw 0-255), and would cut anything else to whole numbers. Leave both out."
        )
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
        network.for_export, samples.shape[1:], scale=request.scale, offset=request.offset
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
    from targets.formats.input_spec import InputSpec

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

    from pipeline.teachers.loading import running

    @tf.function(reduce_retracing=True)
    def batch(raw: Any) -> Any:
        return network(tf.cast(raw, tf.float32) * request.scale + request.offset)

    size = network.batch or BATCH
    with running(request.model):
        parts = [batch(samples[i : i + size]).numpy() for i in range(0, len(samples), size)]
    outputs: Logits = np.concatenate(parts)
    if not np.isfinite(outputs).all():
        raise InputError(
            f"model {request.model}: gives outputs that are not finite. Look at --scale "
            f"{request.scale:g} and --offset {request.offset:g}: the network is given raw * scale "
            "+ offset."
        )
    return outputs


def _require_any(files: list[dict[str, Any]]) -> None:
    reasons = [file["reason"] for file in files if file["reason"]]
    if len(reasons) == len(files):
        raise ProofError("\n- ".join(["no file is proved, and nothing is published:", *reasons]))


def _document(request: Request, work: Work, files: list[dict[str, Any]]) -> dict[str, Any]:
    calibrated = any(file["precision"] in CALIBRATED for file in files if file["file"])
    return {
        "schema": SCHEMA,
        "model": {
            "file": request.model.name,
            **_identity(request),
            "changes": work.network.changes,
            "kind": work.network.kind,
            "input_shape": work.samples.shape[1:],
            "classes": max(work.expected.shape[1], 2),  # one output tells two classes apart
            "top1": top1(work, work.expected),
        },
        "input": {"raw": "uint8 0-255", "scale": request.scale, "offset": request.offset},
        "compared_on": {
            "what": request.data.name if request.data else NOISE,
            "sha256": work.data.sha256 if work.data else None,
            "samples": len(work.samples),
            "calibration_samples": len(calibration(work)) if calibrated else None,
        },
        "files": files,
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


def _require_replaceable(request: Request) -> None:
    """An earlier conversion of the same network is replaced, and nothing else."""
    out = request.out
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    earlier = _earlier(out)
    if earlier is None:
        raise InputError(
            f"--out: {out} is there and holds no earlier conversion; it would be replaced. Choose "
            "another place with --out."
        )
    asked = {"file": request.model.name, **_identity(request)}
    if any(asked[key] != value for key, value in earlier.items() if key in asked):
        raise InputError(
            f"--out: {out} holds the conversion of another model, {_shown(out, earlier)}, which "
            f"would be replaced. Choose another place for that of {request.model} with --out."
        )


def _earlier(out: Path) -> dict[str, Any] | None:
    """The model that an earlier conversion in `out` was made from."""
    try:
        model: dict[str, Any] = json.loads((out / DOCUMENT).read_text(encoding="utf-8"))["model"]
        return model if "file" in model else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _identity(request: Request) -> dict[str, Any]:
    """Which network it is; its place is seen from `out`, so that both can be moved."""
    path = os.path.relpath(request.model.resolve(), request.out.resolve())
    return {"path": Path(path).as_posix(), "signature": request.signature}


def _shown(out: Path, model: dict[str, Any]) -> str:
    path = os.path.normpath(out / model["path"]) if "path" in model else model["file"]
    signature = model.get("signature")
    return f"{path}, signature {signature}" if signature else str(path)


@contextmanager
def _workplace(out: Path) -> Iterator[tuple[Path, Path]]:
    """A folder that takes the place of `out` when all went well, and one that goes either way."""
    from pipeline.engine.store import replace_folder

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

"""`pipeline bench`: what the command line says becomes a request; what was seen, a document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING, Any

from pipeline.engine.progress import Console
from pipeline.reporting import bench_page
from targets.devices import inventory
from targets.devices.contract import Device
from targets.devices.parallel import on_each_device
from targets.errors import DeviceError, EdgeDistillError, InputError, unknown
from targets.runtimes import RUNTIMES

if TYPE_CHECKING:
    from targets.bench.result import Document
    from targets.bench.session import Request

BIG = "big"
PAGE = "bench.html"
"""Of all devices together."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """As the command line gives them."""

    models: tuple[Path, ...]
    baseline: Path | None
    data: Path | None
    devices: tuple[str, ...]
    threads: tuple[str, ...]
    tier: str
    runtimes: tuple[str, ...]
    ort_options: tuple[str, ...]
    native: Path | None
    shapes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    class_offsets: tuple[str, ...]
    scale: str | None
    offset: str | None
    profile: bool
    install: bool
    timeout: float
    seed: int
    out: Path


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One device: its document and where it is, or why there is none; and what failed there."""

    device: str
    document: "Document | None"
    path: Path
    errors: Mapping[str, EdgeDistillError]


def bench(options: Options, *, console: Console) -> list[Measured]:
    """Measure on every device at once; a document each in `<out>/<device>.json`.

    Raises `InputError` before anything is measured for what cannot be asked for. A device that
    fails is told in its result, and the others finish.
    """
    devices = [inventory.device(name) for name in dict.fromkeys(options.devices or ("local",))]
    with TemporaryDirectory(prefix="pipeline-bench-") as scratch:
        request = _request(options, Path(scratch))
        measured = on_each_device(
            devices,
            lambda device, stop: _measure(device, request, options, console, Path(scratch), stop),
        )
    documents = {one.device: one.document for one in measured if one.document is not None}
    if documents:
        bench_page.write(documents, _dead(measured), options.out / PAGE)
    return measured


def _dead(measured: Sequence[Measured]) -> dict[str, str]:
    """Why a device has no figures."""
    return {
        one.device: " ".join(map(str, one.errors.values()))
        for one in measured
        if one.document is None
    }


def _measure(
    device: Device,
    request: "Request",
    options: Options,
    console: Console,
    scratch: Path,
    stop: Event,
) -> Measured:
    path = options.out / f"{device.file_stem}.json"
    folder = scratch / device.file_stem
    folder.mkdir()
    several = len(set(options.devices)) > 1

    def say(text: str) -> None:
        console.say(f"{device.name}: {text}" if several else text)

    try:
        return _seen(device, request, options, path, folder, say, stop)
    except DeviceError as error:
        return Measured(device=device.name, document=None, path=path, errors={device.name: error})


def _seen(
    device: Device,
    request: "Request",
    options: Options,
    path: Path,
    folder: Path,
    say: Callable[[str], None],
    stop: Event,
) -> Measured:
    from targets.bench import assemble
    from targets.bench.session import format_of, observe
    from targets.devices.connection import Requirements, connected

    models = (*request.models, *filter(None, [request.baseline]))
    requirements = Requirements(
        formats=[format_of(model) for model in models],
        runtimes=request.runtimes,
        install=options.install,
        native=options.native,
        timeout_s=options.timeout,
    )
    with connected(device, requirements, scratch=folder, say=say, stop=stop) as there:
        big = there.big_cores
        threads = [len(big) if text == BIG else int(text) for text in options.threads or ("1",)]
        asked = replace(
            request,
            defaults=there.defaults,
            threads=tuple(dict.fromkeys(threads)),
            affinity=big or None,
            native_only=there.native_only,
        )
        seen = observe(asked, there.host, cpus=there.cpus, say=say)
        document = assemble.document(asked, seen, there.device)
    options.out.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".json.part")
    part.write_text(document.dump(), encoding="utf-8")
    part.replace(path)
    return Measured(device=device.name, document=document, path=path, errors=seen.errors)


def _request(options: Options, scratch: Path) -> "Request":
    from targets.bench import samples, session
    from targets.bench.inputs import Given
    from targets.bench.plan import Protocol
    from targets.runtimes.benchmark_model import native_tool

    for path in (*options.models, *filter(None, [options.baseline])):
        session.require_model(path)
    for text in options.threads:
        if text != BIG and (not text.isdigit() or int(text) == 0):
            raise InputError(f"--threads {text}: is a whole number above 0, or big: all big cores.")
    found = None if options.data is None else samples.read(options.data, scratch)
    offsets = _class_offsets(options)
    return session.Request(
        models=options.models,
        baseline=options.baseline,
        runtimes=tuple(_runtime(name) for name in options.runtimes),
        ort_options=_ort_options(options),
        given=Given(
            shapes=dict(session.shape(text) for text in options.shapes),
            files={
                name: Path(value)
                for name, value in (
                    session.pair(text, "--input", "mask=mask.npy") for text in options.inputs
                )
            },
            samples=None if found is None else (found.shape, found.dtype),
            scale=_factor(options.scale, "--scale"),
            offset=_factor(options.offset, "--offset"),
        ),
        samples=found,
        outputs=options.outputs,
        class_offset=offsets.pop("", 0),
        class_offsets=offsets,
        protocol=Protocol.of_tier(options.tier, seed=options.seed),
        profile=options.profile,
        native=None if options.native is None else native_tool(options.native),
    )


def _class_offsets(options: Options) -> dict[str, int]:
    """By the name of a model's file; "" for all models."""
    files = [path.name for path in (*options.models, *filter(None, [options.baseline]))]
    offsets = {}
    for text in options.class_offsets:
        name, _, number = text.rpartition("=")
        if not number.removeprefix("-").isdigit():
            raise InputError(
                f"--class-offset {text}: is a whole number, or MODEL=NUMBER for one of the models, "
                "as in --class-offset 1: label 0 is the model's class 1."
            )
        if name and name not in files:
            raise unknown("model", name, files, place="--class-offset")
        offsets[name] = int(number)
    return offsets


def _ort_options(options: Options) -> dict[str, str]:
    from targets.bench.session import format_of, pair

    models = (*options.models, *filter(None, [options.baseline]))
    if options.ort_options and not any(format_of(path) == "onnx" for path in models):
        raise InputError(
            f"--ort-option {options.ort_options[0]}: is for ONNX Runtime, and no model is .onnx. "
            "Leave it out."
        )
    example = "session.x64quantprecision=1"
    return dict(pair(text, "--ort-option", example) for text in options.ort_options)


def _runtime(name: str) -> Any:
    if name not in RUNTIMES:
        raise unknown("runtime", name, RUNTIMES, place="--runtime")
    return RUNTIMES[name]


def _factor(text: str | None, option: str) -> float | tuple[float, ...] | None:
    """One number, or one per channel divided by commas."""
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"{option} {text}: is a number, or one per channel as in 0.017,0.018,0.017."
        ) from error
    return values[0] if len(values) == 1 else values

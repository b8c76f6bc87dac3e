"""`pipeline bench`: parse the options into a request, measure, and show the documents."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import DEVICES, JSON
from targets.errors import InputError, unknown

if TYPE_CHECKING:
    from targets.bench.inputs import Given
    from targets.bench.request import BenchRequest
    from targets.bench.samples import LabelledSamples
    from targets.bench.session import DeviceResult

PAGE = "bench.html"
"""Name of the page about all devices together."""


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--baseline", type=click.Path(path_type=Path), help="Model that the others are compared with."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Samples: an .npz or .npy file, or a folder of .npy.",
)
@DEVICES
@click.option(
    "--threads",
    multiple=True,
    metavar="N|big",
    help="Threads of the runtime; big: one per big core; may be repeated [default: 1].",
)
@click.option(
    "--tier",
    type=click.Choice(["rapid", "quick", "normal"]),
    default="quick",
    show_default=True,
    help="Least time that each model is measured: 6, 10 or 60 s.",
)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    metavar="RUNTIME",
    help="Runtime to use, such as ai_edge_litert; may be repeated [default: one per format].",
)
@click.option(
    "--ort-option",
    "ort_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of an ONNX Runtime session, such as session.x64quantprecision=1.",
)
@click.option(
    "--native",
    type=click.Path(path_type=Path),
    help="Path of TFLite's benchmark_model, which then measures the .tflite files too.",
)
@click.option(
    "--shape", "shapes", multiple=True, metavar="NAME=1,3,48,320", help="Shape of an input."
)
@click.option(
    "--input", "inputs", multiple=True, metavar="NAME=FILE.npy", help="Contents of an input."
)
@click.option(
    "--output", "outputs", multiple=True, metavar="NAME", help="The output that holds the scores."
)
@click.option(
    "--class-offset",
    "class_offsets",
    multiple=True,
    metavar="[MODEL=]N",
    help="Label k is class k + N of the model: 1 for one with a background class.",
)
@click.option(
    "--scale", help="Factor of the values that the model expects: sample * SCALE + OFFSET."
)
@click.option("--offset", help="Offset of these values; both are one number, or one per channel.")
@click.option("--profile", is_flag=True, help="Also measure the time of each kind of operator.")
@click.option(
    "--install/--no-install", default=True, help="Install a missing runtime on the device."
)
@click.option(
    "--timeout", type=float, default=600.0, show_default=True, help="Limit per process, in seconds."
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the order of the measurements and of random inputs.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("bench"),
    show_default=True,
    help="Folder of the results: DEVICE.json and bench.html.",
)
@JSON
def bench(as_json: bool, **options: object) -> int:
    """Measure model files: latency, memory, and accuracy with --data.

    MODELS are any .tflite and .onnx files. Every figure has its interval or verdict; the raw
    samples are in OUT/<device>.json.

    \b
    Example:
      pipeline bench a.tflite b.onnx --baseline a.tflite --data images.npz
    """
    results = _measure(Options(**options))  # type: ignore[arg-type] # click checks the types
    _show(results, as_json=as_json)
    errors = [error for one in results for error in (one.failure, *one.errors.values()) if error]
    for error in errors:
        click.echo(f"Error: {error}", err=True)
    return max((error.exit_code for error in errors), default=0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options as the command line gives them."""

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

    @property
    def files(self) -> tuple[Path, ...]:
        return (*self.models, *filter(None, [self.baseline]))


def _measure(options: Options) -> "list[DeviceResult]":
    """Measure on every device; raise `InputError` beforehand for options that cannot be met."""
    from pipeline.engine.progress import console
    from pipeline.reporting.pages import bench as page
    from targets.bench.session import measure_all
    from targets.devices import inventory

    devices = [inventory.device(name) for name in dict.fromkeys(options.devices or ("local",))]
    with TemporaryDirectory(prefix="pipeline-bench-") as scratch:
        request = _request(options, Path(scratch))
        results = measure_all(
            devices, request, out=options.out, scratch=Path(scratch), say=console().say
        )
    documents = {one.device: one.document for one in results if one.document is not None}
    failures = {one.device: str(one.failure) for one in results if one.document is None}
    if documents:
        page.write(documents, failures, options.out / PAGE)
    return results


def _show(results: "Sequence[DeviceResult]", *, as_json: bool) -> None:
    from pipeline.reporting.tables.bench import print_measured

    documents = {one.device: one.document for one in results if one.document is not None}
    if as_json:
        shown = [one.model_dump(mode="json", by_alias=True) for one in documents.values()]
        click.echo(json.dumps(shown[0] if len(results) == len(shown) == 1 else shown))
    elif documents:
        print_measured(documents, details=PAGE)
        click.echo(f"\n{results[0].path.with_name(PAGE)}")


def _request(options: Options, scratch: Path) -> "BenchRequest":
    from targets.bench import request, samples
    from targets.bench.plan import BenchPlan
    from targets.runtimes import RUNTIMES
    from targets.runtimes.benchmark_model import native_tool

    for path in options.files:
        request.require_model(path)
    for text in options.threads:
        if text != request.BIG and (not text.isdigit() or int(text) == 0):
            raise InputError(f"--threads {text}: is a whole number above 0, or big: all big cores.")
    for name in options.runtimes:
        if name not in RUNTIMES:
            raise unknown("runtime", name, RUNTIMES.available(), place="--runtime")
    found = None if options.data is None else samples.read(options.data, scratch)
    offsets = _class_offsets(options)
    baseline = options.baseline
    return request.BenchRequest(
        models=options.files,
        baselines={
            path: baseline for path in options.models if baseline is not None and path != baseline
        },
        runtimes=tuple(RUNTIMES[name] for name in options.runtimes),
        options={"onnxruntime": _ort_options(options)},
        threads=options.threads or (1,),
        given=_given(options, found),
        samples=found,
        outputs=options.outputs,
        class_offset=offsets.pop("", 0),
        class_offsets=offsets,
        plan=BenchPlan.of_tier(options.tier, seed=options.seed),
        profile=options.profile,
        native=None if options.native is None else native_tool(options.native),
        install=options.install,
        timeout_s=options.timeout,
    )


def _given(options: Options, samples: "LabelledSamples | None") -> "Given":
    from targets.bench.inputs import Given

    files = [_pair(text, "--input", "mask=mask.npy") for text in options.inputs]
    return Given(
        shapes=dict(shape(text) for text in options.shapes),
        files={name: Path(value) for name, value in files},
        samples=None if samples is None else (samples.shape, samples.dtype),
        scale=_factor(options.scale, "--scale"),
        offset=_factor(options.offset, "--offset"),
    )


def _class_offsets(options: Options) -> dict[str, int]:
    """Return the class offsets by the name of a model's file; "" for all models."""
    files = [path.name for path in options.files]
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
    from targets.formats import format_of

    if options.ort_options and not any(format_of(path) == "onnx" for path in options.files):
        raise InputError(
            f"--ort-option {options.ort_options[0]}: is for ONNX Runtime, and no model is .onnx. "
            "Leave it out."
        )
    example = "session.x64quantprecision=1"
    return dict(_pair(text, "--ort-option", example) for text in options.ort_options)


def _factor(text: str | None, option: str) -> float | tuple[float, ...] | None:
    """Parse one number, or one per channel divided by commas."""
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"{option} {text}: is a number, or one per channel as in 0.017,0.018,0.017."
        ) from error
    return values[0] if len(values) == 1 else values


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    """The two sides of `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(f"{option} {text}: is not NAME=VALUE, as in {option} {example}.")
    return name, value


def shape(text: str) -> tuple[str, tuple[int, ...]]:
    """The name and the sizes of `--shape NAME=1,3,48,320`."""
    name, value = _pair(text, "--shape", "x=1,3,48,320")
    sizes = value.split(",")
    if not all(size.strip().isdigit() and int(size) > 0 for size in sizes):
        raise InputError(f"--shape {text}: sizes are whole numbers above 0, as in x=1,3,48,320.")
    return name, tuple(int(size) for size in sizes)

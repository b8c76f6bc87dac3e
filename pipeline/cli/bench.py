"""`pipeline bench`: parse the options into a request, measure, and show the documents."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from pipeline.cli.bench_request import Options, request_of
from pipeline.cli.options import DEVICES, JSON
from pipeline.cli.picture_options import CHANNELS, FIT, LABELS, SIZE
from targets.errors import InputError

if TYPE_CHECKING:
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
    help="Samples: a folder of pictures in class folders, or the raw input of any model as an .npz "
    "or .npy file, or a folder of .npy.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out picture files that cannot be read.")
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
    "--output",
    "--output-name",
    "outputs",
    multiple=True,
    metavar="NAME",
    help="The output that holds the scores.",
)
@click.option(
    "--class-offset",
    "class_offsets",
    multiple=True,
    metavar="[MODEL=]N",
    help="Label k is class k + N of the model: 1 for one with a background class.",
)
@click.option(
    "--scale",
    help="Factor of the values that the model expects: sample * SCALE + OFFSET; 1/255 too.",
)
@click.option("--offset", help="Offset of these values; both are one number, or one per channel.")
@LABELS
@SIZE
@CHANNELS
@FIT
@click.option(
    "--scores",
    "output",
    type=click.Choice(["logits", "probabilities"]),
    help="What the output holds, for pictures [default: read from the file].",
)
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

    Of a folder of pictures the test split is measured, else the validation split. Without splits
    all are, and pictures that the model was trained on may be among them.
    A file of `pipeline run` needs no further option: the .json beside it says how pictures become
    its input. --labels, --size, --channels, --fit and --scores describe others, as in `predict`.
    Models of sounds and texts are measured on raw inputs; `predict` gives their accuracy on files.

    \b
    Examples:
      pipeline bench runs/photos/models/student.int8.tflite --data photos/
      pipeline bench a.tflite b.onnx --baseline a.tflite --data images.npz
    """
    results = _measure(Options(**options))  # type: ignore[arg-type] # click checks the types
    _show(results, as_json=as_json)
    errors = [error for one in results for error in (one.failure, *one.errors.values()) if error]
    for error in errors:
        click.echo(f"Error: {error}", err=True)
    return max((error.exit_code for error in errors), default=0)


def _measure(options: Options) -> "list[DeviceResult]":
    """Measure on every device; raise `InputError` beforehand for options that cannot be met."""
    from pipeline.engine.progress import console
    from pipeline.reporting.pages import bench as page
    from targets.bench.session import measure_all
    from targets.devices import inventory

    _require_folder(options.out)
    devices = [inventory.device(name) for name in dict.fromkeys(options.devices or ("local",))]
    with TemporaryDirectory(prefix="pipeline-bench-") as scratch:
        say = console().say
        request = request_of(options, Path(scratch), say=say)
        results = measure_all(devices, request, out=options.out, scratch=Path(scratch), say=say)
    documents = {one.device: one.document for one in results if one.document is not None}
    failures = {one.device: str(one.failure) for one in results if one.document is None}
    if documents:
        page.write(documents, failures, options.out / PAGE)
    return results


def _require_folder(out: Path) -> None:
    """Refuse a folder that cannot be made, before the measurement that it is for."""
    places = (out, *out.absolute().parents)
    there = next(place for place in places if place.is_symlink() or place.exists())
    if not there.is_dir():
        raise InputError(f"--out {out}: {there} is no folder. Give another one with --out.")


def _show(results: "Sequence[DeviceResult]", *, as_json: bool) -> None:
    from pipeline.reporting.tables.bench import print_measured

    documents = {one.device: one.document for one in results if one.document is not None}
    if as_json:
        shown = [one.model_dump(mode="json", by_alias=True) for one in documents.values()]
        click.echo(json.dumps(shown[0] if len(results) == len(shown) == 1 else shown))
    elif documents:
        print_measured(documents, details=PAGE)
        click.echo(f"\n{results[0].path.with_name(PAGE)}")

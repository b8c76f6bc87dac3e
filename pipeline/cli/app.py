"""The command line: parse, call the library, render. Everything heavy is imported when used."""

import errno
import json
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.devices import devices
from pipeline.cli.doctor import doctor
from pipeline.cli.options import JSON
from targets.errors import DeviceError, EdgeDistillError, ProofError

if TYPE_CHECKING:
    from pipeline.cli.bench_command import Measured
    from pipeline.engine.job import Step
    from pipeline.engine.runner import Runner
    from pipeline.recipe.schema import Recipe

RECIPE = click.argument("recipe", default="digits")
RECIPE_OPTIONS: Sequence[Callable[[Any], Any]] = (
    click.option("--target", "targets", multiple=True, help="Format to write: tflite, onnx."),
    click.option("--device", "devices", multiple=True, help="local, ssh://…, adb://…, or a name."),
    click.option(
        "--teacher",
        type=click.Path(path_type=Path),
        help="Your own teacher: .keras, .h5, SavedModel, .onnx, .tflite or .npz of logits.",
    ),
    click.option("--data", type=click.Path(path_type=Path), help="The data set's file or folder."),
    click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change a recipe key."),
    click.option("--seed", type=int, help="Seed of everything random."),
    click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True),
    click.option(
        "--store",
        type=click.Path(path_type=Path),
        envvar="PIPELINE_STORE",
        help="Where stages are kept for reuse [default: OUT/.store].",
    ),
    click.option("--force", multiple=True, metavar="STAGE", help="Make a stage again."),
    click.option("--ablation", is_flag=True, help="Also show what each stage buys, over seeds."),
)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed((RECIPE, *RECIPE_OPTIONS, JSON)):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
@click.version_option(package_name="edge-distill")
def main() -> None:
    """From labelled data to small int8 models, measured on the device that runs them.

    \b
    Example:
      pipeline run --target tflite
    """


@main.command()
@recipe_options
def run(as_json: bool, **options: Any) -> int:
    """Train, distil, quantize, convert, measure and report RECIPE (a name or a .toml file).

    What is there already is reused; results are in OUT/<recipe>/.

    \b
    Example:
      pipeline run digits --target tflite --target onnx --set distill.temperature=2
    """
    recipe, runner = prepare(**options)
    results = options["out"] / recipe.name
    runner.run(results)
    return _show_run(results, as_json=as_json)


def _show_run(results: Path, *, as_json: bool) -> int:
    """The exit code: a device that failed is told last."""
    from pipeline.reporting.table import print_ablation, print_models

    text = (results / "report.json").read_text(encoding="utf-8")
    report = json.loads(text)
    if as_json:
        click.echo(text, nl=False)
    else:
        print_models(report)
        print_ablation(report)
        click.echo(f"\n{results / 'report.html'}")
    failed = report["environment"]["failed_devices"]
    for why in failed.values():
        click.echo(f"Error: {why}", err=True)
    return DeviceError.exit_code if failed else 0


@main.command()
@recipe_options
def plan(as_json: bool, **options: Any) -> None:
    """Say per stage, and per variant of an ablation, whether a run would reuse it, and why not.

    \b
    Example:
      pipeline plan digits --set distill.temperature=2
    """
    _, runner = prepare(**options)
    steps = [*runner.plan(), *runner.plan_ablation()]
    if as_json:
        click.echo(json.dumps([_described(step) for step in steps], indent=1))
        return
    for step in steps:
        click.echo(f"{step.name:<9} {'reused' if step.reused else 'fresh':<7} {step.reason}")


@main.command()
@JSON
def recipes(as_json: bool) -> None:
    """List the built-in recipes with what they cost and reach.

    \b
    Example:
      pipeline recipes
    """
    from pipeline.recipe.load import built_in, load

    about = {name: load(name).about.model_dump() for name in built_in()}
    if as_json:
        click.echo(json.dumps(about, indent=1))
        return
    for name, said in about.items():
        click.echo(f"{name}\n  {said['summary']}")
        for key in ("cost", "reaches"):
            click.echo(f"  {key:<8} {said[key] or 'not measured yet'}")


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@JSON
def report(run: Path, as_json: bool) -> None:
    """Show the results of a finished run from its folder, or of a measurement from its file.

    \b
    Example:
      pipeline report runs/digits
    """
    from pipeline.reporting.table import print_ablation, print_models, read_report

    if run.suffix == ".json":
        _show_bench(run, as_json=as_json)
        return
    content = read_report(run / "report.json")
    if as_json:
        click.echo(json.dumps(content, indent=1))
    else:
        print_models(content)
        print_ablation(content)


def _show_bench(path: Path, *, as_json: bool) -> None:
    from pipeline.reporting.bench_table import print_measured
    from targets.bench.result import read

    document = read(path)
    if as_json:
        click.echo(document.dump(), nl=False)
    else:
        print_measured({path.stem: document})


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", "targets", multiple=True, help="Format to write: tflite, onnx.")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    help="float32, float16, dynamic, int8_ptq, int16x8 [default: float32; int8_ptq with --data].",
)
@click.option("--data", type=click.Path(path_type=Path), help="An .npz of uint8 images.")
@click.option("--scale", type=float, default=1.0, show_default=True, help="The network expects")
@click.option("--offset", type=float, default=0.0, show_default=True, help="raw * SCALE + OFFSET.")
@click.option("--signature", metavar="NAME", help="Of a SavedModel [default: serving_default].")
@click.option("--out", type=click.Path(path_type=Path), help="[default: converted/<model's name>]")
@JSON
def convert(as_json: bool, **options: Any) -> int:
    """Write MODEL, a trained classifier (.keras, .h5 or a SavedModel folder), for a device.

    Every file takes raw uint8 values and is compared with the network in its runtime. A file that
    is not proved is not written; the others are, and the exit code is 1.

    \b
    Example:
      pipeline convert model.keras --target tflite --target onnx --data images.npz
    """
    from pipeline.engine.progress import console
    from pipeline.export.conversion import convert, request

    asked = request(**options)
    document = convert(asked, console=console())
    if as_json:
        click.echo(json.dumps(document, indent=1))
    else:
        _show_converted(document, asked.out)
    reasons = [row["reason"] for row in document["files"] if row["reason"]]
    for reason in reasons:
        click.echo(f"Error: {reason}", err=True)
    return ProofError.exit_code if reasons else 0


def _show_converted(document: dict[str, Any], out: Path) -> None:
    from pipeline.reporting.table import print_converted

    print_converted(document)
    click.echo(f"\n{out / 'convert.json'}")


@main.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Path(path_type=Path), help="Compare the others with it.")
@click.option("--data", type=click.Path(path_type=Path), help=".npz, .npy or a folder of .npy.")
@click.option("--device", "devices", multiple=True, help="local, ssh://…, adb://…, or a name.")
@click.option("--threads", multiple=True, metavar="N|big", help="[default: 1]; big: all big cores.")
@click.option(
    "--tier",
    type=click.Choice(["rapid", "quick", "normal"]),
    default="quick",
    show_default=True,
    help="How long each model is measured: at least 6, 10 or 60 s.",
)
@click.option("--runtime", "runtimes", multiple=True, help="ai_edge_litert, tflite_runtime, …")
@click.option(
    "--ort-option",
    "ort_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of ONNX Runtime's session, as session.x64quantprecision=1.",
)
@click.option("--native", type=click.Path(path_type=Path), help="Google's benchmark_model, too.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,48,320", help="Of an input.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=FILE.npy", help="Its contents.")
@click.option("--output", "outputs", multiple=True, metavar="NAME", help="Of the scores.")
@click.option(
    "--class-offset",
    "class_offsets",
    multiple=True,
    metavar="[MODEL=]N",
    help="Label k is the model's class k + N, as with a background class (1).",
)
@click.option("--scale", help="The network expects sample * SCALE + OFFSET; one, or per channel.")
@click.option("--offset", help="[default: the samples as they are]")
@click.option("--profile", is_flag=True, help="Also the time of each kind of operator.")
@click.option("--install/--no-install", default=True, help="A runtime that is missing here.")
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Per process, in s.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of orders and made-up input.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("bench"), show_default=True)
@JSON
def bench(as_json: bool, **options: Any) -> int:
    """Measure MODELS, any .tflite and .onnx files: latency, memory, and accuracy with --data.

    Every figure comes with how far it can be trusted; raw samples are in OUT/<device>.json.

    \b
    Example:
      pipeline bench a.tflite b.onnx --baseline a.tflite --data images.npz
    """
    from pipeline.cli.bench_command import Options, bench
    from pipeline.engine.progress import console

    measured = bench(Options(**options), console=console())
    _show_measured(measured, as_json=as_json)
    errors = [error for one in measured for error in one.errors.values()]
    for error in errors:
        click.echo(f"Error: {error}", err=True)
    return max((error.exit_code for error in errors), default=0)


def _show_measured(measured: "Sequence[Measured]", *, as_json: bool) -> None:
    from pipeline.cli.bench_command import PAGE
    from pipeline.reporting.bench_table import print_measured

    documents = {one.device: one.document for one in measured if one.document is not None}
    if as_json:
        shown = [one.model_dump(mode="json", by_alias=True) for one in documents.values()]
        click.echo(json.dumps(shown[0] if len(measured) == len(shown) == 1 else shown))
    elif documents:
        print_measured(documents, details=PAGE)
        click.echo(f"\n{measured[0].path.with_name(PAGE)}")


for command in (devices, doctor):
    main.add_command(command)


def prepare(
    *,
    recipe: str,
    targets: Sequence[str],
    devices: Sequence[str],
    teacher: Path | None,
    data: Path | None,
    sets: Sequence[str],
    seed: int | None,
    out: Path,
    store: Path | None,
    force: Sequence[str],
    ablation: bool,
) -> "tuple[Recipe, Runner]":
    """The checked recipe with the command line laid on top, and a runner for it."""
    from pipeline.engine.graph import NAMES
    from pipeline.engine.progress import console
    from pipeline.engine.runner import Runner
    from pipeline.engine.store import Store
    from pipeline.recipe.load import Override, load, parse_override
    from targets.errors import unknown

    given = {
        "--target": ("convert.targets", tuple(targets) or None),
        "--device": ("bench.devices", tuple(devices) or None),
        "--teacher": ("teacher.file", teacher),
        "--data": ("dataset.path", data),
        "--seed": ("seed", seed),
        "--ablation": ("ablation.enabled", ablation or None),
    }
    overrides = [parse_override(text) for text in sets]
    overrides += [
        Override(key, value, option) for option, (key, value) in given.items() if value is not None
    ]
    for stage in force:
        if stage not in NAMES:
            raise unknown("stage", stage, NAMES, place="--force")
    checked = load(recipe, overrides)
    runner = Runner(
        recipe=checked,
        store=Store((store or out / ".store").absolute()),
        console=console(),
        force=force,
    )
    return checked, runner


def _described(step: "Step") -> dict[str, Any]:
    return {"name": step.name, "reused": step.reused, "reason": step.reason, "folder": step.folder}


class Terminated(BaseException):
    """SIGTERM: like Ctrl-C, it unwinds, so that locks go and nothing half is published."""


def _terminate(signum: int, frame: object) -> None:
    raise Terminated


def entry() -> None:
    """The installed command: every end has its exit code, and no traceback without --debug."""
    signal.signal(signal.SIGTERM, _terminate)
    debug = "--debug" in sys.argv[1:]
    sys.exit(_exit_code(debug))


def _exit_code(debug: bool) -> int:
    try:
        result = main(standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        return _stopped(130, "interrupted")
    except click.Abort as stop:  # click's own word for Ctrl-C, and for an EOFError of ours
        if not isinstance(stop.__cause__, EOFError):
            return _stopped(130, "interrupted")
        return _our_bug(stop.__cause__)
    except Terminated:
        return _stopped(143, "terminated")
    except EdgeDistillError as error:
        return _failed(str(error), error.exit_code, debug)
    except OSError as error:
        return _failed(_disk(error), 2, debug)
    except Exception as error:
        if debug:
            raise
        return _our_bug(error)


def _stopped(code: int, word: str) -> int:
    click.echo(f"{word}: the same command goes on after the last finished epoch.", err=True)
    return code


def _failed(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    click.echo(f"Error: {message}", err=True)
    return code


def _disk(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    remedies = {
        errno.ENOSPC: "Free some space",
        errno.EDQUOT: "Free some space",
        errno.EACCES: "Mend the permissions",
        errno.EPERM: "Mend the permissions",
        errno.EROFS: "Make it writable",
    }
    remedy = remedies.get(error.errno or 0, "Look at that place")
    return (
        f"{place}{error.strerror or error}. Nothing half-made was published. {remedy}, or choose "
        "another place with --out and --store, and run the same command."
    )


def _our_bug(error: BaseException) -> int:
    import tempfile

    with tempfile.NamedTemporaryFile(
        "w", prefix="pipeline-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(f"{sys.argv}\n{''.join(traceback.format_exception(error))}")
    said = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}".rstrip(".")
    click.echo(f"Error: this is a bug of ours: {said}. The traceback is in {log.name}.", err=True)
    return 70

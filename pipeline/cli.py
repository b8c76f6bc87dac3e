"""The command line: parse, call the library, render. Everything heavy is imported when used."""

import json
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from targets.errors import EdgeDistillError, InputError

if TYPE_CHECKING:
    from pipeline.recipe import Recipe
    from pipeline.runner import Runner, Step

RECIPE = click.argument("recipe", default="digits")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
RECIPE_OPTIONS: Sequence[Callable[[Any], Any]] = (
    click.option("--target", "targets", multiple=True, help="Format to write: tflite, onnx."),
    click.option("--device", "devices", multiple=True, help="Where to measure: local."),
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
)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed((RECIPE, *RECIPE_OPTIONS, JSON)):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="edge-distill")
@click.pass_context
def main(context: click.Context, debug: bool) -> None:
    """From labelled data to small int8 models, measured on the device that runs them.

    \b
    Example:
      pipeline run --target tflite
    """
    context.obj = {"debug": debug}


@main.command()
@recipe_options
def run(as_json: bool, **options: Any) -> None:
    """Train, distil, quantize, convert, measure and report RECIPE (a name or a .toml file).

    What is there already is reused; results are in OUT/<recipe>/.

    \b
    Example:
      pipeline run digits --target tflite --target onnx --set distill.temperature=2
    """
    recipe, runner = prepare(**options)
    results, _ = runner.run(options["out"] / recipe.name)
    report = (results / "report.json").read_text(encoding="utf-8")
    if as_json:
        click.echo(report, nl=False)
        return
    from pipeline.table import print_models

    print_models(json.loads(report))
    click.echo(f"\n{results / 'report.html'}")


@main.command()
@recipe_options
def plan(as_json: bool, **options: Any) -> None:
    """Say per stage whether a run would reuse it, and why not.

    \b
    Example:
      pipeline plan digits --set distill.temperature=2
    """
    _, runner = prepare(**options)
    steps = runner.plan()
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
    from pipeline.recipe import built_in, load

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
    """Show the results of a finished run from its folder.

    \b
    Example:
      pipeline report runs/digits
    """
    file = run / "report.json"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{file}: no finished run there ({error.strerror}). `pipeline run` writes one."
        ) from error
    if as_json:
        click.echo(text, nl=False)
        return
    from pipeline.table import print_models

    print_models(json.loads(text))


def prepare(
    *,
    recipe: str,
    targets: Sequence[str],
    devices: Sequence[str],
    data: Path | None,
    sets: Sequence[str],
    seed: int | None,
    out: Path,
    store: Path | None,
    force: Sequence[str],
) -> "tuple[Recipe, Runner]":
    """The checked recipe with the command line laid on top, and a runner for it."""
    from pipeline.graph import NAMES
    from pipeline.progress import console
    from pipeline.recipe import Override, load, parse_override
    from pipeline.runner import Runner
    from pipeline.store import Store
    from targets.errors import unknown

    given = {
        "--target": ("convert.targets", tuple(targets) or None),
        "--device": ("bench.devices", tuple(devices) or None),
        "--data": ("dataset.path", data),
        "--seed": ("seed", seed),
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
    except (click.Abort, KeyboardInterrupt):
        return _stopped(130, "interrupted")
    except Terminated:
        return _stopped(143, "terminated")
    except EdgeDistillError as error:
        return _failed(str(error), error.exit_code, debug)
    except OSError as error:
        return _failed(_disk(error), 2, debug)
    except Exception:
        if debug:
            raise
        return _our_bug()


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
    reason = error.strerror or str(error)
    return (
        f"{place}{reason}. Nothing half-made was published. Free some space or mend the "
        "permissions, or choose another place with --out and --store, and run the same command."
    )


def _our_bug() -> int:
    import tempfile

    with tempfile.NamedTemporaryFile(
        "w", prefix="pipeline-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(f"{sys.argv}\n{traceback.format_exc()}")
    last = traceback.format_exc().strip().splitlines()[-1]
    click.echo(f"Error: this is a bug of ours: {last}. The traceback is in {log.name}.", err=True)
    return 70

"""The command line: the group of commands, and the exit code of every way that one can end.

A command is a module beside this one: it parses, calls the library and renders. Its module imports
click and what is shared here, and everything heavy inside the function, so that --help is quick.
"""

import errno
import json
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.convert import convert
from pipeline.cli.devices import devices, doctor
from pipeline.cli.options import JSON
from pipeline.cli.plan import plan
from pipeline.cli.recipes import recipes
from pipeline.cli.report import report
from pipeline.cli.run import run
from targets.errors import EdgeDistillError

if TYPE_CHECKING:
    from pipeline.cli.bench_command import Measured


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
@click.version_option(package_name="edge-distill")
def main() -> None:
    """From labelled data to small int8 models, measured on the device that runs them.

    \b
    Example:
      pipeline run --target tflite
    """


for command in (run, plan, recipes, report, convert, devices, doctor):
    main.add_command(command)


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
    from pipeline.reporting.tables.bench import print_measured

    documents = {one.device: one.document for one in measured if one.document is not None}
    if as_json:
        shown = [one.model_dump(mode="json", by_alias=True) for one in documents.values()]
        click.echo(json.dumps(shown[0] if len(measured) == len(shown) == 1 else shown))
    elif documents:
        print_measured(documents, details=PAGE)
        click.echo(f"\n{measured[0].path.with_name(PAGE)}")


class Terminated(BaseException):
    """SIGTERM: unwinds as Ctrl-C does, so that locks are released and nothing partial published."""


def _terminate(signum: int, frame: object) -> None:
    raise Terminated


def entry() -> None:
    """The installed command. Without --debug, no error shows a traceback."""
    signal.signal(signal.SIGTERM, _terminate)
    debug = "--debug" in sys.argv[1:]
    sys.exit(exit_code(debug=debug))


def exit_code(*, debug: bool) -> int:
    """Run the command of `sys.argv`; the code that its process exits with."""
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
    except click.Abort as stop:  # click raises it for Ctrl-C, and for any EOFError of our code
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
    click.echo(
        f"{word}: run the same command again to continue after the last finished epoch.", err=True
    )
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
        errno.EACCES: "Fix the permissions",
        errno.EPERM: "Fix the permissions",
        errno.EROFS: "Make the file system writable",
    }
    remedy = remedies.get(error.errno or 0, "Check that path")
    return (
        f"{place}{error.strerror or error}. No partial result was published. {remedy}, or choose "
        "other folders with --out and --store, and run the same command again."
    )


def _our_bug(error: BaseException) -> int:
    import tempfile

    with tempfile.NamedTemporaryFile(
        "w", prefix="pipeline-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(f"{sys.argv}\n{''.join(traceback.format_exception(error))}")
    first_line = next(iter(str(error).splitlines()), "")
    what = f"{type(error).__name__}: {first_line}".rstrip(".")
    click.echo(f"Error: a bug in edge-distill: {what}. The traceback is in {log.name}.", err=True)
    return 70

"""The command line: the group of commands, and the exit code of every way that one can end.

A command is a module beside this one: it parses, calls the library and renders. Its module imports
click and what is shared here, and everything heavy inside the function, so that --help is quick.
"""

import errno
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import click

from pipeline.cli.bench import bench
from pipeline.cli.check import check
from pipeline.cli.convert import convert
from pipeline.cli.devices import devices
from pipeline.cli.doctor import doctor
from pipeline.cli.init import init
from pipeline.cli.package import package
from pipeline.cli.plan import plan
from pipeline.cli.predict import predict
from pipeline.cli.recipes import recipes
from pipeline.cli.report import report
from pipeline.cli.run import run
from pipeline.cli.search import search
from pipeline.cli.store import store
from pipeline.cli.verify import verify
from targets.errors import EdgeDistillError, InputError, printable


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
@click.version_option(package_name="edge-distill")
def main() -> None:
    """From labelled data to small int8 models, measured on the device that runs them.

    \b
    Example:
      pipeline run --target tflite
    """


for command in (
    *(init, run, search, check, package, plan, recipes, report, convert, predict, bench, verify),
    *(devices, doctor, store),
):
    main.add_command(command)


class Terminated(BaseException):
    """SIGTERM: unwinds as Ctrl-C does, so that locks are released and nothing partial published."""


@dataclass
class Stop:
    """A signal that ends the command: it is remembered beside the exception that it raises, because
    TensorFlow's bindings make another exception of one that meets them at the wrong moment."""

    number: int | None = None

    def heed(self) -> None:
        signal.signal(signal.SIGTERM, self._raise)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # ignored: in the background
            signal.signal(signal.SIGINT, self._raise)

    def _raise(self, number: int, frame: object) -> None:
        self.number = number
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    def ignore_others(self) -> None:
        """A second one, while the process ends, changes neither its code nor what it prints."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def entry() -> None:
    """The installed command."""
    stop = Stop()
    stop.heed()
    sys.exit(exit_code(sys.argv[1:], stop=stop))


def exit_code(argv: Sequence[str], *, stop: Stop | None = None) -> int:
    """Run a command and return its exit code. No error shows a traceback without --debug. `stop`:
    of a process that heeds signals."""
    debug = "--debug" in argv
    try:
        result = main(argv, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        return _stopped(signal.SIGINT, argv, stop)
    except click.Abort as abort:  # click raises it for Ctrl-C, and for any EOFError of our code
        if not isinstance(abort.__cause__, EOFError):
            return _stopped(signal.SIGINT, argv, stop)
        return _our_bug(abort.__cause__)
    except Terminated:
        return _stopped(signal.SIGTERM, argv, stop)
    except InputError as error:  # may quote a name of several lines
        return _failed(printable(str(error)), error.exit_code, debug)
    except EdgeDistillError as error:
        return _failed(str(error), error.exit_code, debug)
    except OSError as error:
        return _failed(_disk(error), 2, debug)
    except Exception as error:
        if debug:
            raise
        if stop is not None and stop.number is not None:
            return _stopped(stop.number, argv, stop)
        return _our_bug(error)


def _stopped(number: int, argv: Sequence[str], stop: Stop | None) -> int:
    if stop is not None:
        stop.ignore_others()
    word = "interrupted" if number == signal.SIGINT else "terminated"
    trains = {run.name, search.name} & {*argv}
    where = " to continue after the last finished epoch" if trains else ""
    click.echo(f"{word}: run the same command again{where}.", err=True)
    return 128 + number


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
    first_line = next(iter(str(error).splitlines()), "")
    what = f"{type(error).__name__}: {first_line}".rstrip(".")
    click.echo(f"Error: a bug in edge-distill: {what}. {_logged(error)}", err=True)
    return 70


def _logged(error: BaseException) -> str:
    import tempfile

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="pipeline-", suffix=".log", delete=False, encoding="utf-8"
        ) as log:
            log.write(f"{sys.argv}\n{''.join(traceback.format_exception(error))}")
    except OSError:  # a full disk
        return "pipeline --debug shows the traceback."
    return f"The traceback is in {log.name}."

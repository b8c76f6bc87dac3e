"""The steps: each is a command of `pipeline`, and what the CI needs to know about its end."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.ci import outputs
from pipeline.ci.inputs import Inputs
from targets.errors import InputError

BUNDLES = "_bundle"
"""Has a folder for each recipe, so that a job never uploads the bundle of an earlier one."""


def run(inputs: Inputs) -> int:
    """`pipeline run`. Gates of the recipe that fail are for the next step, which says why."""
    shutil.rmtree(inputs.folder, ignore_errors=True)
    inputs.folder.mkdir(parents=True)
    document = inputs.folder / "report.json"
    done = _pipeline("run", *inputs.run_options(), "--", inputs.recipe, document=document)
    if not document.stat().st_size:
        return _no_results(inputs, done)
    name = json.loads(document.read_text(encoding="utf-8"))["recipe"]["name"]
    results = inputs.out / name
    shutil.rmtree(inputs.out / BUNDLES / name, ignore_errors=True)
    page = results / "report.html"
    outputs.write(inputs, name=name, results=str(results), report=str(page))
    return 0 if done.code == 1 else done.code


def check(inputs: Inputs) -> int:
    """`pipeline check`, if there is anything to check the run against."""
    from pipeline.gates import baseline, runs

    results = _results(inputs)
    if not (inputs.gates or inputs.baseline or _has_gates(results)):
        outputs.write(inputs, verdict="unchecked")
        outputs.summarise(f"## {results.name}: no gates\n")
        return 0
    junit = inputs.folder / "junit.xml"
    reports = ("--junit", str(junit), "--markdown", str(inputs.folder / "summary.md"))
    quality = ("--gitlab", str(inputs.folder / "codequality.json"))
    done = _pipeline("check", *inputs.check_options(), *reports, *quality, "--", str(results))
    if done.code in (0, 1):
        outputs.write(inputs, verdict="failed" if done.code else _verdict(junit))
    if done.code == 0:  # to be committed where it is the new standard
        baseline.write(baseline.of(runs.measured(results)), inputs.folder / "baseline.json")
    return done.code


def package(inputs: Inputs) -> int:
    """`pipeline package`, of a run that the step `check` has let pass."""
    results = _results(inputs)
    if outputs.read(inputs, "verdict") not in ("passed", "undecided", "unchecked"):
        raise InputError(
            f"{results}: no bundle is made of a run that failed its gates, or was not checked. "
            "Run the step `check` before; it says which gates fail."
        )
    version = ("--version", inputs.version) if inputs.version else ()
    document = inputs.folder / "package.json"
    with _key(inputs.signing_key) as key:
        where = ("--out", str(inputs.out / BUNDLES / results.name), "--json")
        done = _pipeline("package", *version, *key, *where, "--", str(results), document=document)
    if done.code == 0:
        made = json.loads(document.read_text(encoding="utf-8"))
        outputs.write(inputs, bundle=made["file"], sha256=made["sha256"])
    return done.code


@dataclass(frozen=True, kw_only=True)
class Done:
    code: int
    errors: Sequence[str]
    """The lines of stderr that name an error."""


def _pipeline(*argv: str, document: Path | None = None) -> Done:
    """A command of `pipeline`; what it prints to stdout goes to the file `document`."""
    command = [sys.executable, "-m", "pipeline", *argv]
    errors = []
    with (
        nullcontext() if document is None else document.open("wb") as stdout,
        subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE) as process,
    ):
        assert process.stderr is not None
        for raw in process.stderr:
            line = raw.decode("utf-8", errors="backslashreplace")
            print(line, end="", file=sys.stderr, flush=True)
            errors += [line.strip()] if line.startswith("Error: ") else []
    return Done(code=process.returncode, errors=errors)


def _no_results(inputs: Inputs, done: Done) -> int:
    from pipeline.reporting.ci.markdown import failure

    outputs.summarise(failure(inputs.recipe, code=done.code, why=done.errors))
    return done.code or 70


def _results(inputs: Inputs) -> Path:
    if not (results := outputs.read(inputs, "results")):
        raise InputError(
            f"{inputs.out}: there are no results of the step `run`. Run it before, with the same "
            "EDGE_DISTILL_OUT."
        )
    return Path(results)


def _has_gates(results: Path) -> bool:
    from pipeline.gates import checking
    from pipeline.reporting.schema import report

    return checking.gates_of(report.read(results / report.FILE)).any


def _verdict(junit: Path) -> str:
    from junitparser import JUnitXml

    return "undecided" if JUnitXml.fromfile(str(junit)).skipped else "passed"


@contextmanager
def _key(key: str) -> Iterator[tuple[str, ...]]:
    """The option for a private key that is given as a text, or as a path."""
    if not key.startswith("-----BEGIN"):
        yield ("--key", key) if key else ()
        return
    with TemporaryDirectory() as folder:  # only this user can read it
        path = Path(folder) / "signing.key"
        path.write_text(f"{key}\n", encoding="utf-8")
        yield ("--key", str(path))

"""A fresh process per measurement, ratios, and a JSON document: for all benchmarks."""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from targets.devices.local.probe import probe_local

QUIET_CORES = 0.1
"""Cores that others may use before a measurement counts as disturbed."""

Command = Callable[..., Any]
FILE = click.Path(path_type=Path, dir_okay=False)
OUTPUT = (
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout."),
    click.option("--out", type=FILE, help="Also write the document to a file."),
)
STEPS = (
    click.option("--rounds", type=click.IntRange(min=1), default=5, help="Number of rounds."),
    click.option("--tries", type=click.IntRange(min=1), default=3, help="Tries per measurement."),
    click.option("--steps", type=click.IntRange(min=1), default=50, help="Timed steps."),
    click.option("--batch-size", type=click.IntRange(min=1), default=128, help="Images per step."),
    click.option("--side", type=click.IntRange(min=4), default=28, help="Side in pixels."),
    click.option("--threads", type=click.IntRange(min=1), help="[default: CPUs of this process]"),
)


def options(*those: Command) -> Command:
    """A decorator that gives a command these options, in their order."""

    def decorate(command: Command) -> Command:
        for option in reversed(those):
            command = option(command)
        return command

    return decorate


def measure(script: str, *argv: str, timeout_s: float = 900) -> dict[str, Any]:
    """The last line that `script --measure *argv` prints, as JSON; on CPUs only.

    Raises `click.ClickException` with the stderr of the process if it fails.
    """
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, script, "--measure", *argv],
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    if done.returncode:
        raise click.ClickException(f"{' '.join(argv)}: {done.stderr.strip()[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def undisturbed(script: str, *argv: str, tries: int) -> dict[str, Any]:
    """The first undisturbed measurement, else the least disturbed of `tries`."""
    results: list[dict[str, Any]] = []
    while len(results) < tries:
        results.append(measure(script, *argv))
        if results[-1]["cores_taken_by_others"] <= QUIET_CORES:
            break
    return min(results, key=lambda one: float(one["cores_taken_by_others"]))


@contextmanager
def watch_others(cores: list[float]) -> Iterator[None]:
    """Append the cores used meanwhile by others than this process and its ended children."""
    before = _cpu_readings()
    yield
    wall_s, own_s, busy_s = (b - a for a, b in zip(before, _cpu_readings(), strict=True))
    cores.append(max(0.0, (busy_s - own_s) / wall_s))


def _cpu_readings() -> tuple[float, float, float]:
    """Wall time, CPU time of this process and its children, and all CPU time that is not idle."""
    import psutil

    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = psutil.cpu_times()
    busy = sum(cpu[:]) - cpu.idle - getattr(cpu, "iowait", 0.0)
    return time.perf_counter(), sum(use.ru_utime + use.ru_stime for use in uses), busy


def in_turns(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """(round, name) of all names in every round; each round starts with the next name."""
    for number in range(rounds):
        lead = number % len(names)
        for name in (*names[lead:], *names[:lead]):
            yield number, name


def measured(
    script: str, names: Sequence[str], *argv: str, rounds: int, tries: int
) -> dict[str, list[dict[str, Any]]]:
    """What `undisturbed(script, name, *argv)` returns for each name, in turns.

    Raises `click.ClickException` if the contestants' networks differ in size.
    """
    timings: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number, name in in_turns(names, rounds):
        timings[name].append(undisturbed(script, name, *argv, tries=tries))
        click.echo(f"round {number + 1}/{rounds}: {name}", err=True)
    sizes = {name: of[0]["parameters"] for name, of in timings.items()}
    if len(set(sizes.values())) != 1:
        raise click.ClickException(f"not the same network: parameters {sizes}.")
    return timings


def faster(mine: Sequence[dict[str, Any]], peer: Sequence[dict[str, Any]]) -> list[float]:
    """Images per second of `mine` over those of `peer`, per round."""
    return [a["images_per_s"] / b["images_per_s"] for a, b in zip(mine, peer, strict=True)]


def ratio(
    rounds: Sequence[float], *, at_most: float | None = None, at_least: float | None = None
) -> dict[str, Any]:
    """Ratios of one round each, their median and range, and whether a target was reached."""
    median = statistics.median(rounds)
    ratios = {"median": median, "min": min(rounds), "max": max(rounds), "rounds": list(rounds)}
    if at_least is not None:
        return {**ratios, "at_least": at_least, "reached": median >= at_least}
    return {**ratios, "at_most": at_most, "reached": None if at_most is None else median <= at_most}


def describe(schema: str, packages: Sequence[str], settings: dict[str, Any]) -> dict[str, Any]:
    machine = probe_local()
    versions = {name: version(name) for name in packages}
    return {
        "schema": schema,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **versions},
        "cpu": {"model": machine.model, "abi": machine.abi, "count": len(machine.cpus)},
        "settings": settings,
    }


def version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def publish(
    result: dict[str, Any],
    *,
    out: Path | None,
    as_json: bool,
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Show the document as JSON or as `report` prints it, and write it to `out` too."""
    text = json.dumps(result, indent=1)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")
    if as_json:
        click.echo(text)
    else:
        report(result)


def rate(timings: Sequence[dict[str, Any]]) -> list[str]:
    """The median of images per second, and how many measurements were disturbed."""
    median = statistics.median(timing["images_per_s"] for timing in timings)
    loud = sum(timing["cores_taken_by_others"] > QUIET_CORES for timing in timings)
    return [f"{median:,.0f}", f"{loud} of {len(timings)}"]


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in header:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=120).print(table)


def verdict(summary: dict[str, Any]) -> list[str]:
    """A ratio and its range, and its target, if it has one, with whether it was reached."""
    span = f"{summary['median']:.3f}x ({summary['min']:.3f} to {summary['max']:.3f})"
    if summary["reached"] is None:
        return [span]
    target = (
        f"at least {summary['at_least']}x" if "at_least" in summary else f"{summary['at_most']}x"
    )
    return [span, target, "reached" if summary["reached"] else "not reached"]

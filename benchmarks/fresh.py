"""What the benchmarks share: a fresh process per measurement, ratios, and a JSON document."""

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
"""What others may take before a measurement counts as disturbed."""

Command = Callable[..., Any]
FILE = click.Path(path_type=Path, dir_okay=False)
OUTPUT = (
    click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
    click.option("--out", type=FILE, help="Write that document there too."),
)
STEPS = (
    click.option("--rounds", type=click.IntRange(min=1), default=5, help="Of all contestants."),
    click.option("--tries", type=click.IntRange(min=1), default=3, help="At a quiet measurement."),
    click.option("--steps", type=click.IntRange(min=1), default=50, help="Timed, after warm-up."),
    click.option("--batch-size", type=click.IntRange(min=1), default=128, help="Images per step."),
    click.option("--side", type=click.IntRange(min=4), default=28, help="Pixels of an image."),
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

    Raises `click.ClickException` with what the process said when it fails.
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
    """The first measurement that other jobs left alone, else the least disturbed of `tries`."""
    seen: list[dict[str, Any]] = []
    while len(seen) < tries:
        seen.append(measure(script, *argv))
        if seen[-1]["cores_taken_by_others"] <= QUIET_CORES:
            break
    return min(seen, key=lambda one: float(one["cores_taken_by_others"]))


@contextmanager
def watch_others(seen: list[float]) -> Iterator[None]:
    """Adds to `seen` the cores that others took, meanwhile, than we and our ended children."""
    before = _cpu_readings()
    yield
    wall_s, own_s, busy_s = (b - a for a, b in zip(before, _cpu_readings(), strict=True))
    seen.append(max(0.0, (busy_s - own_s) / wall_s))


def _cpu_readings() -> tuple[float, float, float]:
    """Seconds on the clock, of our CPU time, and of all CPU time that is not idle."""
    import psutil

    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = psutil.cpu_times()
    busy = sum(cpu[:]) - cpu.idle - getattr(cpu, "iowait", 0.0)
    return time.perf_counter(), sum(use.ru_utime + use.ru_stime for use in uses), busy


def in_turns(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """(round, name) of all names in every round, each round led by another one."""
    for number in range(rounds):
        lead = number % len(names)
        for name in (*names[lead:], *names[:lead]):
            yield number, name


def ratio(rounds: Sequence[float], *, at_most: float | None) -> dict[str, Any]:
    """Ratios of one round each, their median and range, and whether a target was reached."""
    median = statistics.median(rounds)
    seen = {"median": median, "min": min(rounds), "max": max(rounds), "rounds": list(rounds)}
    return {**seen, "at_most": at_most, "reached": None if at_most is None else median <= at_most}


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


def verdict(seen: dict[str, Any]) -> list[str]:
    """A ratio, its range, and, where it has one, its target and whether it was reached."""
    span = f"{seen['median']:.3f}x ({seen['min']:.3f} to {seen['max']:.3f})"
    if seen["at_most"] is None:
        return [span]
    return [span, f"{seen['at_most']}x", "reached" if seen["reached"] else "not reached"]

"""Images per second of the pipeline's training loop against Keras `fit` and a PyTorch loop.

Each measurement is a fresh process, the contestants take turns within a round, and a ratio compares
measurements of one round only. What other jobs disturbed is measured again: PyTorch's OpenMP spins
through whole time slices once it has fewer cores than threads, and falls to a tenth.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata, util
from pathlib import Path
from typing import Any

import click
from contestants import CONTESTANTS, WARM_UP_STEPS, Settings, Stopwatch, Timing

from pipeline.models import STUDENTS
from targets.devices import available_cpus, probe_local

TARGETS = {"keras_fit": 1.3, "torch_loop": 1.0}
"""Peer -> how many times its images per second ours is meant to reach."""
QUIET_CORES = 0.1
"""What others may take before a measurement counts as disturbed."""


def undisturbed(contestant: str, family: str, cfg: Settings, *, tries: int) -> Timing:
    """The first measurement that others left alone, else the least disturbed of `tries`."""
    timings: list[Timing] = []
    while len(timings) < tries:
        timings.append(in_a_fresh_process(contestant, family, cfg))
        if timings[-1].cores_taken_by_others <= QUIET_CORES:
            break
    return min(timings, key=lambda timing: timing.cores_taken_by_others)


def in_a_fresh_process(contestant: str, family: str, cfg: Settings) -> Timing:
    """On CPUs only; raises `click.ClickException` with what the process said when it fails."""
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    argv = [sys.executable, __file__, "--measure", contestant, family, cfg.model_dump_json()]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise click.ClickException(f"{contestant}, {family}: {done.stderr.strip()[-2000:]}")
    return Timing.model_validate_json(done.stdout.splitlines()[-1])


def compare(
    family: str, names: Sequence[str], cfg: Settings, *, rounds: int, tries: int
) -> dict[str, Any]:
    """`rounds` rounds of all contestants, each round led by another one."""
    seen: dict[str, list[Timing]] = {name: [] for name in names}
    for number in range(rounds):
        lead = number % len(names)
        for name in (*names[lead:], *names[:lead]):
            seen[name].append(undisturbed(name, family, cfg, tries=tries))
        click.echo(f"{family}: round {number + 1}/{rounds}", err=True)
    sizes = {name: timings[0].parameters for name, timings in seen.items()}
    if len(set(sizes.values())) != 1:
        raise click.ClickException(f"{family}: not the same network: parameters {sizes}.")
    return {
        "parameters": sizes["ours"],
        "timings": {name: [t.model_dump() for t in seen[name]] for name in names},
        "ours_to": {name: ratio(seen["ours"], seen[name], TARGETS[name]) for name in names[1:]},
    }


def ratio(mine: Sequence[Timing], peer: Sequence[Timing], target: float) -> dict[str, Any]:
    rounds = [a.images_per_s / b.images_per_s for a, b in zip(mine, peer, strict=True)]
    median = statistics.median(rounds)
    seen = {"median": median, "min": min(rounds), "max": max(rounds), "rounds": rounds}
    return {**seen, "target": target, "reached": median >= target}


def describe(cfg: Settings, *, rounds: int, tries: int) -> dict[str, Any]:
    machine = probe_local()
    packages = {name: version(name) for name in ("tensorflow", "tf-keras", "torch")}
    settings = {"rounds": rounds, "tries": tries, "warm_up_steps": WARM_UP_STEPS}
    return {
        "schema": "train-step/1",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **packages},
        "cpu": {"model": machine["model"], "abi": machine["abi"], "count": len(machine["cpus"])},
        "settings": {**settings, **cfg.model_dump()},
    }


def version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def print_table(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("network", "contestant", "images/s", "disturbed", "ours is", "target", ""):
        table.add_column(name, no_wrap=True)
    for family, seen in result["networks"].items():
        for name in CONTESTANTS:
            table.add_row(family, name, *cells(name, **seen))
    Console(highlight=False, width=110).print(table)


def cells(name: str, timings: Any, ours_to: Any, parameters: int) -> list[str]:
    """Median rate, disturbed measurements, and what ours is to this peer."""
    if name not in timings:
        return ["not installed"]
    rate = statistics.median(timing["images_per_s"] for timing in timings[name])
    loud = sum(timing["cores_taken_by_others"] > QUIET_CORES for timing in timings[name])
    rates = [f"{rate:,.0f}", f"{loud} of {len(timings[name])}"]
    if name not in ours_to:
        return rates
    seen = ours_to[name]
    span = f"{seen['median']:.2f}x ({seen['min']:.2f} to {seen['max']:.2f})"
    return [*rates, span, f"{seen['target']}x", "reached" if seen["reached"] else "not reached"]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="Of all contestants.")
@click.option("--tries", type=click.IntRange(min=1), default=3, help="At a quiet measurement.")
@click.option("--steps", type=click.IntRange(min=1), default=50, help="Timed ones, after warm-up.")
@click.option("--batch-size", type=click.IntRange(min=1), default=128, help="Images per step.")
@click.option("--side", type=click.IntRange(min=4), default=28, help="Pixels of an image.")
@click.option("--threads", type=click.IntRange(min=1), help="[default: CPUs of this process]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write that document there too."
)
@click.option("--measure", nargs=3, hidden=True)
def main(
    *,
    rounds: int,
    tries: int,
    threads: int | None,
    as_json: bool,
    out: Path | None,
    measure: tuple[str, str, str] | None,
    **options: int,
) -> None:
    """Compare the speed of the training loop with Keras `fit` and a PyTorch loop.

    \b
    Example:
      python benchmarks/train_step.py --rounds 3 --json
    """
    if measure is not None:
        contestant, family, given = measure
        watch = Stopwatch(cfg=Settings.model_validate_json(given))
        parameters = CONTESTANTS[contestant](family, watch.cfg, watch)
        click.echo(watch.timing(parameters).model_dump_json())
        return
    cfg = Settings(threads=threads or len(available_cpus()), **options)
    names = [n for n in CONTESTANTS if n != "torch_loop" or util.find_spec("torch") is not None]
    result = describe(cfg, rounds=rounds, tries=tries)
    result["networks"] = {f: compare(f, names, cfg, rounds=rounds, tries=tries) for f in STUDENTS}
    text = json.dumps(result, indent=1)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")
    if as_json:
        click.echo(text)
    else:
        print_table(result)


if __name__ == "__main__":
    main()

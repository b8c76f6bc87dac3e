"""Images per second of the pipeline's training loop against Keras `fit` and a PyTorch loop.

Each measurement is a fresh process, the contestants take turns within a round, and a ratio compares
measurements of one round only. Disturbed measurements are repeated: with fewer cores than threads,
PyTorch's OpenMP spins through whole time slices, and its speed falls to a tenth.
"""

import statistics
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import Any

import click
import fresh
from contestants import CONTESTANTS, WARM_UP_STEPS, Settings, Stopwatch, Timing

from pipeline.models import STUDENTS
from targets.devices.cpus import available_cpus

TARGETS = {"keras_fit": 1.3, "torch_loop": 1.0}
"""Peer -> least ratio of the product's images per second to the peer's."""


def compare(
    family: str, names: Sequence[str], cfg: Settings, *, rounds: int, tries: int
) -> dict[str, Any]:
    """`rounds` rounds of all contestants; each round starts with another one."""
    runs: dict[str, list[Timing]] = {name: [] for name in names}
    for number, name in fresh.in_turns(names, rounds):
        given = (name, family, cfg.model_dump_json())
        runs[name].append(Timing.model_validate(fresh.undisturbed(__file__, *given, tries=tries)))
        click.echo(f"{family}: round {number + 1}/{rounds}: {name}", err=True)
    sizes = {name: timings[0].parameters for name, timings in runs.items()}
    if len(set(sizes.values())) != 1:
        raise click.ClickException(f"{family}: not the same network: parameters {sizes}.")
    return {
        "parameters": sizes["ours"],
        "timings": {name: [t.model_dump() for t in runs[name]] for name in names},
        "ours_to": {name: ratio(runs["ours"], runs[name], TARGETS[name]) for name in names[1:]},
    }


def ratio(mine: Sequence[Timing], peer: Sequence[Timing], target: float) -> dict[str, Any]:
    rounds = [a.images_per_s / b.images_per_s for a, b in zip(mine, peer, strict=True)]
    median = statistics.median(rounds)
    summary = {"median": median, "min": min(rounds), "max": max(rounds), "rounds": rounds}
    return {**summary, "target": target, "reached": median >= target}


def report(result: dict[str, Any]) -> None:
    rows = [
        [family, name, *cells(name, **network)]
        for family, network in result["networks"].items()
        for name in CONTESTANTS
    ]
    header = ["network", "contestant", "images/s", "disturbed", "ours to it", "target", ""]
    fresh.print_table(header, rows)


def cells(name: str, timings: Any, ours_to: Any, parameters: int) -> list[str]:
    """Median rate, disturbed measurements, and the ratio of the product to this peer."""
    if name not in timings:
        return ["not installed"]
    rates = fresh.rate(timings[name])
    if name not in ours_to:
        return rates
    ratio = ours_to[name]
    span = f"{ratio['median']:.2f}x ({ratio['min']:.2f} to {ratio['max']:.2f})"
    return [*rates, span, f"{ratio['target']}x", "reached" if ratio["reached"] else "not reached"]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@fresh.options(*fresh.STEPS, *fresh.OUTPUT)
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
    settings = {"rounds": rounds, "tries": tries, "warm_up_steps": WARM_UP_STEPS}
    packages = ("tensorflow", "tf-keras", "torch")
    result = fresh.describe("train-step/1", packages, {**settings, **cfg.model_dump()})
    result["networks"] = {f: compare(f, names, cfg, rounds=rounds, tries=tries) for f in STUDENTS}
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

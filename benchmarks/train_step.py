"""Images per second of the pipeline's training loop against Keras `fit` and a PyTorch loop.

Each measurement is a fresh process, the contestants take turns within a round, and a ratio compares
measurements of one round only. Disturbed measurements are repeated: with fewer cores than threads,
PyTorch's OpenMP spins through whole time slices, and its speed falls to a tenth.
"""

from collections.abc import Sequence
from functools import partial
from importlib import util
from pathlib import Path
from typing import Any

import click
import contestants
import fresh
from contestants import CONTESTANTS, WARM_UP_STEPS, Settings

from targets.devices.cpus import available_cpus

TARGETS = {"keras_fit": 1.3, "torch_loop": 1.0}
"""Peer -> least ratio of the product's images per second to the peer's."""

FAMILIES = ("mobilenet_v1", "mobilenet_v2")
"""Those that `torch_students` has."""


def compare(
    family: str, names: Sequence[str], cfg: Settings, *, rounds: int, tries: int
) -> dict[str, Any]:
    """`rounds` rounds of all contestants; each round starts with another one."""
    click.echo(f"{family}:", err=True)
    given = (family, cfg.model_dump_json())
    timings = fresh.measured(__file__, names, *given, rounds=rounds, tries=tries)
    return {
        "parameters": timings["ours"][0]["parameters"],
        "timings": timings,
        "ours_to": {
            peer: fresh.ratio(fresh.faster(timings["ours"], timings[peer]), at_least=TARGETS[peer])
            for peer in names[1:]
        },
    }


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
    judged = fresh.verdict(ours_to[name]) if name in ours_to else []
    return [*fresh.rate(timings[name]), *judged]


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
        contestants.measure(partial(CONTESTANTS[contestant], family), given)
        return
    cfg = Settings(threads=threads or len(available_cpus()), **options)
    names = [n for n in CONTESTANTS if n != "torch_loop" or util.find_spec("torch") is not None]
    settings = {"rounds": rounds, "tries": tries, "warm_up_steps": WARM_UP_STEPS}
    packages = ("tensorflow", "tf-keras", "torch")
    result = fresh.describe("train-step/2", packages, {**settings, **cfg.model_dump()})
    result["networks"] = {f: compare(f, names, cfg, rounds=rounds, tries=tries) for f in FAMILIES}
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

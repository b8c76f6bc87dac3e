"""Images per second of training on augmented photos, against Keras `fit` over `tf.data`.

Each measurement is a fresh process, the contestants take turns within a round, and a ratio compares
measurements of one round only. The photos are random pixels, decoded and in memory for both: the
time of a step does not depend on the values. Beside it the share of a step of the product's loop
that is spent waiting for its batch.
"""

from pathlib import Path
from typing import Any

import click
import contestants
import fresh
from contestants import WARM_UP_STEPS, Settings
from photo_contestants import CONTESTANTS

from targets.devices.cpus import available_cpus

AT_LEAST, WAITING = 1.2, 0.05
"""Least ratio of images per second to those of Keras, and the largest share spent waiting."""


def compare(cfg: Settings, *, rounds: int, tries: int) -> dict[str, Any]:
    given = cfg.model_dump_json()
    timings = fresh.measured(__file__, list(CONTESTANTS), given, rounds=rounds, tries=tries)
    ours = timings["ours"]
    return {
        "parameters": ours[0]["parameters"],
        "timings": timings,
        "ours_to_keras_fit": fresh.ratio(
            fresh.faster(ours, timings["keras_fit"]), at_least=AT_LEAST
        ),
        "waiting_share": fresh.ratio([one["waiting_share"] for one in ours], at_most=WAITING),
    }


def report(result: dict[str, Any]) -> None:
    rows = [[name, *fresh.rate(timings)] for name, timings in result["timings"].items()]
    fresh.print_table(["contestant", "images/s", "disturbed"], rows)
    waiting = result["waiting_share"]
    shares = f"{waiting['median']:.1%} ({waiting['min']:.1%} to {waiting['max']:.1%})"
    waited = "reached" if waiting["reached"] else "not reached"
    rows = [
        ["ours to keras_fit", *fresh.verdict(result["ours_to_keras_fit"])],
        ["share of a step spent waiting", shares, f"at most {waiting['at_most']:.0%}", waited],
    ]
    fresh.print_table(["", "median (range)", "target", ""], rows)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="Number of rounds.")
@click.option("--tries", type=click.IntRange(min=1), default=3, help="Tries per measurement.")
@click.option("--steps", type=click.IntRange(min=1), default=40, help="Timed steps.")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, help="Images per step.")
@click.option("--side", type=click.IntRange(min=32), default=96, help="Side in pixels.")
@click.option("--threads", type=click.IntRange(min=1), help="[default: CPUs of this process]")
@fresh.options(*fresh.OUTPUT)
@click.option("--measure", nargs=2, hidden=True)
def main(
    *,
    rounds: int,
    tries: int,
    threads: int | None,
    as_json: bool,
    out: Path | None,
    measure: tuple[str, str] | None,
    **options: int,
) -> None:
    """Compare training on augmented photos with Keras `fit` over a `tf.data` pipeline.

    \b
    Example:
      python benchmarks/photos.py --rounds 3 --json
    """
    if measure is not None:
        contestant, given = measure
        contestants.measure(CONTESTANTS[contestant], given)
        return
    cfg = Settings(threads=threads or len(available_cpus()), **options)
    settings = {"rounds": rounds, "tries": tries, "warm_up_steps": WARM_UP_STEPS}
    packages = ("tensorflow", "tf-keras", "pillow")
    result = fresh.describe("photos/1", packages, {**settings, **cfg.model_dump()})
    result |= compare(cfg, rounds=rounds, tries=tries)
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

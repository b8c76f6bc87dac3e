"""Time of a step with cached teacher logits, compared with no teacher and with a live one.

Each measurement is a fresh process, the contestants take turns within a round, and a ratio compares
the seconds per step of one round only. The cache is warm: filling it costs one pass of the teacher
per view, once for all epochs, students and stages that see the view, and is not in these figures.
"""

from pathlib import Path
from typing import Any

import click
import contestants
import fresh
from contestants import WARM_UP_STEPS, Settings
from distill_contestants import CONTESTANTS

from targets.devices.cpus import available_cpus

AT_MOST = {"alone": 1.15, "keras_live": 0.5}
"""Peer -> largest ratio of the seconds of a cached step to those of the peer."""


def compare(cfg: Settings, *, rounds: int, tries: int) -> dict[str, Any]:
    given = cfg.model_dump_json()
    timings = fresh.measured(__file__, list(CONTESTANTS), given, rounds=rounds, tries=tries)
    return {
        "parameters": timings["cached"][0]["parameters"],
        "timings": timings,
        # Seconds of a cached step over those of the peer's.
        "cached_to": {
            peer: fresh.ratio(fresh.faster(timings[peer], timings["cached"]), at_most=limit)
            for peer, limit in AT_MOST.items()
        },
    }


def report(result: dict[str, Any]) -> None:
    rows = []
    for name, timings in result["timings"].items():
        judged = fresh.verdict(result["cached_to"][name]) if name in AT_MOST else []
        rows.append([name, *fresh.rate(timings), *judged])
    fresh.print_table(["", "images/s", "disturbed", "a cached step takes", "at most", ""], rows)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@fresh.options(*fresh.STEPS, *fresh.OUTPUT)
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
    """Compare a distillation step on cached logits with no teacher and with a live one.

    \b
    Example:
      python benchmarks/distill_step.py --rounds 3 --json
    """
    if measure is not None:
        contestant, given = measure
        contestants.measure(CONTESTANTS[contestant], given)
        return
    cfg = Settings(threads=threads or len(available_cpus()), **options)
    settings = {"rounds": rounds, "tries": tries, "warm_up_steps": WARM_UP_STEPS}
    packages = ("tensorflow", "tf-keras")
    result = fresh.describe("distill-step/1", packages, {**settings, **cfg.model_dump()})
    result |= compare(cfg, rounds=rounds, tries=tries)
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

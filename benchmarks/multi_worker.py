"""CPU time and wall time of a step of two workers, compared with one worker and the same batch.

Both have one thread per worker, on this machine. CPU seconds count all workers: two without any
overhead take those of one. The wall time of two says something only where two CPUs are idle.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import contestants
import fresh
from contestants import WARM_UP_STEPS, Settings, Stopwatch

FAMILIES = {"resnet": 0.5, "mobilenet_v2": 0.5}
"""Family of the student -> its width."""
WORKERS = ("1", "2")


def train(family: str, cfg: Settings, *, number: int, addresses: str) -> None:
    """Train as one of the workers, and print its time per step as JSON."""
    from pipeline.cluster.multi_worker import tf_config
    from pipeline.training import session
    from pipeline.training.distribution import Alone, Distribution, MultiWorker

    watch = Stopwatch(cfg=cfg)
    distribution: Distribution = Alone()
    if "," in addresses:
        os.environ["TF_CONFIG"] = tf_config(number, addresses.split(","))
        session.start(seed=0, threads=cfg.threads)
        distribution = MultiWorker.joined()
    contestants.train(
        cfg,
        watch,
        model=lambda: contestants.student(family, cfg, width=FAMILIES[family]),
        data=contestants.dataset(contestants.noise(cfg), cfg),
        distribution=distribution,
    )
    wall_s, cpu_s, busy_s = (end - start for start, end in zip(*watch.readings, strict=True))
    times = {"wall_s": wall_s, "cpu_s": cpu_s, "busy_s": busy_s}
    click.echo(json.dumps({name: value / cfg.steps for name, value in times.items()}))


def measured(family: str, workers: int, cfg: Settings) -> dict[str, float]:
    """Seconds per step: CPU time of all workers, wall time of the slowest."""
    addresses = ",".join(f"127.0.0.1:{_free_port()}" for _ in range(workers))
    argv = [sys.executable, __file__, "--measure", family, cfg.model_dump_json(), addresses]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    processes = [
        subprocess.Popen([*argv, str(number)], env=env, stdout=subprocess.PIPE, text=True)
        for number in range(workers)
    ]
    said = [process.communicate(timeout=900)[0] for process in processes]
    if any(process.returncode for process in processes):
        raise click.ClickException(f"{family}: a worker failed.")
    times = [json.loads(one.splitlines()[-1]) for one in said]
    cpu_s, wall_s = sum(one["cpu_s"] for one in times), max(one["wall_s"] for one in times)
    others = max((one["busy_s"] - cpu_s) / one["wall_s"] for one in times)
    return {"cpu_s": cpu_s, "wall_s": wall_s, "cores_taken_by_others": max(0.0, others)}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def compare(family: str, cfg: Settings, *, rounds: int) -> dict[str, Any]:
    timings: dict[str, list[dict[str, float]]] = {name: [] for name in WORKERS}
    for number, name in fresh.in_turns(WORKERS, rounds):
        timings[name].append(measured(family, int(name), cfg))
        click.echo(f"{family} round {number + 1}/{rounds}: {name} workers", err=True)
    pairs = list(zip(timings["2"], timings["1"], strict=True))
    return {
        "timings": timings,
        # Two workers over one.
        "cpu": fresh.ratio([two["cpu_s"] / one["cpu_s"] for two, one in pairs]),
        "wall": fresh.ratio([two["wall_s"] / one["wall_s"] for two, one in pairs]),
    }


def report(result: dict[str, Any]) -> None:
    rows = [
        [family, *fresh.verdict(one["cpu"]), *fresh.verdict(one["wall"])]
        for family, one in result["families"].items()
    ]
    fresh.print_table(["two workers over one", "CPU time of a step", "wall time"], rows)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@fresh.options(*fresh.OUTPUT)
@click.option("--rounds", type=click.IntRange(min=1), default=3, help="Number of rounds.")
@click.option("--steps", type=click.IntRange(min=1), default=20, help="Timed steps.")
@click.option("--batch-size", type=click.IntRange(min=2), default=64, help="Images per step.")
@click.option("--side", type=click.IntRange(min=4), default=28, help="Side in pixels.")
@click.option("--measure", nargs=4, hidden=True)
def main(
    *,
    as_json: bool,
    out: Path | None,
    rounds: int,
    measure: tuple[str, str, str, str] | None,
    **options: int,
) -> None:
    """Measure what it costs to share the batches of a training between two workers.

    \b
    Example:
      python benchmarks/multi_worker.py --rounds 3 --json
    """
    if measure is not None:
        family, given, addresses, number = measure
        cfg = Settings.model_validate_json(given)
        train(family, cfg, number=int(number), addresses=addresses)
        return
    if options["batch_size"] % 2:
        raise click.BadParameter("two workers need an even number", param_hint="--batch-size")
    cfg = Settings(threads=1, **options)
    settings = {"rounds": rounds, "warm_up_steps": WARM_UP_STEPS, **cfg.model_dump()}
    result = fresh.describe("multi-worker/1", ("tensorflow", "tf-keras"), settings)
    result["families"] = {one: compare(one, cfg, rounds=rounds) for one in FAMILIES}
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

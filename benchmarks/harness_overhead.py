"""What the agent adds to a query: an empty model through it, against the runtime called bare.

Per runtime and round two fresh processes of the same Python, in turns: the agent in its latency
mode, whose median counts, and `bare_runtime.py`, whose queries have no clock and nothing of ours
around them. The difference of the two in a round is ours; its median over the rounds is judged.
"""

import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import empty_models
import fresh

from targets.bench.archive import packed
from targets.devices.local.link import LocalLink
from targets.errors import EdgeDistillError
from targets.runtimes import RUNTIMES, Runtime
from targets.runtimes.environment import python_for

AT_MOST_NS = 2000
BARE = Path(__file__).with_name("bare_runtime.py")
SIDES = ("agent", "bare")
TIMEOUT_S = 300


def job(runtime: Runtime, model: Path, seconds: float, seed: str) -> dict[str, Any]:
    shape = list(empty_models.SHAPE)
    entry = {"shape": shape, "dtype": "float32", "kind": "samples", "adapter": None}
    return {
        "mode": "latency",
        "runtime": runtime.name,
        "module": runtime.module,
        "model": str(model),
        "threads": 1,
        "affinity": None,
        "seed": seed,
        "inputs": {empty_models.INPUT: entry},
        "samples": str(model.with_name("samples.npy")),
        "output_index": 0,
        "warmup_runs": 20,
        "warmup_ns": 200_000_000,
        "min_queries": 1000,
        "min_duration_ns": int(seconds * 1e9),
        "max_duration_ns": int(60e9),
    }


def run(script: Path, runtime: Runtime, python: Path, given: dict[str, Any]) -> Any:
    """What the script wrote, in a process as the product starts it."""
    out = Path(given["model"]).with_name("out.json")
    job_file = out.with_name("job.json")
    out.unlink(missing_ok=True)
    job_file.write_text(json.dumps({**given, "out": str(out)}), encoding="utf-8")
    command = runtime.command(python=str(python), agent=str(script), job=str(job_file))
    done = LocalLink(out.parent).run(command, env=runtime.env, timeout_s=TIMEOUT_S)
    if done.returncode:
        raise click.ClickException(f"{runtime.name}, {script.name}: {done.stderr.strip()[-2000:]}")
    return json.loads(out.read_text(encoding="utf-8"))


def query_ns(side: str, result: dict[str, Any]) -> float:
    """The median of one query, in ns."""
    if side == "agent":
        return float(statistics.median(result["samples_ns"]))
    return float(statistics.median(result["calls_ns"]) / result["calls"])


def compare(runtime: Runtime, model: Path, *, rounds: int, seconds: float) -> dict[str, Any]:
    python = python_for(runtime, say=lambda text: click.echo(text, err=True))
    seen: dict[str, list[float]] = {side: [] for side in SIDES}
    others: list[float] = []
    versions = {}
    for number, side in fresh.in_turns(list(SIDES), rounds):
        given = job(runtime, model, seconds, f"0:{number}")
        with fresh.watch_others(others):
            result = run(packed(runtime) if side == "agent" else BARE, runtime, python, given)
        seen[side].append(query_ns(side, result))
        if side == "agent":
            versions = {**result["runtime"], "python": result["python"]}
    return {**judged(seen), "runtime": versions, "cores_taken_by_others": others}


def judged(seen: dict[str, list[float]]) -> dict[str, Any]:
    ours = [a - b for a, b in zip(seen["agent"], seen["bare"], strict=True)]
    median = statistics.median(ours)
    return {
        **{f"{side}_ns": statistics.median(seen[side]) for side in seen},
        "ours_ns": {"median": median, "min": min(ours), "max": max(ours), "rounds": ours},
        "ours_share": median / statistics.median(seen["agent"]),
        "at_most_ns": AT_MOST_NS,
        "reached": median <= AT_MOST_NS,
        "rounds_ns": seen,
    }


def report(result: dict[str, Any]) -> None:
    rows = [[name, *cells(seen)] for name, seen in result["runtimes"].items()]
    header = ["runtime", "agent µs", "bare µs", "ours µs", "share", "at most µs", "", "disturbed"]
    fresh.print_table(header, rows)


def cells(seen: dict[str, Any]) -> list[str]:
    ours = {key: seen["ours_ns"][key] / 1e3 for key in ("median", "min", "max")}
    loud = sum(cores > fresh.QUIET_CORES for cores in seen["cores_taken_by_others"])
    return [
        f"{seen['agent_ns'] / 1e3:.2f}",
        f"{seen['bare_ns'] / 1e3:.2f}",
        f"{ours['median']:.2f} ({ours['min']:.2f} to {ours['max']:.2f})",
        f"{100 * seen['ours_share']:.0f} %",
        f"{seen['at_most_ns'] / 1e3:g}",
        "reached" if seen["reached"] else "not reached",
        f"{loud} of {len(seen['cores_taken_by_others'])}",
    ]


def measure_all(names: Sequence[str], *, rounds: int, seconds: float) -> dict[str, Any]:
    runtimes = {}
    with tempfile.TemporaryDirectory() as folder:
        models = empty_models.write(Path(folder))
        for name in names:
            model = models[RUNTIMES[name].formats[0]]
            runtimes[name] = compare(RUNTIMES[name], model, rounds=rounds, seconds=seconds)
            click.echo(f"{name}: {rounds} rounds", err=True)
    return runtimes


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--runtime", "names", multiple=True, type=click.Choice(list(RUNTIMES)))
@click.option("--rounds", type=click.IntRange(min=1), default=7, help="Of both.")
@click.option("--seconds", type=float, default=0.5, help="Measured in each process.")
@fresh.options(*fresh.OUTPUT)
def main(
    *, names: tuple[str, ...], rounds: int, seconds: float, as_json: bool, out: Path | None
) -> None:
    """Measure what the agent adds to a query of an empty model, in every runtime.

    \b
    Example:
      python benchmarks/harness_overhead.py --rounds 7 --json
    """
    settings = {"rounds": rounds, "seconds": seconds, "threads": 1, "at_most_ns": AT_MOST_NS}
    result = fresh.describe("harness-overhead/1", ("numpy",), settings)
    try:
        measured = measure_all(names or list(RUNTIMES), rounds=rounds, seconds=seconds)
    except EdgeDistillError as error:
        raise click.ClickException(str(error)) from error
    result["runtimes"] = measured
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

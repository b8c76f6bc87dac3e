"""Time that the agent adds to a query of an empty model, compared with the bare runtime.

Per runtime and round two fresh processes of the same Python take turns: the agent in its latency
mode, of which the median counts, and `bare_runtime.py`. The agent adds the difference of the two in
a round; its median over the rounds is judged.
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
    """The document that the script writes, in a process started as by the product."""
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
    queries: dict[str, list[float]] = {side: [] for side in SIDES}
    others: list[float] = []
    versions = {}
    for number, side in fresh.in_turns(list(SIDES), rounds):
        given = job(runtime, model, seconds, f"0:{number}")
        with fresh.watch_others(others):
            result = run(packed(runtime) if side == "agent" else BARE, runtime, python, given)
        queries[side].append(query_ns(side, result))
        if side == "agent":
            versions = {**result["runtime"], "python": result["python"]}
    return {**judged(queries), "runtime": versions, "cores_taken_by_others": others}


def judged(queries: dict[str, list[float]]) -> dict[str, Any]:
    added = [a - b for a, b in zip(queries["agent"], queries["bare"], strict=True)]
    median = statistics.median(added)
    return {
        **{f"{side}_ns": statistics.median(queries[side]) for side in queries},
        "ours_ns": {"median": median, "min": min(added), "max": max(added), "rounds": added},
        "ours_share": median / statistics.median(queries["agent"]),
        "at_most_ns": AT_MOST_NS,
        "reached": median <= AT_MOST_NS,
        "rounds_ns": queries,
    }


def report(result: dict[str, Any]) -> None:
    rows = [[name, *cells(row)] for name, row in result["runtimes"].items()]
    header = ["runtime", "agent µs", "bare µs", "added µs", "share", "at most µs", "", "disturbed"]
    fresh.print_table(header, rows)


def cells(row: dict[str, Any]) -> list[str]:
    added = {key: row["ours_ns"][key] / 1e3 for key in ("median", "min", "max")}
    loud = sum(cores > fresh.QUIET_CORES for cores in row["cores_taken_by_others"])
    return [
        f"{row['agent_ns'] / 1e3:.2f}",
        f"{row['bare_ns'] / 1e3:.2f}",
        f"{added['median']:.2f} ({added['min']:.2f} to {added['max']:.2f})",
        f"{100 * row['ours_share']:.0f} %",
        f"{row['at_most_ns'] / 1e3:g}",
        "reached" if row["reached"] else "not reached",
        f"{loud} of {len(row['cores_taken_by_others'])}",
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
@click.option("--rounds", type=click.IntRange(min=1), default=7, help="Rounds of both.")
@click.option("--seconds", type=float, default=0.5, help="Time per process.")
@fresh.options(*fresh.OUTPUT)
def main(
    *, names: tuple[str, ...], rounds: int, seconds: float, as_json: bool, out: Path | None
) -> None:
    """Measure the time that the agent adds to a query of an empty model, per runtime.

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

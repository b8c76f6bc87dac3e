"""More workers: measured from one to two on this machine, and simulated up to 64 for a search.

Measured: the same independent trainings (students of other seeds; teacher and logits are in the
store) one after the other in this process, and as tasks of Ray on two workers, each with one thread
of TensorFlow. Every measurement has a store of its own. Simulated: `simulated_search`, from the
costs in the `search.json` of a real search.
"""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import fresh
import numpy as np
from simulated_search import Costs, spread

from pipeline.cluster import cluster
from pipeline.cluster.contract import Task
from pipeline.engine.progress import SilentConsole
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from pipeline.recipe.load import Override, load
from pipeline.recipe.schema import Recipe
from pipeline.reporting.schema.search import SearchResult, read

CONTESTANTS = {"one": None, "two": "local"}
"""Name -> `--cluster`."""
WORKERS = (1, 2, 4, 8, 16, 32, 64)
FLEETS = (1, 8)
"""Devices that measure at the same time."""
TRIALS = 200
DRAWS = 200
GIGABIT_BYTES_PER_S = 1e9 / 8
TASK_S = 6.0
"""Import of TensorFlow and start of a worker's process, in CPU seconds."""
REUSED_S = 3.0
"""A training in less was in the store, from another search."""
PACKAGES = ("edge-distill", "tensorflow", "ray", "optuna")


def recipe(name: str, seed: int, epochs: int) -> Recipe:
    values = {"threads": 1, "distill.seed": seed, "distill.epochs": epochs, "quantize.epochs": 1}
    return load(name, [Override(key, value, key) for key, value in values.items()])


def measure(contestant: str, given: str) -> None:
    """One contestant in this process: prints its seconds as JSON."""
    asked = json.loads(given)
    tasks = [
        Task(name=f"seed {seed}", recipe=recipe(asked["recipe"], seed, asked["epochs"]))
        for seed in range(asked["tasks"])
    ]
    with TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        shutil.copytree(asked["store"], root)
        others: list[float] = []
        started = time.perf_counter()
        with cluster(CONTESTANTS[contestant], Store(root), threads=1) as workers:
            ready = time.perf_counter()
            with fresh.watch_others(others):
                outcomes = workers.make(tasks, console=SilentConsole())
            done = time.perf_counter()
        failed = [one.error for one in outcomes if one.error is not None]
        if failed:
            raise failed[0]
        found = {"start_s": ready - started, "make_s": done - ready, "workers": workers.workers}
        print(json.dumps(found | {"cores_taken_by_others": others[0]}))


def compare(asked: dict[str, Any], *, rounds: int) -> dict[str, Any]:
    timings: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTESTANTS}
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        first = recipe(asked["recipe"], 0, asked["epochs"])
        teacher_s = _teacher(first, store)
        shared = sum(file.stat().st_size for file in store.root.glob("logits-*/*"))
        given = json.dumps({**asked, "store": str(store.root)})
        for number, name in fresh.in_turns([*CONTESTANTS], rounds):
            timings[name].append(fresh.measure(__file__, name, given))
            click.echo(f"round {number + 1}/{rounds}: {name}", err=True)
    pairs = [*zip(timings["one"], timings["two"], strict=True)]
    faster = [one["make_s"] / two["make_s"] for one, two in pairs]
    whole = [
        (one["start_s"] + one["make_s"]) / (two["start_s"] + two["make_s"]) for one, two in pairs
    ]
    return {
        "teacher_s": teacher_s,
        "logits_bytes": shared,
        "timings": timings,
        "one_to_two": fresh.ratio(faster, at_least=1.7),
        "one_to_two_with_the_start_of_ray": fresh.ratio(whole),
    }


def _teacher(first: Recipe, store: Store) -> float:
    """Make what the tasks share, and nothing else; its seconds."""
    runner = Runner(recipe=first, store=store, console=SilentConsole())
    steps = [step for step in runner.make().steps if step.name in ("teacher", "logits")]
    for path in store.root.iterdir():
        if path.is_dir() and path.name.split("-")[0] in ("distill", "quantize", "convert"):
            shutil.rmtree(path)
    return sum(step.wall_s or 0.0 for step in steps)


def costs_of(found: Sequence[SearchResult], *, teacher_s: float, logits_bytes: float) -> Costs:
    rows = [row for result in found for row in result.trials]
    return Costs(
        teacher_s=teacher_s,
        measuring_s=[row.measuring_s for row in rows if row.untrained is not None],
        training_s=[row.training_s for row in rows if row.training_s > REUSED_S],
        fitting=sum(row.state != "over_limit" for row in rows) / len(rows),
        task_s=TASK_S,
        bytes_per_task=logits_bytes,
        store_bytes_per_s=GIGABIT_BYTES_PER_S,
    )


def simulate(costs: Costs) -> list[dict[str, Any]]:
    rows = []
    for devices in FLEETS:
        for workers in WORKERS:
            found = spread(
                costs, workers=workers, trials=TRIALS, devices=devices, draws=DRAWS, seed=0
            )
            low, high = np.quantile(found["wall_s"], (0.05, 0.95))
            parts = {name: float(np.median(values)) for name, values in found.items()}
            span = {"wall_p5_s": float(low), "wall_p95_s": float(high)}
            rows.append({"workers": workers, "devices": devices, **parts, **span})
    return rows


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(FLEETS), figsize=(10, 4), sharey=True)
    for axes, devices in zip(panels, FLEETS, strict=True):
        some = [row for row in rows if row["devices"] == devices]
        names = [str(row["workers"]) for row in some]
        base = np.zeros(len(some))
        parts = {"teacher_s": "teacher", "measuring_s": "measuring", "training_s": "training"}
        for part, label in {**parts, "store_s": "store"}.items():
            hours = np.array([row[part] for row in some]) / 3600
            axes.bar(names, hours, bottom=base, label=label)
            base += hours
        axes.set_title(f"{devices} device{'s' if devices > 1 else ''} measuring")
        axes.set_xlabel("workers")
    panels[0].set_ylabel(f"hours of a {TRIALS}-trial search (simulated)")
    panels[-1].legend()
    figure.tight_layout()
    figure.savefig(path)


def report(result: dict[str, Any]) -> None:
    measured = result["measured"]
    rows = [
        [name, *fresh.verdict(measured[key])]
        for name, key in (
            ("trainings, 1 to 2 workers", "one_to_two"),
            ("with the start of Ray", "one_to_two_with_the_start_of_ray"),
        )
    ]
    fresh.print_table(["", "times as fast", "at least", ""], rows)
    click.echo(f"Simulated, {TRIALS} trials:")
    header = ["devices", "workers", "hours", "5 to 95 %", "teacher", "measuring", "training"]
    fresh.print_table(header, [_row(row) for row in result["simulated"]])


def _row(row: dict[str, Any]) -> list[str]:
    span = f"{row['wall_p5_s'] / 3600:.2f} to {row['wall_p95_s'] / 3600:.2f}"
    shares = [row[name] / row["wall_s"] for name in ("teacher_s", "measuring_s", "training_s")]
    hours = f"{row['wall_s'] / 3600:.2f}"
    counts = [str(row["devices"]), str(row["workers"])]
    return [*counts, hours, span, *(f"{100 * share:.0f} %" for share in shares)]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@fresh.options(*fresh.OUTPUT)
@click.option("--recipe", "name", default="digits", help="Recipe of the trainings.")
@click.option("--tasks", type=click.IntRange(min=2), default=6, help="Trainings.")
@click.option("--epochs", type=click.IntRange(min=1), default=18, help="Of each student.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, help="Number of rounds.")
@click.option("--search", "searches", multiple=True, type=fresh.FILE, help="search.json: costs.")
@click.option("--measured", type=fresh.FILE, help="Earlier result, of which only this is new.")
@click.option("--plot", type=fresh.FILE, help="Draw the simulation into this .svg.")
@click.option("--measure", "measuring", nargs=2, hidden=True)
def main(
    *,
    as_json: bool,
    out: Path | None,
    name: str,
    tasks: int,
    epochs: int,
    rounds: int,
    searches: tuple[Path, ...],
    measured: Path | None,
    plot: Path | None,
    measuring: tuple[str, str] | None,
) -> None:
    """Measure trainings on one and two workers, and simulate a search on up to 64.

    \b
    Example:
      python benchmarks/scale_out.py --search runs/digits-search/search.json --plot scale_out.svg
    """
    if measuring is not None:
        measure(*measuring)
        return
    asked = {"recipe": name, "tasks": tasks, "epochs": epochs}
    result = fresh.describe("scale-out/1", PACKAGES, {**asked, "rounds": rounds})
    if measured is None:
        result["measured"] = compare(asked, rounds=rounds)
    else:
        result = json.loads(measured.read_text(encoding="utf-8"))
    result["simulated"] = []
    if searches:
        shared = {key: result["measured"][key] for key in ("teacher_s", "logits_bytes")}
        costs = costs_of([read(path) for path in searches], **shared)
        result |= {"costs": asdict(costs), "simulated": simulate(costs)}
        if plot is not None:
            draw(result["simulated"], plot)
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

"""Spread of the headline over repeated measurements.

The same files are measured several times by the product's protocol in the tier `quick`. The spread
is (largest - smallest) / median of the headline medians. The cores that others used meanwhile are
shown beside it: the target is judged on a quiet machine only.
"""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import fresh
import numpy as np
from int8_files import DEFAULT, NETWORKS, Network, describe, images, write

from targets.bench.plan import Bench, BenchPlan
from targets.bench.record import Block
from targets.bench.runner import local_runner
from targets.bench.summary import SummaryRow, summarise_blocks
from targets.errors import DeviceError

AT_MOST = 0.03
SIDE, SAMPLES = 28, 64
QUICK = BenchPlan.of_tier("quick")
THREADS = 1
PACKAGES = ("ai-edge-litert", "onnxruntime", "numpy", "tensorflow")


def once(bench: Bench, network: Network) -> dict[str, dict[str, Any]]:
    """One measurement of all files: file name -> its headline and its disturbance."""
    blocks = bench.latency(network.cases, say=lambda text: None)
    return {row.model: headline(row, blocks) for row in summarise_blocks(blocks)}


def headline(row: SummaryRow, blocks: list[Block]) -> dict[str, Any]:
    counted = [block for block in blocks if block.counted and block.model == row.model]
    cores = [block.others_cpu for block in counted if block.others_cpu is not None]
    return {
        "median_ns": row.median_ns,
        "stability": row.stability,
        "others_cpu": max(cores, default=None),
    }


def repeat(network: Network, folder: Path, *, times: int) -> list[dict[str, Any]]:
    samples = folder / "samples.npy"
    np.save(samples, images((SIDE, SIDE, 1), SAMPLES))
    bench = Bench(runner=local_runner(folder), samples=samples, plan=QUICK)
    others: list[float] = []
    runs = []
    for number in range(times):
        with fresh.watch_others(others):
            files = once(bench, network)
        click.echo(f"{network.family}: {number + 1}/{times}", err=True)
        runs.append({"files": files, "cores_taken_by_others": others[-1]})
    return runs


def spreads(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """File name -> its spread; `reached` is null if others used too much of the CPUs."""
    quiet = max(one["cores_taken_by_others"] for one in runs) <= fresh.QUIET_CORES
    result = {}
    for name in runs[0]["files"]:
        medians = [one["files"][name]["median_ns"] for one in runs]
        spread = (max(medians) - min(medians)) / statistics.median(medians)
        reached = spread <= AT_MOST if quiet else None
        result[name] = {"spread": spread, "medians_ns": medians, "reached": reached}
    return result


def report(result: dict[str, Any]) -> None:
    words = {True: "reached", False: "NOT reached", None: "not judged: others were busy"}
    rows = [
        [
            name,
            f"{statistics.median(row['medians_ns']) / 1e3:,.1f}",
            " ".join(f"{ns / 1e3:,.1f}" for ns in row["medians_ns"]),
            f"{100 * row['spread']:.2f} %",
            f"{100 * AT_MOST:g} %",
            words[row["reached"]],
        ]
        for name, row in result["spreads"].items()
    ]
    fresh.print_table(["file", "median µs", "each time", "spread", "at most", ""], rows)
    taken = [f"{one['cores_taken_by_others']:.2f}" for one in result["runs"]]
    click.echo(f"cores taken by others: {' '.join(taken)} (quiet: {fresh.QUIET_CORES} at most)")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--network", "family", default=DEFAULT, type=click.Choice(list(NETWORKS)))
@click.option("--times", type=click.IntRange(min=2), default=5, help="Measurements.")
@fresh.options(*fresh.OUTPUT)
def main(*, family: str, times: int, as_json: bool, out: Path | None) -> None:
    """Measure the same files several times, and the spread of the headline.

    \b
    Example:
      python benchmarks/repeatability.py --times 5 --json
    """
    settings = {"network": family, "times": times, "tier": "quick", "threads": THREADS}
    result = fresh.describe("repeatability/1", PACKAGES, settings)
    with TemporaryDirectory() as name:
        folder = Path(name)
        network = write(family, folder, side=SIDE, threads=1)
        try:
            runs = repeat(network, folder, times=times)
        except DeviceError as error:
            raise click.ClickException(str(error)) from error
        result["files"] = {s.name: describe(s.path) for s in network.cases}
    result |= {"runs": runs, "spreads": spreads(runs)}
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

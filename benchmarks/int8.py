"""Latency and size of the int8 files against the float32 ones, per runtime and network.

Measured by the product's own protocol: fresh processes that import one runtime, all files in
seeded random order within a block, ratios taken within a block. The networks are untrained, which
does not change latency; their accuracy is that of `--accuracy`, or is left out.
"""

import json
import platform
import shlex
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
import fresh
import numpy as np
from int8_files import (
    CLASSES,
    DEFAULT,
    DEPTHWISE,
    NAIVE,
    NETWORKS,
    RESIDUAL,
    TEACHER,
    Network,
    describe,
    fast,
    images,
    write,
)

from targets.bench.plan import Bench, BenchPlan
from targets.bench.record import Block
from targets.bench.runner import local_runner
from targets.bench.statistics import compare
from targets.devices.local.probe import probe_local
from targets.errors import DeviceError

SAMPLES = 64
VNNI = {"avx512_vnni", "avx_vnni"}
"""CPU flags: with one of them the ratios of the runtimes are judged, else only shown."""
PACKAGES = (
    "tensorflow", "tf-keras", "tensorflow-model-optimization", "tf2onnx", "onnx", "onnxruntime",
    "ai-edge-litert", "numpy",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Target:
    """A ratio of two files that should be at most, or at least, `limit`."""

    of: str
    to: str
    limit: float
    at_least: bool = False
    what: str = "latency"

    def reached(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit


def int8_to_float(family: str, kind: str, limit: float, what: str = "latency") -> Target:
    return Target(of=f"{family}.int8.{kind}", to=f"{family}.float32.{kind}", limit=limit, what=what)


def teacher_to_student(kind: str, limit: float) -> Target:
    teacher, student = f"{TEACHER}.float32.{kind}", f"{DEFAULT}.int8.{kind}"
    return Target(of=teacher, to=student, limit=limit, at_least=True)


TARGETS = (
    int8_to_float(DEFAULT, "onnx", 1.0),
    int8_to_float(TEACHER, "onnx", 0.45),
    Target(of=f"{RESIDUAL}.int8.onnx", to=NAIVE, limit=0.35),
    *(int8_to_float(family, "tflite", 1.1) for family in DEPTHWISE),
    int8_to_float(TEACHER, "tflite", 0.35),
    teacher_to_student("tflite", 12.0),
    teacher_to_student("onnx", 8.0),
    int8_to_float(DEFAULT, "tflite", 0.42, what="size"),
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """All blocks of one run, and the files."""

    blocks: list[Block]
    files: dict[str, dict[str, Any]]

    def samples_ns(self, name: str) -> list[list[int]]:
        """Samples of one file, per process."""
        return [list(b.samples_ns or ()) for b in self.blocks if b.counted and b.model == name]

    def median_us(self, name: str) -> float:
        return median(median(samples) for samples in self.samples_ns(name)) / 1e3

    def ratio(self, of: str, to: str, what: str = "latency") -> dict[str, Any]:
        if what == "size":
            sizes = [self.files[name]["size_bytes"] for name in (of, to)]
            return {"ratio": sizes[0] / sizes[1], "interval": None}
        compared = compare(baseline=self.samples_ns(of), candidate=self.samples_ns(to))
        ends = compared.interval and (compared.interval.low, compared.interval.high)
        return {"ratio": compared.ratio, "interval": ends}


def measure(
    networks: list[Network], folder: Path, plan: BenchPlan, *, side: int, threads: int
) -> Run:
    samples = folder / "samples.npy"
    np.save(samples, images((side, side, 1), SAMPLES))
    cases = [replace(case, threads=threads) for network in networks for case in network.cases]
    bench = Bench(runner=local_runner(folder), samples=samples, plan=plan)
    try:
        blocks = bench.latency(cases, say=lambda text: click.echo(text, err=True))
    except DeviceError as error:
        raise click.ClickException(str(error)) from error
    return Run(blocks=blocks, files={s.name: describe(s.path) for s in cases})


def network_rows(network: Network, run: Run, accuracy: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per runtime: medians, int8 to float32, sizes, and the given accuracy."""
    rows = []
    for kind in ("tflite", "onnx"):
        names = [f"{network.family}.{precision}.{kind}" for precision in ("float32", "int8")]
        rows.append(
            {
                "network": network.family,
                "parameters": network.parameters,
                "macs": network.macs,
                "format": kind,
                "median_us": [run.median_us(name) for name in names],
                "latency": run.ratio(names[1], names[0]),
                "size_bytes": [run.files[name]["size_bytes"] for name in names],
                "size": run.ratio(names[1], names[0], "size"),
                "top1": [accuracy.get(network.family, {}).get(p) for p in ("float32", "int8")],
            }
        )
    return rows


def weight_rows(network: Network, run: Run) -> dict[str, Any]:
    """Latency with uint8 weights, exact on every processor, over that with int8 weights here."""
    names = [f"{network.family}.int8.onnx", fast(network.family)]
    return {
        "network": network.family,
        "median_us": [run.median_us(name) for name in names],
        "latency": run.ratio(*names),
    }


def judged(run: Run, *, runtime_ratios: bool) -> list[dict[str, Any]]:
    """Every target whose files were measured; `reached` is null if it is not judged."""
    judgements = []
    for target in TARGETS:
        if target.of in run.files and target.to in run.files:
            ratio = run.ratio(target.of, target.to, target.what)
            judge = runtime_ratios or target.what == "size"
            reached = target.reached(ratio["ratio"]) if judge else None
            judgements.append({**asdict(target), **ratio, "reached": reached})
    return judgements


def int8_instructions() -> list[str] | None:
    """The int8 dot products of this x86; None if unknown, and on other processors."""
    info = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not info.exists():
        return None
    return sorted({*VNNI, "amx_int8"} & set(info.read_text().split()))


def has_vnni() -> bool:
    return bool(VNNI & set(int8_instructions() or ()))


def about(plan: BenchPlan, side: int) -> dict[str, Any]:
    settings = {"side": side, "channels": 1, "classes": CLASSES, **asdict(plan)}
    description = fresh.describe("int8/1", PACKAGES, settings)
    machine = {"int8_instructions": int8_instructions(), "loadavg1": probe_local().loadavg1}
    return {
        **description,
        "command": shlex.join(["python", "benchmarks/int8.py", *sys.argv[1:]]),
        "cpu": {**description["cpu"], **machine},
        "trained": False,
    }


def measured(block: Block) -> dict[str, Any]:
    """The record of one process, without its raw samples."""
    kept = block.model_dump(
        include={"model", "index", "order", "runtime", "stop_reason", "valid", "invalid_reasons"}
    )
    samples = block.samples_ns or ()
    return {**kept, "queries": len(samples), "median_ns": median(samples)}


def print_tables(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=118)
    table = Table(box=None, pad_edge=False)
    for name in ("network", "params", "MMAC", "format", "float32 µs", "int8 µs", "int8/float32",
                 "kB", "size", "top-1 float", "int8"):  # fmt: skip
        table.add_column(name, no_wrap=True)
    for row in result["networks"]:
        table.add_row(*cells(row))
    console.print(table)
    weights = Table(box=None, pad_edge=False)
    for name in ("ONNX int8, weights as", "uint8 µs", "int8 µs", "uint8/int8"):
        weights.add_column(name, no_wrap=True)
    for row in result["weights"]:
        times = (f"{us:,.0f}" for us in row["median_us"])
        weights.add_row(row["network"], *times, span(row["latency"]))
    console.print("", weights)
    judgements = Table(box=None, pad_edge=False)
    for name in ("ratio", "", "to", "measured", "target", ""):
        judgements.add_column(name, no_wrap=True)
    words = {True: "reached", False: "NOT reached", None: "not judged here"}
    for row in result["targets"]:
        sign = "≥" if row["at_least"] else "≤"
        judgements.add_row(
            row["what"], row["of"], row["to"], span(row), f"{sign} {row['limit']:g}",
            words[row["reached"]],
        )  # fmt: skip
    console.print("", judgements)


def cells(row: dict[str, Any]) -> list[str]:
    return [
        row["network"],
        f"{row['parameters']:,}",
        f"{row['macs'] / 1e6:.1f}",
        row["format"],
        *(f"{us:,.0f}" for us in row["median_us"]),
        span(row["latency"]),
        f"{row['size_bytes'][1] / 1e3:.1f}",
        f"{row['size']['ratio']:.3f}",
        *("-" if share is None else f"{100 * share:.2f} %" for share in row["top1"]),
    ]


def span(ratio: dict[str, Any]) -> str:
    ends = ratio["interval"]
    shown = f"{ratio['ratio']:.3f}"
    return shown if ends is None else f"{shown} ({ends[0]:.2f}-{ends[1]:.2f})"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--network", "families", multiple=True, type=click.Choice(list(NETWORKS)))
@click.option("--processes", type=click.IntRange(min=1), default=6, help="Processes per file.")
@click.option("--seconds", type=float, default=0.5, help="Time per process.")
@click.option("--side", type=click.IntRange(min=8), default=28, help="Side of an image in pixels.")
@click.option("--threads", type=click.IntRange(min=1), default=1, help="Threads of the runtimes.")
@click.option(
    "--accuracy",
    type=fresh.FILE,
    help='Top-1 to show: {"mobilenet_v1": {"float32": 0.9, "int8": 0.9}}.',
)
@fresh.options(*fresh.OUTPUT)
def main(
    *,
    families: tuple[str, ...],
    processes: int,
    seconds: float,
    side: int,
    threads: int,
    accuracy: Path | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Compare int8 with float32 in LiteRT and ONNX Runtime.

    \b
    Example:
      python benchmarks/int8.py --processes 6 --out benchmarks/results/int8.json
    """
    plan = BenchPlan(
        processes=processes, min_queries=64 * processes, min_duration_s=seconds * processes,
        max_duration_s=60.0 * processes, warmup_runs=20, warmup_s=0.2,
    )  # fmt: skip
    known = json.loads(accuracy.read_text(encoding="utf-8")) if accuracy else {}
    result = about(plan, side)
    with TemporaryDirectory() as name:
        folder = Path(name)
        networks = [write(f, folder, side=side, threads=1) for f in families or NETWORKS]
        run = measure(networks, folder, plan, side=side, threads=threads)
    result["files"] = run.files
    result["networks"] = [row for n in networks for row in network_rows(n, run, known)]
    result["weights"] = [weight_rows(network, run) for network in networks]
    result["targets"] = judged(run, runtime_ratios=has_vnni())
    result["processes"] = [measured(block) for block in run.blocks]
    fresh.publish(result, out=out, as_json=as_json, report=print_tables)


if __name__ == "__main__":
    main()

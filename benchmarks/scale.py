"""Growth of time per image and memory with the data, from 10,000 to 1,000,000 images.

Synthetic 28x28 grey images in a memory-mapped `npy` data set. Each size is measured in fresh
processes, the sizes taking turns. Time per image: open (digest, labels, split), table (one view and
the order of one epoch) and render (one view of every training image, in batches); their sum must
be flat. Small sizes repeat the pass, and the median counts: their best conditions are compared with
the first pass over the largest size. Training step: some steps of `fit` on a small student.

Memory is `RssAnon` of /proc/self/status, sampled every 2 ms: memory that the process cannot
drop. Pages of the mapped file (`RssFile`) do not count: the kernel takes them back at will. The
growth is the peak of the largest size less that of the smallest, as a share of the largest
images file.
"""

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import fresh
import numpy as np
from contestants import CLASSES, WARM_UP_STEPS, Settings, student, train

SIDE = 28
BATCH = 128
FLAT, MEMORY = 1.15, 0.10
PHASES = ("open", "table", "render")
IMAGES_TIMED = 400_000
"""Least number of images that a process reads."""


class Peak:
    """The largest `RssAnon` in bytes from now on, sampled by a thread."""

    def __init__(self) -> None:
        self.rss_bytes, self.running = 0, True
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while self.running:
            self.rss_bytes = max(self.rss_bytes, rss_anon())
            time.sleep(0.002)


def rss_anon() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def write(folder: Path, images: int) -> None:
    """Random images: no phase depends on the pixels' values."""
    random = np.random.default_rng(0)
    numpy_format: Any = np.lib.format
    shape = (images, SIDE, SIDE)
    file = numpy_format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    for start in range(0, images, 10_000):
        part = file[start : start + 10_000]
        part[...] = random.integers(0, 256, part.shape, dtype=np.uint8)
    file.flush()
    np.save(folder / "labels.npy", random.integers(0, len(CLASSES), images))


def data_work(folder: Path) -> dict[str, float]:
    """Seconds per image of each phase, and the peak of memory in bytes."""
    peak = Peak()
    passes = [one_pass(folder)]
    while len(passes) * passes[0]["images"] < IMAGES_TIMED:
        passes.append(one_pass(folder))
    peak.running = False
    medians = {phase: statistics.median(one[phase] for one in passes) for phase in PHASES}
    return {**medians, "all": sum(medians.values()), "passes": len(passes), "peak": peak.rss_bytes}


def one_pass(folder: Path) -> dict[str, float]:
    """Seconds per image of each phase, and the number of images."""
    from pipeline.datasets import npy
    from pipeline.datasets.splits import Split
    from pipeline.recipe.schema import DatasetConfig
    from pipeline.training.augmentation import epoch_order
    from pipeline.training.augmentation.images import ImageViews, view_table

    seconds: dict[str, float] = {}
    with timed(seconds, "open"):
        data = npy.load(DatasetConfig(name="npy", path=folder))
    images, count = data[Split.TRAIN].raw, sum(len(data[split]) for split in Split)
    with timed(seconds, "table"):
        size, views = (SIDE, SIDE), ImageViews(shift=2, flip=True)
        table = view_table(views, images=len(images), size=size, seed=0, view=0, grey=128)
        order = epoch_order(len(images), seed=0, epoch=0)
    with timed(seconds, "render"):
        for start in range(0, len(order), BATCH):
            table.render(data[Split.TRAIN], order[start : start + BATCH])
    share = {"open": count, "table": len(images), "render": len(images)}
    return {"images": count, **{phase: seconds[phase] / share[phase] for phase in PHASES}}


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - begun


class EnoughError(Exception):
    """The requested steps are done."""


def training(folder: Path, steps: int) -> dict[str, float]:
    """Seconds per step of the product's own loop, and the peak of memory in bytes."""
    from pipeline.datasets import npy
    from pipeline.engine.progress import SilentEpochs
    from pipeline.recipe.schema import DatasetConfig
    from pipeline.training.augmentation.images import ImageViews

    cfg = Settings(side=SIDE, batch_size=BATCH, steps=steps, threads=1)
    peak = Peak()
    data = npy.load(DatasetConfig(name="npy", path=folder))
    readings: list[float] = []

    class Stop(SilentEpochs):
        def step(self, done: int, of: int) -> None:
            if done in (WARM_UP_STEPS, WARM_UP_STEPS + steps):
                readings.append(time.perf_counter())
            if len(readings) == 2:
                raise EnoughError

    network = partial(student, "mobilenet_v1", cfg, width=0.25)
    views = ImageViews(shift=2, flip=True)
    try:
        train(cfg, Stop(), model=network, data=data, augmentation=views)
    except EnoughError:
        peak.running = False
        return {"step": (readings[1] - readings[0]) / steps, "peak": peak.rss_bytes}
    raise click.ClickException("the smallest size has fewer training steps than requested")


WORK: dict[str, Callable[..., dict[str, float]]] = {"data": data_work, "training": training}


def compare(sizes: list[int], *, rounds: int, steps: int) -> dict[str, Any]:
    runs: dict[str, dict[int, list[dict[str, float]]]] = {w: {s: [] for s in sizes} for w in WORK}
    with tempfile.TemporaryDirectory() as root:
        for size in sizes:
            folder = Path(root) / str(size)
            folder.mkdir()
            write(folder, size)
        for number, name in fresh.in_turns([str(size) for size in sizes], rounds):
            for work in WORK:
                given = {"folder": str(Path(root) / name), "steps": steps, "work": work}
                runs[work][int(name)].append(fresh.measure(__file__, json.dumps(given)))
            click.echo(f"round {number + 1}/{rounds}: {int(name):,} images", err=True)
    return {"measurements": runs, **ratios(runs, min(sizes), max(sizes))}


def ratios(runs: Any, small: int, large: int) -> dict[str, Any]:
    """Ratios of the largest to the smallest size, per round."""

    def pairs(work: str) -> Iterator[tuple[dict[str, float], dict[str, float]]]:
        return zip(runs[work][small], runs[work][large], strict=True)

    file_bytes = large * SIDE * SIDE
    times = {p: [b[p] / a[p] for a, b in pairs("data")] for p in ("all", *PHASES)}
    times["step"] = [b["step"] / a["step"] for a, b in pairs("training")]
    growth = {w: [(b["peak"] - a["peak"]) / file_bytes for a, b in pairs(w)] for w in WORK}
    return {
        "time_per_image": {
            # The parts are not judged: the smallest is a tenth of a microsecond.
            k: fresh.ratio(v, at_most=None if k in PHASES else FLAT)
            for k, v in times.items()
        },
        "memory_growth": {k: fresh.ratio(v, at_most=MEMORY) for k, v in growth.items()},
    }


def report(result: dict[str, Any]) -> None:
    sizes = result["settings"]["sizes"]
    named = {"all": "open + table + render", "step": "training step"}
    rows = [
        [f"time per image, {named.get(name, name)}", *fresh.verdict(ratio)]
        for name, ratio in result["time_per_image"].items()
    ]
    rows += [
        [f"memory growth beside the images file, {name}", *fresh.verdict(ratio)]
        for name, ratio in result["memory_growth"].items()
    ]
    fresh.print_table([f"{max(sizes):,} images to {min(sizes):,}", "ratio", "at most", ""], rows)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="Rounds of all sizes.")
@click.option("--steps", type=click.IntRange(min=1), default=30, help="Timed training steps.")
@click.option("--sizes", default="10000,100000,1000000", help="Numbers of images.")
@fresh.options(*fresh.OUTPUT)
@click.option("--measure", hidden=True)
def main(
    *, rounds: int, steps: int, sizes: str, as_json: bool, out: Path | None, measure: str | None
) -> None:
    """Measure how time per image and memory grow with the number of images.

    \b
    Example:
      python benchmarks/scale.py --rounds 3 --json
    """
    if measure is not None:
        given = json.loads(measure)
        more = {"steps": given["steps"]} if given["work"] == "training" else {}
        click.echo(json.dumps(WORK[given["work"]](Path(given["folder"]), **more)))
        return
    counts = sorted(int(size) for size in sizes.split(","))
    settings = {"sizes": counts, "rounds": rounds, "steps": steps, "side": SIDE, "batch": BATCH}
    packages = ("numpy", "tensorflow", "tf-keras")
    result = fresh.describe("scale/1", packages, settings)
    result |= compare(counts, rounds=rounds, steps=steps)
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

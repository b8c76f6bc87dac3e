"""What grows with the data: time per image and memory, from 10,000 to 1,000,000 images.

Synthetic 28x28 grey images in a memory-mapped `npy` data set. Each size is measured in fresh
processes, the sizes taking turns. Time per image: open (digest, labels, split), table (one view and
the order of one epoch) and render (one view of every training image, in batches); their sum must
be flat. Small sizes repeat that, and the median counts: their best conditions against the first
pass over the largest. A training step: `fit` itself on a small student, some steps and no more.

Memory is `RssAnon` of /proc/self/status, sampled every 2 ms: what the process holds and cannot
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
from pathlib import Path
from typing import Any

import click
import fresh
import numpy as np

SIDE = 28
CLASSES = 10
BATCH = 128
WARM_UP_STEPS = 10
FLAT, MEMORY = 1.15, 0.10
PHASES = ("open", "table", "render")
IMAGES_TIMED = 400_000
"""Images that a process goes through at least."""


class Peak:
    """The largest `RssAnon` in bytes from now on, seen by a thread."""

    def __init__(self) -> None:
        self.seen, self.running = 0, True
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while self.running:
            self.seen = max(self.seen, rss_anon())
            time.sleep(0.002)


def rss_anon() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def write(folder: Path, images: int) -> None:
    """Noise: no phase depends on what is in the pixels."""
    random = np.random.default_rng(0)
    numpy_format: Any = np.lib.format
    shape = (images, SIDE, SIDE)
    file = numpy_format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    for start in range(0, images, 10_000):
        part = file[start : start + 10_000]
        part[...] = random.integers(0, 256, part.shape, dtype=np.uint8)
    file.flush()
    np.save(folder / "labels.npy", random.integers(0, CLASSES, images))


def data_work(folder: Path) -> dict[str, float]:
    """Seconds per image of each phase, and the peak of memory in bytes."""
    peak = Peak()
    passes = [one_pass(folder)]
    while len(passes) * passes[0]["images"] < IMAGES_TIMED:
        passes.append(one_pass(folder))
    peak.running = False
    medians = {phase: statistics.median(seen[phase] for seen in passes) for phase in PHASES}
    return {**medians, "all": sum(medians.values()), "passes": len(passes), "peak": peak.seen}


def one_pass(folder: Path) -> dict[str, float]:
    """Seconds per image of each phase, and the number of images."""
    from pipeline.datasets import npy
    from pipeline.datasets.splits import Split
    from pipeline.recipe.schema import AugmentationConfig, DatasetConfig
    from pipeline.training.augmentation import epoch_order, view_table

    seconds: dict[str, float] = {}
    with timed(seconds, "open"):
        data = npy.load(DatasetConfig(name="npy", path=folder))
    images, count = data[Split.TRAIN].images, sum(len(data[split]) for split in Split)
    with timed(seconds, "table"):
        size, views = (SIDE, SIDE), AugmentationConfig(shift=2, flip=True)
        table = view_table(views, images=len(images), size=size, seed=0, view=0, grey=128)
        order = epoch_order(len(images), seed=0, epoch=0)
    with timed(seconds, "render"):
        for start in range(0, len(order), BATCH):
            table.render(images, order[start : start + BATCH])
    share = {"open": count, "table": len(images), "render": len(images)}
    return {"images": count, **{phase: seconds[phase] / share[phase] for phase in PHASES}}


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - begun


class EnoughError(Exception):
    """The steps that were asked for are done."""


def training(folder: Path, steps: int) -> dict[str, float]:
    """Seconds per step of the product's own loop, and the peak of memory in bytes."""
    from pipeline.datasets import npy
    from pipeline.engine.progress import SilentEpochs
    from pipeline.losses.objectives import hard_labels
    from pipeline.models.network import NetworkSpec, build
    from pipeline.recipe.schema import AugmentationConfig, DatasetConfig, TrainingConfig
    from pipeline.training import session
    from pipeline.training.loop import Task, fit
    from pipeline.training.optimizers import one_cycle, sgd

    session.start(seed=0, threads=1)
    peak = Peak()
    data = npy.load(DatasetConfig(name="npy", path=folder))
    network = NetworkSpec(
        role="student",
        family="mobilenet_v1",
        settings={"width_multiplier": 0.25},
        input=data.input,
        classes=CLASSES,
    )
    cfg = TrainingConfig(epochs=1, batch_size=BATCH, learning_rate=0.01)
    task = Task(
        stage="benchmark",
        model=build(network),
        objective=hard_labels,
        optimizer=sgd(cfg),
        schedule=one_cycle,
        data=data,
        cfg=cfg,
        views=AugmentationConfig(shift=2, flip=True),
        seed=0,
        view_seed=0,
    )
    readings: list[float] = []

    class Stop(SilentEpochs):
        def step(self, done: int, of: int) -> None:
            if done in (WARM_UP_STEPS, WARM_UP_STEPS + steps):
                readings.append(time.perf_counter())
            if len(readings) == 2:
                raise EnoughError

    @contextmanager
    def progress(**_: int) -> Iterator[Stop]:
        yield Stop()

    try:
        fit(task, checkpoint=folder / "checkpoint.npz", progress=progress)
    except EnoughError:
        peak.running = False
        return {"step": (readings[1] - readings[0]) / steps, "peak": peak.seen}
    raise click.ClickException("the smallest size has fewer training steps than were asked for")


WORK: dict[str, Callable[..., dict[str, float]]] = {"data": data_work, "training": training}


def compare(sizes: list[int], *, rounds: int, steps: int) -> dict[str, Any]:
    seen: dict[str, dict[int, list[dict[str, float]]]] = {w: {s: [] for s in sizes} for w in WORK}
    with tempfile.TemporaryDirectory() as root:
        for size in sizes:
            folder = Path(root) / str(size)
            folder.mkdir()
            write(folder, size)
        for number, name in fresh.in_turns([str(size) for size in sizes], rounds):
            for work in WORK:
                given = {"folder": str(Path(root) / name), "steps": steps, "work": work}
                seen[work][int(name)].append(fresh.measure(__file__, json.dumps(given)))
            click.echo(f"round {number + 1}/{rounds}: {int(name):,} images", err=True)
    return {"measurements": seen, **ratios(seen, min(sizes), max(sizes))}


def ratios(seen: Any, small: int, large: int) -> dict[str, Any]:
    """Largest to smallest size, round by round."""

    def pairs(work: str) -> Iterator[tuple[dict[str, float], dict[str, float]]]:
        return zip(seen[work][small], seen[work][large], strict=True)

    file_bytes = large * SIDE * SIDE
    times = {p: [b[p] / a[p] for a, b in pairs("data")] for p in ("all", *PHASES)}
    times["step"] = [b["step"] / a["step"] for a, b in pairs("training")]
    growth = {w: [(b["peak"] - a["peak"]) / file_bytes for a, b in pairs(w)] for w in WORK}
    return {
        "time_per_image": {
            # The parts of the sum are for the reader: the smallest is a tenth of a microsecond.
            k: fresh.ratio(v, at_most=None if k in PHASES else FLAT)
            for k, v in times.items()
        },
        "memory_growth": {k: fresh.ratio(v, at_most=MEMORY) for k, v in growth.items()},
    }


def report(result: dict[str, Any]) -> None:
    sizes = result["settings"]["sizes"]
    named = {"all": "open + table + render", "step": "training step"}
    rows = [
        [f"time per image, {named.get(name, name)}", *fresh.verdict(seen)]
        for name, seen in result["time_per_image"].items()
    ]
    rows += [
        [f"memory growth beside the images file, {name}", *fresh.verdict(seen)]
        for name, seen in result["memory_growth"].items()
    ]
    fresh.print_table([f"{max(sizes):,} images to {min(sizes):,}", "ratio", "at most", ""], rows)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="Of all sizes.")
@click.option("--steps", type=click.IntRange(min=1), default=30, help="Timed training steps.")
@click.option("--sizes", default="10000,100000,1000000", help="Images, by comma.")
@fresh.options(*fresh.OUTPUT)
@click.option("--measure", hidden=True)
def main(
    *, rounds: int, steps: int, sizes: str, as_json: bool, out: Path | None, measure: str | None
) -> None:
    """Measure what grows with the number of images: time per image, and memory.

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

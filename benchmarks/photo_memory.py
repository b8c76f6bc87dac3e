"""Memory and time of a folder of photos, from 10,000 to 100,000 JPEG files.

Synthetic photos of 192x144 pixels, all different, in ten class folders; the splits are seeded. Each
phase is a fresh process. `first`: digests, decoding into an empty cache, splits and audit, as in a
run before it trains. `second`: the same on unchanged files, which size and time recognise. `views`:
one pass of random views over the training split, made ahead in threads as in training.

Memory is the peak of `RssAnon`, as in `scale.py`: memory that the process cannot drop. The growth
is the peak of the largest size less that of the smallest, per file: what the table of the files
takes, as paths, digests and the facts of the audit. No pixel is in it.

The second look is judged by its CPU time, without imports: it is one thread and waits for nothing,
so that this is its time on a free core, also where others use the cores.
"""

import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import click
import fresh
import numpy as np
from scale import Peak

from pipeline.datasets.files.storage import VARIABLE

CLASSES = 10
WIDTH, HEIGHT = 192, 144
BATCH = 32
PER_FILE, SECOND_S, FILES = 1500, 1.0, 10_000
"""Most bytes of memory for each file, and most seconds to recognise `FILES` unchanged ones."""
TIMEOUT_S = 4 * 3600

Measured = dict[str, Any]


def write(folder: Path, files: int) -> None:
    """Noise of 8x6 blots and a grain of 4 pixels: no two are near copies."""
    for name in range(CLASSES):
        (folder / str(name)).mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        deque(pool.map(lambda number: write_photo(folder, number), range(files)), maxlen=0)


def write_photo(folder: Path, number: int) -> None:
    from PIL import Image

    random = np.random.default_rng(number)
    blots, grain = (
        Image.fromarray(random.integers(0, 256, (high, wide, 3), dtype=np.uint8)).resize(
            (WIDTH, HEIGHT), Image.Resampling.BICUBIC
        )
        for high, wide in ((6, 8), (HEIGHT // 4, WIDTH // 4))
    )
    photo = Image.blend(blots, grain, 0.2)
    photo.save(folder / str(number % CLASSES) / f"{number:06d}.jpg", quality=85)


@contextmanager
def clocked(parts: Measured, name: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    parts[name] = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def look(folder: Path) -> Measured:
    """Time of the parts of a look at the folder, and the peak of memory in bytes."""
    peak, parts = Peak(), Measured()
    with clocked(parts, "imports"):
        import imagehash  # noqa: F401
        import sklearn.model_selection  # noqa: F401

        from pipeline import datasets
        from pipeline.datasets.audit import inspection  # noqa: F401
        from pipeline.datasets.folder import source  # noqa: F401
    cfg = config(folder)
    with clocked(parts, "recognise"):
        datasets.source_digest(cfg)
    with clocked(parts, "load"):
        datasets.load(cfg)
    with clocked(parts, "audit"):
        audit = datasets.audit_of(cfg)
    assert audit is not None
    peak.running = False
    return {**parts, "pictures": audit.pictures, "peak": peak.rss_bytes}


def views(folder: Path) -> Measured:
    """Time of a pass over the training split, and the peak of memory in bytes."""
    from pipeline import datasets
    from pipeline.datasets.splits import Split
    from pipeline.training.ahead import background_threads, made_ahead
    from pipeline.training.augmentation import epoch_order, training_view
    from pipeline.training.augmentation.images import ImageViews

    changes = ImageViews(
        crop=0.35, flip=True, brightness=0.2, contrast=0.2, saturation=0.2, erase=0.2
    )
    peak, parts = Peak(), Measured()
    data = datasets.load(config(folder))
    train = data[Split.TRAIN]
    with clocked(parts, "pass"), background_threads() as pool:
        table = training_view(changes, data, seed=0, view=0)
        order = epoch_order(len(train), seed=0, epoch=0)
        places = (order[start : start + BATCH] for start in range(0, len(order), BATCH))
        batches = made_ahead(table.render(train, index, each=pool.map) for index in places)
        pictures = sum(len(batch) for batch in batches)
    peak.running = False
    return {**parts, "pictures": pictures, "peak": peak.rss_bytes}


def config(folder: Path) -> Any:
    from pipeline.recipe.schema import DatasetConfig

    return DatasetConfig.model_validate({"name": "folder", "path": folder})


WORK: dict[str, Callable[[Path], Measured]] = {"look": look, "views": views}


def compare(sizes: tuple[int, int], *, rounds: int) -> Measured:
    runs: dict[str, dict[int, list[Measured]]] = {
        phase: {size: [] for size in sizes} for phase in ("first", "second", "views")
    }
    with tempfile.TemporaryDirectory() as root:
        os.environ[VARIABLE] = f"{root}/cache"

        def measure(phase: str, work: str, size: int) -> None:
            given = json.dumps({"work": work, "folder": f"{root}/{size}"})
            runs[phase][size].append(fresh.measure(__file__, given, timeout_s=TIMEOUT_S))
            click.echo(f"{phase}: {size:,} photos", err=True)

        for size in sizes:
            write(Path(root, str(size)), size)
            measure("first", "look", size)
        for _, name in fresh.in_turns([str(size) for size in sizes], rounds):
            measure("second", "look", int(name))
            measure("views", "views", int(name))
    return {"measurements": runs, **summary(runs, sizes)}


def summary(runs: dict[str, dict[int, list[Measured]]], sizes: tuple[int, int]) -> Measured:
    small, large = sizes

    def growth(of: dict[int, list[Measured]]) -> list[float]:
        pairs = zip(of[small], of[large], strict=True)
        return [(b["peak"] - a["peak"]) / (large - small) for a, b in pairs]

    def cpu_s(one: Measured) -> float:
        return sum(float(one[part]["cpu_s"]) for part in ("recognise", "load", "audit"))

    return {
        "bytes_per_file": {
            phase: fresh.ratio(growth(of), at_most=PER_FILE) for phase, of in runs.items()
        },
        "second_look_cpu_s": {
            size: fresh.ratio(
                [cpu_s(one) for one in runs["second"][size]],
                at_most=SECOND_S if size == FILES else None,
            )
            for size in sizes
        },
    }


def report(result: Measured) -> None:
    rows = [
        [f"{phase}, {int(size):,} photos", f"{peak(of) / 1e6:,.0f} MB"]
        for phase, by_size in result["measurements"].items()
        for size, of in by_size.items()
    ]
    fresh.print_table(["phase", "peak of memory"], rows)
    judged = [
        (f"memory of {phase}, bytes per file", one)
        for phase, one in result["bytes_per_file"].items()
    ]
    judged += [
        (f"second look at {int(size):,} photos, CPU seconds", one)
        for size, one in result["second_look_cpu_s"].items()
    ]
    fresh.print_table(["", "median", "at most", ""], [[name, *target(one)] for name, one in judged])


def peak(of: list[Measured]) -> float:
    return float(median(one["peak"] for one in of))


def target(one: Measured) -> list[str]:
    if one["reached"] is None:
        return [f"{one['median']:,.2f}"]
    reached = "reached" if one["reached"] else "not reached"
    return [f"{one['median']:,.2f}", f"{one['at_most']:,}", reached]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--rounds", type=click.IntRange(min=1), default=3, help="Rounds after the first.")
@click.option(
    "--sizes",
    type=click.IntRange(min=100),
    nargs=2,
    default=(10_000, 100_000),
    help="Numbers of photos, the smaller one first.",
)
@fresh.options(*fresh.OUTPUT)
@click.option("--measure", hidden=True)
def main(
    *,
    rounds: int,
    sizes: tuple[int, int],
    as_json: bool,
    out: Path | None,
    measure: str | None,
) -> None:
    """Measure memory and time of a folder of photos.

    \b
    Example:
      python benchmarks/photo_memory.py --sizes 1000 10000 --json
    """
    if measure is not None:
        given = json.loads(measure)
        click.echo(json.dumps(WORK[given["work"]](Path(given["folder"]))))
        return
    if sizes[0] >= sizes[1]:
        raise click.BadParameter("the second number must be the larger one.", param_hint="--sizes")
    settings = {"sizes": list(sizes), "rounds": rounds, "photo": [WIDTH, HEIGHT], "batch": BATCH}
    result = fresh.describe("photo_memory/1", ("numpy", "pillow", "imagehash"), settings)
    fresh.publish(result | compare(sizes, rounds=rounds), out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

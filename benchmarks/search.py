"""`pipeline search` against random search and against a search that trains before it measures.

Each search is the command itself in a process of its own, over several seeds and with equal numbers
of trials. What counts of a search is the hypervolume of its front: the area that its students beat,
in p90 and error on the validation split, up to a reference that all searches share. That is the
limit on p90 (without one, the slowest p90) and 1.1 times the largest error on any front. Students
that miss a limit do not count, whenever they were measured.

The store is shared, so that a teacher is trained once and no student twice; times of searches are
therefore not compared. `--keep` holds the searches: the same command goes on after an interruption.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click
import fresh
from search_subset import write_subset

from pipeline.reporting.findings.search import front, measured, slowest
from pipeline.reporting.findings.search_limits import exceeded
from pipeline.reporting.schema.search import FILE, SearchResult, TrialRow, read
from targets.bench.statistics import median_interval

PACKAGES = ("edge-distill", "optuna", "tensorflow")
LEVEL = 0.9
"""Least coverage of an interval: five seeds give 93.75 %, and none of 95 %."""
MARGIN = 1.1
"""So that the least accurate student on a front also adds an area."""
AT_LEAST = {"hypervolume": 1.0, "fewer trained": 2.0}
Point = tuple[float, float]
"""p90 in ns and error: less is better."""


class Arm(NamedTuple):
    sampler: str
    filtered: bool
    """Whether candidates are measured before they are trained."""


OURS, RANDOM, UNFILTERED = Arm("tpe", True), Arm("random", True), Arm("tpe", False)
ARMS = {"search": OURS, "random": RANDOM, "unfiltered": UNFILTERED}


@dataclass(frozen=True, kw_only=True)
class Searches:
    """How a search is run; `folder` holds all of them."""

    folder: Path
    recipe: str
    trials: int
    limits: tuple[str, ...]
    sets: tuple[str, ...]

    def searched(self, seed: int, sampler: str, filtered: bool) -> SearchResult:
        """Run the search, or go on with it, and read what it found."""
        out = self.folder / f"{sampler}-{'measured' if filtered else 'unfiltered'}-{seed}"
        done = subprocess.run(
            self.command(seed, Arm(sampler, filtered), out), stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        found = sorted(out.rglob(FILE))
        # Exit code 1: nothing fits, which is a result.
        if done.returncode not in (0, 1) or len(found) != 1:
            raise click.ClickException(f"{out.name}: {done.stderr.strip()[-2000:]}")
        return read(found[0])

    def command(self, seed: int, arm: Arm, out: Path) -> list[str]:
        sets = (*self.sets, f"search.sampler={arm.sampler}",
                f"search.measure_first={str(arm.filtered).lower()}")  # fmt: skip
        return [
            *(sys.executable, "-m", "pipeline", "search", self.recipe),
            *(f"--limit={limit}" for limit in self.limits),
            *("--trials", str(self.trials), f"--set=search.seed={seed}"),
            *(f"--set={key}" for key in sets),
            *("--out", str(out), "--store", str(self.folder / "store")),
        ]


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The area between the front of the points and the reference; less is better in both.

    A point that is not better than the reference in both adds nothing.
    """
    area, lowest = 0.0, reference[1]
    for cost, error in sorted(point for point in points if point[0] < reference[0]):
        if error < lowest:
            area += (reference[0] - cost) * (lowest - error)
            lowest = error
    return area


def on_the_front(result: SearchResult) -> list[Point]:
    """The front of the trained students that meet every limit."""
    fit = [row for row in result.trials if (f := measured(row)) and not exceeded(f, result.limits)]
    on = front(fit)
    return [point for row in fit if row.number in on and (point := _point(row))]


def _point(row: TrialRow) -> Point | None:
    figures = measured(row)
    device = slowest(figures) if figures else None
    return None if device is None or row.top1 is None else (device.p90_ns, 1 - row.top1)


def trained(result: SearchResult) -> int:
    """The trials whose training began."""
    return sum(row.epochs > 0 or row.state in ("trained", "stopped") for row in result.trials)


def reference(results: Sequence[SearchResult]) -> Point:
    limits = [limit.most for result in results for limit in result.limits if limit.figure == "p90"]
    points = [point for result in results for point in on_the_front(result)]
    if not points:
        raise click.ClickException("no search has a student that meets the limits; raise --limit.")
    costs, errors = zip(*points, strict=True)
    return max(limits or costs), min(1.0, MARGIN * max(errors))


def summary(ratios: Sequence[float], *, at_least: float) -> dict[str, Any]:
    """Ratios per seed, and an interval of their median by order statistics."""
    interval = median_interval(ratios, LEVEL)
    ends = None if interval is None else asdict(interval)
    return {**fresh.ratio(ratios, at_least=at_least), "interval": ends}


def compared(results: dict[tuple[int, str], SearchResult]) -> dict[str, Any]:
    """`results` by seed and name of the arm: each seed has every arm, with equal trials."""
    if len({len(result.trials) for result in results.values()}) != 1:
        counts = {f"{name} {seed}": len(one.trials) for (seed, name), one in results.items()}
        raise click.ClickException(f"the searches have unequal numbers of trials: {counts}.")
    worst = reference(list(results.values()))
    rows = [_row(seed, name, result, worst) for (seed, name), result in results.items()]
    by_arm = {name: [row for row in rows if row["search"] == name] for name in ARMS}
    ours, peer, unfiltered = (by_arm[name] for name in ARMS)
    return {
        "reference": {"p90_ns": worst[0], "error": worst[1]},
        "searches": rows,
        "hypervolume_to_random": summary(
            [_over(a["hypervolume"], b["hypervolume"]) for a, b in zip(ours, peer, strict=True)],
            at_least=AT_LEAST["hypervolume"],
        ),
        "fewer_trained": summary(
            [_over(b["trained"], a["trained"]) for a, b in zip(ours, unfiltered, strict=True)],
            at_least=AT_LEAST["fewer trained"],
        ),
    }


def _over(one: float, other: float) -> float:
    """Their ratio; 1 where both are nothing."""
    return one / other if other else (1.0 if one == other else float("inf"))


def _row(seed: int, name: str, result: SearchResult, worst: Point) -> dict[str, Any]:
    points = on_the_front(result)
    return {
        "seed": seed,
        "search": name,
        "trials": len(result.trials),
        "trained": trained(result),
        "front": points,
        "hypervolume": hypervolume(points, worst),
        "best_top1": 1 - min(error for _, error in points) if points else None,
        "finished": result.finished,
    }


def report(result: dict[str, Any]) -> None:
    rows = [
        [
            f"{row['seed']}", row["search"], f"{row['trained']} of {row['trials']}",
            f"{row['hypervolume']:.4g}", f"{len(row['front'])}",
            "-" if row["best_top1"] is None else f"{100 * row['best_top1']:.2f}",
        ]
        for row in result["searches"]
    ]  # fmt: skip
    fresh.print_table(["seed", "search", "trained", "hypervolume", "front", "best top-1 %"], rows)
    for key, words in (
        ("hypervolume_to_random", "hypervolume over that of random search"),
        ("fewer_trained", "trained without the filter over trained with it"),
    ):
        one = result[key]
        ends = one["interval"]
        over = "no interval for so few seeds"
        if ends is not None:
            over = f"{100 * ends['level']:.1f} % interval {ends['low']:.2f} to {ends['high']:.2f}"
        reached = "reached" if one["reached"] else "not reached"
        click.echo(f"{words}: median {one['median']:.2f} ({over}); {one['at_least']}: {reached}")


@contextmanager
def folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("recipe", required=False)
@click.option("--limit", "limits", multiple=True, default=("p90 <= 100 us",))
@click.option("--trials", type=click.IntRange(min=1), default=40)
@click.option("--seeds", type=click.IntRange(min=1), default=5)
@click.option(
    "--samples", type=click.IntRange(min=1000), default=6000, help="Images of the subset."
)
@click.option("--set", "sets", multiple=True, help="Change a key of the recipe.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Folder to go on in."
)
@fresh.options(*fresh.OUTPUT)
def main(
    *,
    recipe: str | None,
    limits: tuple[str, ...],
    trials: int,
    seeds: int,
    samples: int,
    sets: tuple[str, ...],
    keep: Path | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Compare searches at equal trials. RECIPE is a subset of Fashion-MNIST by default.

    \b
    Example:
      python benchmarks/search.py --keep /tmp/searches --out search.json
      python benchmarks/search.py digits --trials 20 --limit "p90 <= 30 us"
    """
    settings = {
        "recipe": recipe or f"Fashion-MNIST, {samples} images", "limits": list(limits),
        "trials": trials, "seeds": seeds, "set": list(sets),
    }  # fmt: skip
    result = fresh.describe("search-benchmark/1", PACKAGES, settings)
    with folder(keep) as place:
        runs = Searches(
            folder=place, recipe=recipe or write_subset(place, samples), trials=trials,
            limits=limits, sets=sets,
        )  # fmt: skip
        results = {}
        for number, name in fresh.in_turns(list(ARMS), seeds):
            results[number, name] = runs.searched(number, *ARMS[name])
            click.echo(f"seed {number}, {name}: {trained(results[number, name])} trained", err=True)
    fresh.publish(result | compared(results), out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

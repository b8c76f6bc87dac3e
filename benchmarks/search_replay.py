"""The proposals of `pipeline search` against random ones, replayed over students that are trained.

Takes the `search.json` of finished searches of one space, in which every student was trained once
and measured; of several measurements the median counts. Loop, study and sampler are the product's
own; only the device and the training answer from that table, so that many seeds cost seconds. A
student that is not in the table fails, in both kinds of search.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
import fresh
import numpy as np
from pydantic import JsonValue
from search import Point, hypervolume, summary

from pipeline.recipe.load import Override, Source
from pipeline.recipe.load import read as read_recipe
from pipeline.reporting.schema.search import DeviceFigures, Figures, SearchResult, TrialRow, read
from pipeline.search.contract import Candidate, Failed, Measured, StoppedEarly, Trained
from pipeline.search.document import trial_rows
from pipeline.search.limits import limits_of, missed
from pipeline.search.loop import Loop
from pipeline.search.space import space_of
from pipeline.search.study import Study
from targets.errors import InputError
from targets.formats.record import ExportedModel

PACKAGES = ("edge-distill", "optuna")
SAMPLERS = ("tpe", "random")
Key = str


@dataclass(frozen=True, kw_only=True)
class Student:
    p90_ns: float
    size_bytes: int
    top1: float


def key(values: Mapping[str, JsonValue]) -> Key:
    return json.dumps(values, sort_keys=True)


def table(results: Sequence[SearchResult]) -> dict[Key, Student]:
    rows: dict[Key, list[TrialRow]] = {}
    for row in (row for result in results for row in result.trials):
        rows.setdefault(key(row.values), []).append(row)
    return {one: found for one, several in rows.items() if (found := _student(several))}


def _student(rows: Sequence[TrialRow]) -> Student | None:
    top1 = next((row.top1 for row in rows if row.top1 is not None), None)
    figures = [row.untrained for row in rows if row.untrained is not None]
    if top1 is None or not figures:
        return None
    p90 = median(max(one.p90_ns for one in each.devices) for each in figures)
    return Student(p90_ns=p90, size_bytes=figures[0].size_bytes, top1=top1)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Measures and trains by looking it up."""

    students: Mapping[Key, Student]
    samples: int
    at_once: int = 1

    def untrained(self, candidates: Sequence[Candidate]) -> list[Measured | Failed]:
        return [self._measured(one) for one in candidates]

    def _measured(self, one: Candidate) -> Measured | Failed:
        student = self.students.get(key(one.values))
        if student is None:
            return Failed(error=InputError("it is not in the table."))
        return Measured(self._figures(student), 0.0)

    def _figures(self, student: Student) -> Figures:
        p90 = student.p90_ns
        device = DeviceFigures(device="table", median_ns=p90, p90_ns=p90, valid=True)
        return Figures(sha256="", size_bytes=student.size_bytes, devices=(device,))

    def trained(self, candidate: Candidate, trained: Trained) -> Figures:
        return self._figures(self.students[key(candidate.values)])

    def train(
        self, candidates: Sequence[Candidate], *, earlier: Sequence[Mapping[int, float]]
    ) -> list[Trained | StoppedEarly | Failed]:
        return [self._trained(self.students[key(one.values)]) for one in candidates]

    def _trained(self, student: Student) -> Trained:
        right = round(student.top1 * self.samples)
        return Trained(
            file=Path(),
            record=ExportedModel(
                name="", role="student", format="", precision="", file="", sha256="",
                size_bytes=student.size_bytes, parameters=None, macs=None,
            ),
            right=(True,) * right + (False,) * (self.samples - right),
            accuracies={1: student.top1},
        )  # fmt: skip

    def test_top1(self, candidate: Candidate) -> tuple[float, int]:
        raise AssertionError("a replay has no test split")


def replayed(source: Source, found: Table, *, seed: int, sampler: str) -> tuple[TrialRow, ...]:
    recipe = source.recipe()
    with TemporaryDirectory() as folder:
        journal = Path(folder) / "journal"
        study = Study.open(journal, space=space_of(source), seed=seed, sampler=sampler)
        Loop(
            source=source,
            study=study,
            limits=limits_of(recipe.search.limits),
            measuring=found,
            training=found,
            trials=recipe.search.trials,
            measure_first=recipe.search.measure_first,
            say=lambda text: None,
        ).run()
        return trial_rows(study.finished())


def judged(rows: Sequence[TrialRow], limits: Sequence[str], worst: Point) -> dict[str, float]:
    fitting = [
        (max(one.p90_ns for one in row.trained.devices), 1 - row.top1)
        for row in rows
        if row.trained is not None
        and row.top1 is not None
        and not missed(limits_of(limits), row.trained)
    ]
    return {
        "best_top1": 1 - min((error for _, error in fitting), default=1.0),
        "hypervolume": hypervolume(fitting, worst),
        "trained": sum(row.trained is not None for row in rows),
    }


def compare(
    source: Source, found: Table, *, seeds: int, counts: Sequence[int]
) -> list[dict[str, Any]]:
    limits = source.recipe().search.limits
    fitting = [one for one in found.students.values() if _fits(one, limits, found)]
    worst = (
        max(one.p90_ns for one in fitting) * 1.1,
        1.1 * (1 - min(one.top1 for one in fitting)),
    )
    best = max(one.top1 for one in fitting)
    rows = []
    for seed in range(seeds):
        trials = {name: replayed(source, found, seed=seed, sampler=name) for name in SAMPLERS}
        for count in counts:
            each = {name: judged(trials[name][:count], limits, worst) for name in SAMPLERS}
            rows.append({"seed": seed, "trials": count, "best": best, **each})
    return rows


def _fits(student: Student, limits: Sequence[str], found: Table) -> bool:
    return not missed(limits_of(limits), found._figures(student))


def summarised(rows: Sequence[dict[str, Any]], count: int) -> dict[str, Any]:
    some = [row for row in rows if row["trials"] == count]
    ratios = [row["tpe"]["hypervolume"] / row["random"]["hypervolume"] for row in some]
    regrets = {
        name: float(np.mean([row["best"] - row[name]["best_top1"] for row in some]))
        for name in SAMPLERS
    }
    reached = {
        name: float(np.mean([row["best"] == row[name]["best_top1"] for row in some]))
        for name in SAMPLERS
    }
    return {
        "trials": count,
        "hypervolume_to_random": summary(ratios, at_least=1.0),
        "mean_regret_points": {name: 100 * value for name, value in regrets.items()},
        "share_that_found_the_best": reached,
    }


def report(result: dict[str, Any]) -> None:
    header = ["trials", "hypervolume, times random", "interval", "regret, points", "found the best"]
    rows = []
    for one in result["summary"]:
        ratio = one["hypervolume_to_random"]
        ends = ratio["interval"]
        span = "-" if ends is None else f"{ends['low']:.3f} to {ends['high']:.3f}"
        regret, best = one["mean_regret_points"], one["share_that_found_the_best"]
        rows.append(
            [
                str(one["trials"]),
                f"{ratio['median']:.3f}",
                span,
                f"{regret['tpe']:.2f}, random {regret['random']:.2f}",
                f"{100 * best['tpe']:.0f} %, random {100 * best['random']:.0f} %",
            ]
        )
    click.echo(f"{result['students']} students, {result['fitting']} within the limits")
    fresh.print_table(header, rows)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("recipe")
@click.argument("searches", nargs=-1, required=True, type=fresh.FILE)
@click.option("--limit", "limits", multiple=True, required=True)
@click.option("--trials", "counts", multiple=True, type=int, default=(10, 15, 20))
@click.option("--seeds", type=click.IntRange(min=2), default=50)
@click.option("--samples", type=click.IntRange(min=1), default=900, help="Of the validation split.")
@fresh.options(*fresh.OUTPUT)
def main(
    *,
    recipe: str,
    searches: tuple[Path, ...],
    limits: tuple[str, ...],
    counts: tuple[int, ...],
    seeds: int,
    samples: int,
    as_json: bool,
    out: Path | None,
) -> None:
    """Replay searches of RECIPE over the students in the files SEARCHES (search.json).

    \b
    Example:
      python benchmarks/search_replay.py fashion-6000.toml */*/search.json --limit 'p90 <= 70 us'
    """
    results = [read(path) for path in searches]
    found = Table(students=table(results), samples=samples)
    given = [
        Override("search.limits", list(limits), "--limit"),
        Override("search.trials", max(counts), "--trials"),
    ]
    source = read_recipe(recipe, given)
    rows = compare(source, found, seeds=seeds, counts=counts)
    settings = {"limits": list(limits), "seeds": seeds, "trials": list(counts)}
    result = fresh.describe("search-replay/1", PACKAGES, settings)
    result |= {
        "students": len(found.students),
        "fitting": sum(_fits(one, limits, found) for one in found.students.values()),
        "table": {one: vars(student) for one, student in found.students.items()},
        "summary": [summarised(rows, count) for count in counts],
        "searches": rows,
    }
    fresh.publish(result, out=out, as_json=as_json, report=report)


if __name__ == "__main__":
    main()

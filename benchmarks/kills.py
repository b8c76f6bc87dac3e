"""kill -9 at random moments over all stages; then the run goes on, to the bytes of one undisturbed.

A round is one training from an empty store to its results: its process group is killed once in each
stage, a random time after the stage's first line, and started again. After each kill every stored
result must have the bytes of the undisturbed run, and at the end of the round the models too.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import click
from fresh import OUTPUT, describe, options, print_table, publish

from pipeline.engine.graph import NAMES
from pipeline.engine.store import digests
from pipeline.engine.upkeep import cleaning, contents, verification

RECIPE = (
    *("digits", "--target", "tflite"),
    *(f"--set={key}" for key in ("teacher.epochs=3", "distill.epochs=4", "quantize.epochs=2")),
    *(f"--set={key}" for key in ("logits.views=4", "bench.processes=1", "bench.min_queries=4")),
    *(f"--set={key}" for key in ("bench.min_duration_s=0.02", "bench.warmup_s=0.001")),
)
PACKAGES = ("edge-distill", "tensorflow", "filelock")
LAST = "bench     accuracy"
"""The last line before the report, which has none of its own."""
EACH_TIME = ("manifest.json",)
"""Its times differ; the digests in it are compared."""


@dataclass(kw_only=True)
class Run:
    """`pipeline run` in a process group of its own, and the lines that it has printed."""

    out: Path
    lines: list[tuple[float, str]] = field(default_factory=list)

    def __enter__(self) -> "Run":
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "run", *RECIPE, "--out", str(self.out)],
            env={**os.environ, "TMPDIR": str(self.out.parent / "tmp"), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append((time.monotonic() - self.begun, line.rstrip()))

    def reaches(self, stage: str) -> bool:
        """Wait until `stage` has begun; False where the run ends before."""
        while self.process.poll() is None:
            if self.stage_at(stage) is not None:
                return True
            time.sleep(0.01)
        return False

    def stage_at(self, stage: str) -> float | None:
        """Seconds from the start of the process to the first line of the stage."""
        start = LAST if stage == "report" else f"{stage:<9} "
        return next((at for at, line in self.lines if line.startswith(start)), None)

    def last_stage(self) -> str:
        said = [line for _, line in self.lines if line.split(maxsplit=1)[0] in NAMES]
        if not said:
            return "start"
        return "report" if said[-1].startswith(LAST) else said[-1].split(maxsplit=1)[0]


def finish(out: Path) -> Run:
    with Run(out=out) as run:
        code = run.process.wait()
    if code:
        raise click.ClickException(f"exit code {code}: {[line for _, line in run.lines[-3:]]}")
    return run


def stored(out: Path) -> dict[str, dict[str, str]]:
    """Name of each stored result -> digests of its files, as they are on the disk now."""
    return {
        one.path.name: {
            name: digest for name, digest in digests(one.path).items() if name not in EACH_TIME
        }
        for one in contents.results(out / ".store")
    }


def models(out: Path) -> dict[str, str]:
    return digests(out / "digits" / "models")


def durations(run: Run) -> dict[str, float]:
    """Seconds from the first line of each stage to that of the next."""
    starts = [run.stage_at(name) for name in NAMES]
    assert None not in starts
    ends = [*starts[1:], run.lines[-1][0]]
    return {
        name: max(0.05, float(end or 0) - float(start or 0))
        for name, start, end in zip(NAMES, starts, ends, strict=True)
    }


def killed(out: Path, stage: str, after_s: float, expected: Path) -> dict[str, Any]:
    """Kill a run `after_s` seconds after the stage has begun, and look at what it left."""
    with Run(out=out) as run:
        reached = run.reaches(stage)
        time.sleep(after_s if reached else 0)
        ended = run.process.poll() is not None
        run.kill()
    time.sleep(0.05)
    there, right = stored(out), stored(expected)
    results = out / "digits"
    return {
        "aimed_at": stage,
        "after_s": round(after_s, 3),
        "killed": not ended,
        "during": run.last_stage(),
        "stored": len(there),
        "stored_wrong": sorted(name for name in there if there[name] != right.get(name)),
        "results_wrong": results.exists() and models(out) != models(expected),
        "left": left(out),
    }


def left(out: Path) -> dict[str, int]:
    """What is there beside stored results and the results folder."""
    entries = [*contents.unfinished(out / ".store"), *contents.leftovers(out / ".store", out)]
    temporary = list((out.parent / "tmp").iterdir())
    return {**Counter(one.kind for one in entries), "temporary": len(temporary)}


def whole_round(
    place: Path, number: int, expected: Path, spans: dict[str, float], rng: random.Random, most: int
) -> dict[str, Any]:
    """One training with a kill in each stage, `most` at most."""
    out = place / f"round-{number}" / "runs"
    (out.parent / "tmp").mkdir(parents=True)
    kills = []
    for stage in NAMES[:most]:
        kills.append(killed(out, stage, rng.uniform(0, spans[stage]), expected))
        click.echo(f"round {number + 1}: {kills[-1]}", err=True)
    before = left(out)
    finish(out)
    after = left(out)
    with cleaning.alone(out / ".store"):
        since = time.time() + 1
        removed = cleaning.removals(out / ".store", out, keep=(), since=since)
        cleaning.clean(out / ".store", removed, since=since)
    result = {
        "kills": kills,
        "same_models": models(out) == models(expected),
        "same_stored": stored(out) == stored(expected),
        "faults": len(list(verification.faults(out / ".store"))),
        "left_by_kills": before,
        "left_after_the_last_run": after,
        "removed_by_gc": len(removed),
        "left_after_gc": left(out),
    }
    shutil.rmtree(out.parent)
    return result


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    kills = [kill for one in rounds for kill in one["kills"]]
    hit = [kill for kill in kills if kill["killed"]]
    return {
        "kills": len(hit),
        "by_stage": dict(Counter(kill["during"] for kill in hit)),
        "ended_before_the_kill": len(kills) - len(hit),
        "kills_with_a_wrong_stored_result": sum(bool(kill["stored_wrong"]) for kill in kills),
        "kills_with_wrong_results": sum(kill["results_wrong"] for kill in kills),
        "rounds": len(rounds),
        "rounds_with_the_bytes_of_the_undisturbed_run": sum(
            one["same_models"] and one["same_stored"] and not one["faults"] for one in rounds
        ),
        "most_left_by_kills": _most(one["left_by_kills"] for one in rounds),
        "most_left_after_gc": _most(one["left_after_gc"] for one in rounds),
    }


def _most(found: Any) -> dict[str, int]:
    most: Counter[str] = Counter()
    for one in found:
        most |= Counter(one)
    return dict(most)


def report(result: dict[str, Any]) -> None:
    rows = [[name.replace("_", " "), str(value)] for name, value in result["summary"].items()]
    print_table(["", ""], rows)


@click.command()
@options(*OUTPUT)
@click.option("--kills", type=click.IntRange(min=1), default=50, help="Number of kills.")
@click.option("--seed", type=int, default=0, help="Seed of the moments.")
def main(as_json: bool, out: Path | None, kills: int, seed: int) -> None:
    """Kill runs at random moments, and compare what they end in."""
    place, rng = Path(mkdtemp(prefix="kills-")), random.Random(seed)
    (place / "undisturbed" / "tmp").mkdir(parents=True)
    expected = place / "undisturbed" / "runs"
    spans = durations(finish(expected))
    settings = {"command": " ".join(RECIPE), "seed": seed, "seconds_of_a_stage": spans}
    result = describe("kills/1", PACKAGES, settings) | {"rounds": []}
    rounds: list[dict[str, Any]] = result["rounds"]
    try:
        while (done := sum(kill["killed"] for one in rounds for kill in one["kills"])) < kills:
            rounds.append(whole_round(place, len(rounds), expected, spans, rng, kills - done))
            result["summary"] = summary(rounds)
            publish(result, out=out, as_json=as_json, report=report)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()

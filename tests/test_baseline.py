"""A baseline: what is shown to be worse fails, and chance does not."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.gates import baseline as baselines
from pipeline.gates.changes import LEVEL, TIME, Change, accuracy_change, time_change
from pipeline.gates.checking import check
from pipeline.gates.figures import Measured
from pipeline.recipe.gates import Gates
from targets.evaluation.significance import holm


def test_a_run_is_no_worse_than_itself(found: list[Measured], tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    baselines.write(baselines.of(found), path)
    assert path.stat().st_size < 20_000
    verdicts = check(found, Gates(), before=baselines.read(path))
    assert {"top1 vs baseline", "size_kb vs baseline"} <= {row.name for row in verdicts}
    assert not [row for row in verdicts if row.verdict == "failed"]


def test_other_test_samples_cannot_be_compared(found: list[Measured]) -> None:
    before = baselines.of(found)
    files = {
        name: file.model_copy(update={"samples_sha256": "0" * 64})
        for name, file in before.devices["local"].items()
    }
    other = before.model_copy(update={"devices": {"local": files}})
    verdicts = [row for row in check(found, Gates(), before=other) if row.name.startswith("top1")]
    assert {row.verdict for row in verdicts} == {"undecided"}


def test_times_and_memory_of_another_machine_decide_nothing(found: list[Measured]) -> None:
    before = baselines.of(found)
    files = {
        name: file.model_copy(
            update={"conditions": "another", "medians_ns": (1e6, 2e6), "p90s_ns": (1e6, 2e6),
                    "no_times": None, "peak_memory_bytes": 1}
        )
        for name, file in before.devices["local"].items()
    }  # fmt: skip
    other = before.model_copy(update={"devices": {"local": files}})
    verdicts = {row.gate: row.verdict for row in check(found, Gates(), before=other)}
    assert verdicts["peak_memory_mb"] == "undecided"
    assert verdicts["median_ms"] == verdicts["p90_ms"] == "undecided"
    assert verdicts["size_kb"] == "passed"


FILES, SAMPLES, PROCESSES = 2, 1000, 6
REPETITIONS = 1000


def changes(
    random: np.random.Generator, *, session: float = 0.03, lost: float = 0, slower: float = 0
) -> list[Change]:
    """Two measurements of `FILES` models that answer 2 % of the samples by chance. A session
    shifts all times by `session`, a process by 2 %. The first model lost a share of its accuracy,
    and takes longer by a share."""
    found = []
    sessions = random.normal(np.log(1e6), session, 2)
    for number in range(FILES):
        first = number == 0
        before = random.random(SAMPLES) < 0.9
        after = before.copy()
        for answers in (before, after):  # as many become right by chance as become wrong
            answers ^= random.random(SAMPLES) < 0.01
        after &= random.random(SAMPLES) >= lost * first / 0.9
        found.append(accuracy_change(before, after))
        for name in ("median_ms", "p90_ms"):
            old, new = (np.exp(random.normal(one, 0.02, PROCESSES)) for one in sessions)
            longer = 1 + slower * (first and name == "median_ms")
            found.append(time_change(name, old.tolist(), (new * longer).tolist()))
    return found


def any_lost(found: list[Change]) -> bool:
    return any(holm([change.p_value for change in found], level=LEVEL))


def test_at_most_5_percent_of_the_checks_of_unchanged_models_fail() -> None:
    random = np.random.default_rng(0)
    failed = [any_lost(changes(random)) for _ in range(REPETITIONS)]
    assert 0 < np.mean(failed) <= 0.05


@pytest.mark.parametrize(("what", "place"), [("lost", 0), ("slower", 1)])
def test_twice_the_detectable_loss_fails_in_at_least_95_percent(what: str, place: int) -> None:
    random = np.random.default_rng(1)
    sizes = [changes(random)[place].detectable(3 * FILES) for _ in range(50)]

    def share(size: float, **more: float) -> float:
        runs = 300
        return sum(any_lost(changes(random, **{what: size}, **more)) for _ in range(runs)) / runs

    assert share(2 * float(np.mean(sizes))) >= 0.95
    assert share(float(np.mean(sizes)), session=0) == pytest.approx(0.75, abs=0.1)


def test_what_a_check_cannot_exclude_is_undecided() -> None:
    few, many = np.ones(20, np.bool_), np.ones(2000, np.bool_)
    fewer = few.copy()
    fewer[:4] = False
    assert not accuracy_change(few, fewer).excluded
    assert accuracy_change(many, many).excluded
    noisy = [1e6 * factor for factor in (0.5, 1, 2, 0.5, 1, 2)]
    assert not time_change("median_ms", noisy, noisy).excluded
    quiet = [1e6 * factor for factor in (0.99, 1, 1.01, 0.99, 1, 1.01)]
    assert time_change("median_ms", quiet, [(1 + TIME) * one for one in quiet]).excluded

"""The loop of a search, with a device and a training that are formulas."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from optuna.storages.journal import JournalFileBackend

from pipeline.cluster.contract import Outcome, Task, UnfinishedError
from pipeline.cluster.here import InProcess
from pipeline.engine.progress import SilentConsole, Stopped
from pipeline.engine.references import References
from pipeline.engine.remote.errors import StoreError
from pipeline.engine.store import Store
from pipeline.recipe.load import Override, Source, read
from pipeline.reporting.schema.search import DeviceFigures, Figures
from pipeline.search.contract import (
    Candidate,
    Failed,
    Measured,
    Measuring,
    StoppedEarly,
    Trained,
    Training,
)
from pipeline.search.document import trial_rows
from pipeline.search.limits import limits_of
from pipeline.search.loop import Loop
from pipeline.search.space import space_of
from pipeline.search.study import Study
from pipeline.search.training import StudentTraining
from targets.errors import DeviceError, EdgeDistillError, InputError
from targets.formats.record import ExportedModel

SPACE = {
    "distill": {
        "family": ["mobilenet_v1", "fused", "resnet"],
        "width_multiplier": [0.25, 0.5, 0.75, 1.0],
        "blocks": [1, 2],
        "temperature": {"low": 1.0, "high": 8.0},
    },
}


def source(**search: object) -> Source:
    given = {"space": SPACE, "limits": ["p90 <= 60 us", "size <= 90 kB"], "trials": 24, **search}
    return read("digits", [Override("search", given, "--set search")])


def record(size_bytes: int) -> ExportedModel:
    return ExportedModel(
        name="student.int8.tflite",
        role="student_qat",
        format="tflite",
        precision="int8",
        file="models/student.int8.tflite",
        sha256="1",
        size_bytes=size_bytes,
        parameters=None,
        macs=None,
    )


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Moments:
    """Where a process can be killed: once, before the given call."""

    kill_at: int | None = None
    passed: int = 0

    def passing(self) -> None:
        self.passed += 1
        if self.passed == self.kill_at:
            raise Killed


@dataclass
class Formulas:
    """Measures and trains: width costs time and size, and gains accuracy."""

    at_once: int = 1
    moments: Moments = field(default_factory=Moments)
    measured: list[int] = field(default_factory=list)
    trainings: list[int] = field(default_factory=list)
    failing: frozenset[int] = frozenset()
    stopping: frozenset[int] = frozenset()
    dying: int | None = None

    def untrained(self, candidates: Sequence[Candidate]) -> list[Measured | Failed]:
        found: list[Measured | Failed] = []
        for one in candidates:
            self.moments.passing()
            if one.number == self.dying:
                raise DeviceError("device pi4: gone.")
            self.measured.append(one.number)
            if one.number in self.failing:
                found.append(Failed(error=InputError("has no int8 form.")))
            else:
                found.append(Measured(self.figures(one), 1.0))
        return found

    def figures(self, one: Candidate) -> Figures:
        width = float(str(one.values["distill.width_multiplier"]))
        slow = DeviceFigures(device="slow", median_ns=9e4 * width, p90_ns=1e5 * width, valid=True)
        quick = DeviceFigures(device="quick", median_ns=9e3 * width, p90_ns=1e4 * width, valid=True)
        return Figures(sha256="0", size_bytes=int(1e5 * width), devices=(quick, slow))

    def trained(self, candidate: Candidate, trained: Trained) -> Figures:
        return self.figures(candidate)

    def train(
        self, candidates: Sequence[Candidate], *, earlier: Sequence[Mapping[int, float]]
    ) -> list[Trained | StoppedEarly | Failed]:
        found: list[Trained | StoppedEarly | Failed] = []
        for one in candidates:
            self.moments.passing()
            self.trainings.append(one.number)
            if one.number in self.stopping:
                found.append(StoppedEarly(stopped=Stopped(3, 0.4), wall_s=1.0))
                continue
            found.append(self._trained(one))
        self.moments.passing()
        return found

    def _trained(self, one: Candidate) -> Trained:
        top1 = self._top1(one)
        return Trained(
            file=Path("x"),
            record=record(int(self.figures(one).size_bytes * 1.02)),
            right=tuple(place < 1000 * top1 for place in range(1000)),
            accuracies={epoch: top1 * epoch / 3 for epoch in range(1, 4)},
            wall_s=10.0,
        )

    def _top1(self, one: Candidate) -> float:
        values = one.values
        width, temperature = values["distill.width_multiplier"], values["distill.temperature"]
        family = {"fused": 0.05, "resnet": 0.03}.get(str(values.get("distill.family")), 0)
        return 0.8 + 0.1 * float(str(width)) + family - 0.002 * abs(float(str(temperature)) - 4)

    def test_top1(self, candidate: Candidate) -> tuple[float, int]:
        return 0.9, 1000


def loop(journal: Path, formulas: Formulas, where: Source | None = None) -> Loop:
    asked = where or source()
    cfg = asked.recipe().search
    measuring: Measuring = formulas
    training: Training = formulas
    space = space_of(asked)
    return Loop(
        source=asked,
        study=Study.open(journal, space=space, seed=0, sampler=cfg.sampler),
        limits=limits_of(cfg.limits),
        measuring=measuring,
        training=training,
        trials=cfg.trials,
        measure_first=cfg.measure_first,
        say=lambda text: None,
        on_result=formulas.moments.passing,
    )


def history(search: Loop) -> list[tuple[Any, ...]]:
    trials = search.study.study.get_trials()
    return [(t.number, t.state, t.values, t.params, t.constraints, t.user_attrs) for t in trials]


def searched(journal: Path, formulas: Formulas, where: Source | None = None) -> Loop:
    found = loop(journal, formulas, where)
    found.run()
    return found


def interrupted(journal: Path, at_once: int, moments: Iterator[int]) -> Loop:
    """Killed again and again, and started again each time."""
    for moment in moments:
        try:
            return searched(journal, Formulas(at_once=at_once, moments=Moments(kill_at=moment)))
        except Killed:
            continue
    return searched(journal, Formulas(at_once=at_once))


def test_what_exceeds_a_limit_is_measured_and_never_trained(tmp_path: Path) -> None:
    formulas = Formulas()
    rows = trial_rows(searched(tmp_path / "a", formulas).study.finished())
    over = {row.number for row in rows if row.state == "over_limit"}
    assert len(rows) == 24
    assert over
    assert not over & {*formulas.trainings}
    assert all("limit" in row.reason and row.top1 is None for row in rows if row.number in over)
    assert {*formulas.measured} == {row.number for row in rows}


def test_the_worst_device_decides(tmp_path: Path) -> None:
    rows = trial_rows(searched(tmp_path / "a", Formulas()).study.finished())
    widths = {row.values["distill.width_multiplier"] for row in rows if row.state == "trained"}
    assert widths <= {0.25, 0.5}, "60 us allow a width of 0.6 on the slow device, of 6 on the other"


def test_without_the_filter_all_are_trained_and_the_limit_still_counts(tmp_path: Path) -> None:
    formulas = Formulas()
    where = source(measure_first=False)
    rows = trial_rows(searched(tmp_path / "a", formulas, where).study.finished())
    assert {*formulas.trainings} == {row.number for row in rows}
    late = [row for row in rows if row.state == "over_limit"]
    assert late
    assert all(row.top1 is not None for row in late)


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_search_that_is_killed_again_and_again_has_the_same_history(
    tmp_path: Path, at_once: int, seed: int
) -> None:
    whole = searched(tmp_path / "whole", Formulas(at_once=at_once))
    moment = random.Random(seed)
    broken = interrupted(
        tmp_path / "broken", at_once, iter([moment.randint(1, 12) for _ in range(12)])
    )
    assert history(broken) == history(whole)


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_kill_between_any_two_lines_of_the_journal_leaves_the_same_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Also in the middle of a proposal, of one that was tried before, and of a result."""
    values = {"width_multiplier": [0.25, 0.5, 0.75], "temperature": [1.0, 2.0, 4.0]}
    where = source(space={"distill": values}, trials=8)
    stopping = frozenset({1, 6})
    whole = searched(tmp_path / "whole", Formulas(at_once=at_once, stopping=stopping), where)
    assert whole.study.repeated
    moments, random_lines = Moments(), random.Random(0)
    write = JournalFileBackend.append_logs

    def append_logs(self: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        moments.passing()
        write(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", append_logs)
    broken = None
    while broken is None:
        moments = Moments(kill_at=random_lines.randint(4, 12))
        with suppress(Killed):
            again = Formulas(at_once=at_once, stopping=stopping)
            broken = searched(tmp_path / "broken", again, where)
    assert history(broken) == history(whole)


def test_the_same_seed_has_the_same_trials_and_another_seed_others(tmp_path: Path) -> None:
    first, second = (searched(tmp_path / name, Formulas()) for name in "ab")
    assert history(first) == history(second)
    values = [one.values for one in trial_rows(first.study.finished())]
    space = space_of(source())
    other = Study.open(tmp_path / "c", space=space, seed=1, sampler="tpe").ask()
    assert other is not None
    assert other.values != values[0]


def test_a_torn_last_line_of_the_journal_is_dropped(tmp_path: Path) -> None:
    journal = tmp_path / "a"
    whole = history(searched(journal, Formulas()))
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"x","tri')
    assert history(loop(journal, Formulas())) == whole


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"[1]\n", b"{}\n", b'{"op\n'])
def test_a_damaged_journal_names_itself_and_the_remedy(tmp_path: Path, line: bytes) -> None:
    journal = tmp_path / "a.journal"
    loop(journal, Formulas())
    journal.write_bytes(journal.read_bytes() + line + b"{}\n")
    with pytest.raises(InputError, match=r"a\.journal: is damaged.*Remove it"):
        loop(journal, Formulas())


def test_more_trials_go_on_with_the_same_search(tmp_path: Path) -> None:
    few = searched(tmp_path / "a", Formulas(), source(trials=10))
    before = history(few)
    more = searched(tmp_path / "a", Formulas(), source(trials=20))
    assert history(more)[: len(before)] == before
    assert len(more.study.finished()) == 20


def test_a_small_space_ends_when_all_of_it_was_tried(tmp_path: Path) -> None:
    space = {"distill": {"width_multiplier": [0.25, 0.5], "temperature": [1.0, 2.0]}}
    where = source(space=space, trials=50)
    found = searched(tmp_path / "a", Formulas(), where)
    rows = trial_rows(found.study.finished())
    assert [row.number for row in rows] == [0, 1, 2, 3], "proposals that were tried have no number"
    assert found.study.repeated


def test_a_candidate_that_fails_is_a_trial_with_its_reason(tmp_path: Path) -> None:
    found = searched(tmp_path / "a", Formulas(failing=frozenset({0, 3})))
    failed = [row for row in trial_rows(found.study.finished()) if row.state == "failed"]
    assert [row.number for row in failed] == [0, 3]
    assert all("int8" in row.reason for row in failed)


def test_values_that_are_no_recipe_together_fail_a_trial_and_not_the_search(tmp_path: Path) -> None:
    pairs = {"loss": ["kd", "function_matching"], "alpha": [0.5, 1.0]}
    where = source(space={"distill": {**SPACE["distill"], **pairs}}, trials=20)
    rows = trial_rows(searched(tmp_path / "a", Formulas(), where).study.finished())
    failed = [row for row in rows if row.state == "failed"]
    assert failed
    assert len(rows) == 20
    for row in failed:
        assert row.values["distill.loss"] == "function_matching"
        assert row.values["distill.alpha"] == 0.5
        assert "uses no labels" in row.reason


def test_a_search_whose_first_candidates_all_fail_ends_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no int8 form"):
        searched(tmp_path / "a", Formulas(failing=frozenset(range(100))))
    assert len(loop(tmp_path / "a", Formulas()).study.finished()) == 3
    assert len(searched(tmp_path / "a", Formulas()).study.finished()) == 24, "it can go on"


def test_a_search_of_failures_alone_ends_again_where_it_goes_on(tmp_path: Path) -> None:
    for done in (3, 4):
        with pytest.raises(InputError, match="has no int8 form"):
            searched(tmp_path / "a", Formulas(failing=frozenset(range(100))))
        assert len(loop(tmp_path / "a", Formulas()).study.finished()) == done


def test_the_time_of_interrupted_runs_is_on_record(tmp_path: Path) -> None:
    first = loop(tmp_path / "a", Formulas()).study
    assert first.spend(2.0) == 2.0
    assert first.spend(5.0) == 5.0, "of this run"
    assert loop(tmp_path / "a", Formulas()).study.spend(1.0) == 6.0


def test_a_stopped_training_is_kept_with_its_epoch(tmp_path: Path) -> None:
    every = frozenset(range(100))
    found = searched(tmp_path / "a", Formulas(stopping=every))
    stopped = [row for row in trial_rows(found.study.finished()) if row.state == "stopped"]
    assert stopped
    assert all(row.epochs == 3 and "40.00 %" in row.reason for row in stopped)


def test_a_device_that_dies_ends_the_search_and_keeps_the_trials(tmp_path: Path) -> None:
    whole = history(searched(tmp_path / "whole", Formulas()))
    with pytest.raises(DeviceError, match="gone"):
        searched(tmp_path / "a", Formulas(dying=9))
    rows = trial_rows(loop(tmp_path / "a", Formulas()).study.finished())
    assert [row.number for row in rows] == list(range(9))
    assert history(searched(tmp_path / "a", Formulas())) == whole


def test_the_search_finds_better_students_than_chance(tmp_path: Path) -> None:
    """On average over seeds: the sampler learns, and from what was not trained too."""
    found = searched(tmp_path / "a", Formulas(), source(trials=40))
    top1 = [row.top1 for row in trial_rows(found.study.finished()) if row.top1 is not None]
    late = top1[len(top1) // 2 :]
    assert max(late) >= max(top1[: len(top1) // 2])
    assert max(top1) > 0.89


@pytest.mark.parametrize("kind", [UnfinishedError, StoreError])
def test_a_lost_worker_or_object_store_is_not_the_fault_of_the_candidate(
    tmp_path: Path, kind: type[EdgeDistillError]
) -> None:
    recipe = source().recipe()
    lost = Outcome(task=Task(name="trial 0", recipe=recipe), wall_s=1.0, error=kind("x"))
    store = Store(tmp_path)
    training = StudentTraining(
        store=store,
        cluster=InProcess(store=store),
        console=SilentConsole(),
        references=References(store=tmp_path, results=tmp_path),
        early_stopping=True,
    )
    with pytest.raises(kind):
        training._found(lost)

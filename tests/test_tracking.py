"""Trackers see every epoch once, and cannot stop a run."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import tensorflow as tf

from pipeline.engine.progress import SilentConsole
from pipeline.reporting.schema.report import FILE, Report, read
from pipeline.tracking import guard
from pipeline.tracking.contract import Epoch, Tracker
from pipeline.tracking.guard import Guarded, opened
from pipeline.tracking.mlflow_run import parameters
from pipeline.tracking.tensorboard import TensorBoard
from pipeline.tracking.tracking import TrackedConsole, Tracking
from pipeline.training.optimizers import SCHEDULES
from tests.conftest import Lane

TAGS = ("learning_rate", "loss", "validation_top1")


def epochs(*numbers: int) -> list[Epoch]:
    return [Epoch(number=n, loss=1 / n, accuracy=n / 10, learning_rate=0.1) for n in numbers]


def events(folder: Path) -> list[tuple[str, int, float]]:
    """Tag, step and value of every event, as TensorFlow reads them."""
    iterator = tf.compat.v1.train.summary_iterator
    return sorted(
        (value.tag, event.step, value.simple_value)
        for path in folder.glob("*tfevents*")
        for event in iterator(str(path))
        for value in event.summary.value
    )


def steps(folder: Path) -> list[int]:
    """Steps of the loss."""
    return [step for tag, step, _ in events(folder) if tag == "loss"]


def lived(folder: Path, *numbers: int) -> TensorBoard:
    """A training of these epochs that ends there."""
    board = TensorBoard(folder)
    board.start()
    board.begin("teacher", first=numbers[0])
    for epoch in epochs(*numbers):
        board.epoch("teacher", epoch)
    return board


def test_an_epoch_can_be_read_as_soon_as_it_is_over(tmp_path: Path) -> None:
    lived(tmp_path, 1, 2)
    assert [(tag, step) for tag, step, _ in events(tmp_path / "teacher")] == [
        (tag, step) for tag in TAGS for step in (1, 2)
    ]


@pytest.mark.parametrize("missed", [0, 1])
def test_a_resumed_training_has_each_step_once(tmp_path: Path, missed: int) -> None:
    """An epoch that is saved, and not yet tracked when the process is killed, is added."""
    lived(tmp_path, *range(1, 4 - missed))
    board = lived(tmp_path, 4, 5)
    board.trained("teacher", epochs(1, 2, 3, 4, 5))
    assert steps(tmp_path / "teacher") == [1, 2, 3, 4, 5]


def test_a_history_that_is_complete_keeps_its_times(tmp_path: Path) -> None:
    board = lived(tmp_path, 1, 2)
    before = sorted((tmp_path / "teacher").iterdir())
    board.trained("teacher", epochs(1, 2))
    assert sorted((tmp_path / "teacher").iterdir()) == before


def test_another_training_replaces_the_events_of_the_last_one(tmp_path: Path) -> None:
    lived(tmp_path, 1, 2, 3)
    lived(tmp_path, 1)
    assert steps(tmp_path / "teacher") == [1]


def test_a_damaged_event_file_is_written_again(tmp_path: Path) -> None:
    board = lived(tmp_path, 1, 2)
    (path,) = (tmp_path / "teacher").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    board.trained("teacher", epochs(1, 2))
    assert steps(tmp_path / "teacher") == [1, 2]


def test_reused_stages_are_tracked_from_their_histories_and_once(
    finished: Lane, lane: Lane
) -> None:
    shutil.copytree(finished.out / ".store", lane.out / ".store")
    asked = (
        ("convert.targets", ["tflite", "onnx"]),
        ("bench.enabled", False),
        ("tracking.tensorboard", True),
    )
    for _ in range(2):
        results, ended = lane.run(*asked)
        assert all(step.reused for step in ended.values() if step.manifest is not None)
    folder = lane.out / ".tracking" / "tiny"
    counts = {stage: len(steps(folder / stage)) for stage in SCHEDULES}
    assert counts == {"teacher": 3, "distill": 8, "quantize": 2}
    history = next((lane.out / ".store").glob("distill-*")) / "history.jsonl"
    records = [json.loads(line) for line in history.read_text().splitlines()]
    losses = [value for tag, _, value in events(folder / "distill") if tag == "loss"]
    assert losses == pytest.approx([record["loss"] for record in records])
    sizes = {tag: value for tag, _, value in events(folder / "files")}
    (row,) = [row for row in read(results / FILE).models if row.name == "student.int8.onnx"]
    assert sizes["size_kb/student.int8.onnx"] == pytest.approx(row.size_bytes / 1000)


def test_the_rates_are_those_of_the_trainings(lane: Lane) -> None:
    rates = [
        Tracking(recipe=lane.recipe()).epoch("teacher", number=n, loss=0, accuracy=0).learning_rate
        for n in (1, 2, 3)
    ]
    assert rates == pytest.approx([0.05 * SCHEDULES["teacher"](n / 3) for n in (0, 1, 2)])


class Broken:
    """Fails in one method, by raising or by hanging."""

    tracked = None

    def __init__(self, method: str, failing: Callable[[], object]) -> None:
        self._method, self._failing = method, failing
        self.called: list[str] = []

    def _call(self, name: str) -> None:
        self.called.append(name)
        if name == self._method:
            self._failing()

    def start(self) -> None:
        self._call("start")

    def begin(self, stage: str, *, first: int) -> None:
        self._call("begin")

    def epoch(self, stage: str, epoch: Epoch) -> None:
        self._call("epoch")

    def trained(self, stage: str, history: Sequence[Epoch]) -> None:
        self._call("trained")

    def delivered(self, results: Path, report: Report) -> None:
        self._call("delivered")

    def interrupted(self) -> None:
        self._call("interrupted")


def raises(error: BaseException) -> Callable[[], object]:
    def action() -> None:
        raise error

    return action


FAILURES = {
    "an error of two lines": (raises(RuntimeError("server\ngone")), "server"),
    "a full disk": (raises(OSError(28, "No space left on device")), "No space left on device"),
    "an exit": (raises(SystemExit(1)), "1"),
    "a server that hangs": (lambda: time.sleep(30), "no answer within 0.2 s"),
    "a wrong version": (raises(AttributeError("no log_batch")), "no log_batch"),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("method", ["start", "begin", "epoch"])
def test_a_tracker_that_fails_stops_with_one_line_and_the_training_goes_on(
    name: str, method: str, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LIMIT_S", 0.2)
    monkeypatch.setattr(guard, "START_S", 0.2)
    failing, words = FAILURES[name]
    broken, console = Broken(method, failing), SilentConsole()
    tracker = opened("Planted", lambda: broken, console.say)
    tracking = Tracking(recipe=lane.recipe(), trackers=[tracker])
    with tracking.console(console).epochs("teacher", first=1, total=3) as shown:
        for number in (1, 2, 3):
            shown.epoch(number, loss=1.0, accuracy=0.5)
    (line,) = console.lines
    assert line.startswith("tracking  Planted stops, and the run goes on: ")
    assert words in line
    assert broken.called[-1] == method
    assert broken.called.count(method) == 1


def test_a_server_that_is_slow_at_every_epoch_costs_a_run_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "FREE_S", 0.1)
    slow, lines = Broken("epoch", lambda: time.sleep(0.04)), list[str]()
    tracker = opened("Planted", lambda: slow, lines.append)
    for epoch in epochs(*range(1, 10)):
        tracker.tell(lambda one, epoch=epoch: one.epoch("teacher", epoch))  # type: ignore[misc]
    assert slow.called.count("epoch") == 3
    assert len(lines) == 1
    assert "s of the run so far" in lines[0]


def test_results_that_another_run_replaces_are_no_error_of_this_one(
    lane: Lane, tmp_path: Path
) -> None:
    console = SilentConsole()
    tracker = opened("Planted", lambda: Broken("", lambda: None), console.say)
    Tracking(recipe=lane.recipe(), trackers=[tracker]).delivered(tmp_path / "gone")
    (line,) = console.lines
    assert "no finished run there" in line


def test_a_tracker_that_cannot_be_made_is_one_line() -> None:
    lines: list[str] = []

    def make() -> Tracker:
        raise ImportError("no module")

    assert opened("Planted", make, lines.append).tracker is None
    assert len(lines) == 1


def test_a_run_is_delivered_without_its_trackers(finished: Lane, lane: Lane) -> None:
    """A file is in the place of the folder of one, nothing listens at the address of the other."""
    shutil.copytree(finished.out / ".store", lane.out / ".store")
    (lane.out / ".tracking").write_text("")
    results, _ = lane.run(
        ("convert.targets", ["tflite", "onnx"]),
        ("bench.enabled", False),
        ("tracking.tensorboard", True),
        ("tracking.mlflow", "http://127.0.0.1:9"),
    )
    assert isinstance(lane.console, SilentConsole)
    lines = [line for line in lane.console.lines if line.startswith("tracking")]
    assert [line.split()[1] for line in lines] == ["TensorBoard", "MLflow"]
    assert read(results / FILE).tracked is None


def test_an_interrupted_run_is_told_to_its_trackers(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.tracking import tensorboard
    from pipeline.tracking.tracking import tracking

    told: list[str] = []
    monkeypatch.setattr(tensorboard.TensorBoard, "interrupted", lambda self: told.append("it"))
    recipe = lane.recipe(("tracking.tensorboard", True))
    with pytest.raises(KeyboardInterrupt), tracking(recipe, lane.out / "tiny", lane.console):
        raise KeyboardInterrupt
    assert told == ["it"]


def test_without_trackers_the_console_is_the_same(lane: Lane) -> None:
    console = SilentConsole()
    assert Tracking(recipe=lane.recipe()).console(console) is console
    guarded = Guarded("x", console.say, None)
    tracked = Tracking(recipe=lane.recipe(), trackers=[guarded])
    assert isinstance(tracked.console(console), TrackedConsole)


def test_parameters_are_the_keys_of_the_recipe_cut_to_what_mlflow_takes() -> None:
    found = parameters({"distill": {"alpha": 0.5, "x[1]": None}, "classes": ["a" * 600]})
    assert found["distill.alpha"] == "0.5"
    assert found["distill.x_1_"] == "null"
    assert len(found["classes"]) == 500


def test_an_address_with_a_password_is_refused(lane: Lane) -> None:
    with pytest.raises(Exception, match="MLFLOW_TRACKING_PASSWORD"):
        lane.recipe(("tracking.mlflow", "http://me:secret@server"))

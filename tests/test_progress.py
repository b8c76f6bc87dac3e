"""Progress on a terminal and elsewhere."""

import io
from contextlib import ExitStack

import pytest
from rich.console import Console as Rich

from pipeline.engine.progress import PlainConsole, TerminalConsole, clock


def test_a_terminal_shows_the_epoch_that_runs_its_figures_and_the_time_left() -> None:
    screen = io.StringIO()
    console = TerminalConsole(Rich(file=screen, force_terminal=True, width=120))
    with console.epochs("teacher", first=3, total=5) as epochs:
        epochs.epoch(2, loss=0.5, accuracy=0.25)  # of the run that was interrupted
        restored = screen.getvalue()
        epochs.step(4, 4)
        epochs.epoch(3, loss=0.25, accuracy=0.5)
    shown = screen.getvalue()
    assert "epoch 3/5" in restored
    assert "epoch 4/5" in shown
    for part in ("teacher", "loss 0.2500", "validation 50.00 %", "left"):
        assert part in shown


def test_elsewhere_it_is_a_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainConsole().epochs("teacher", first=3, total=5) as epochs:
        epochs.epoch(2, loss=0.5, accuracy=0.25)  # of the run that was interrupted
        epochs.step(1, 4)
        epochs.epoch(3, loss=0.25, accuracy=0.5)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "teacher   epoch 3/5  loss 0.2500  validation 50.00 %  left 0:00\n"


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (61, "1:01"), (3600, "60:00")])
def test_times_are_minutes_and_seconds(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_trainings_at_the_same_time_are_bars_of_one_display() -> None:
    screen = io.StringIO()
    console = TerminalConsole(Rich(file=screen, force_terminal=True, width=120))
    with ExitStack() as outer:
        first = outer.enter_context(console.epochs("seed 0: distill", first=1, total=2))
        with console.epochs("seed 1: distill", first=1, total=2) as second:
            second.epoch(1, loss=0.25, accuracy=0.5)
            both = screen.getvalue()
        first.epoch(1, loss=0.5, accuracy=0.25)
        console.say("seed 1: done")
    last = screen.getvalue().rpartition(": done")[2]
    assert "seed 0: distill" in both
    assert "seed 1: distill" in both
    assert "seed 0: distill" in last
    assert "seed 1: distill" not in last

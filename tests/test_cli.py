"""What a person types and reads: every mistake ends in one clear paragraph and its exit code."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from pipeline.cli.app import Stop, exit_code, main
from targets.errors import InputError
from tests.conftest import Command, Lane


def commands(group: click.Group, *parents: str) -> Iterator[tuple[str, click.Command]]:
    """Every command by its name, "devices clean" too."""
    for name, found in sorted(group.commands.items()):
        yield " ".join([*parents, name]), found
        if isinstance(found, click.Group):
            yield from commands(found, *parents, name)


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_ends_in_an_example_and_knows_json(command: Command, name: str) -> None:
    text = command(*name.split(), "--help").stdout
    documented = (COMMANDS[name].help or "").rstrip()
    _, *examples = re.split(r"\n *Examples?:", documented)[-1].split("\n")
    assert examples
    assert all(line.strip().startswith(f"pipeline {name}") for line in examples)
    assert re.search(r"Examples?:", text)
    assert "--json" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_option_is_a_phrase(name: str) -> None:
    """A verb or a noun with what it is of: "Of an input." explains nothing."""
    for option in COMMANDS[name].params:
        if isinstance(option, click.Option):
            text = option.help or ""
            assert len(text.split()) >= 3, option.name
            assert text[0].isupper(), option.name
            assert not text.startswith(("Of ", "As in ")), option.name
            assert text.endswith((".", "].")) or "default" in text, option.name


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "digit"], "unknown recipe 'digit'; did you mean 'digits'?"),
        (["run", "--target", "tflit"], "--target: unknown target 'tflit'; did you mean 'tflite'?"),
        (["run", "--device", "locl"], "--device: unknown device 'locl'; did you mean 'local'?"),
        (["run", "--force", "distil"], "--force: unknown stage 'distil'; did you mean 'distill'?"),
        (["run", "--set", "distill.alhpa=1"], "did you mean 'distill.alpha'?"),
        (["run", "--set", "distill.alpha=2"], "distill.alpha: Input should be less than or equal"),
        (["run", "--seed", "-1"], "--seed: Input should be greater than or equal to 0, not -1"),
        (["run", "--seed", "one"], "'one' is not a valid integer"),
        (["run", "--set", "dataset.name=npz"], "needs a file: give it with --data FILE.npz"),
        (["run", "--set", "dataset.name=npz", "--data", "no.npz"], "no.npz is not a file"),
        (["run", "--data", "mine.npz"], "--data mine.npz: the data set digits is embedded"),
        (["plan", "missing.toml"], "recipe file missing.toml: cannot be read"),
        (["report", "nowhere"], "nowhere/report.json: no finished run there"),
        (["rum"], "No such command 'rum'"),
        (["run", "--taget", "tflite"], "No such option"),
    ],
)
def test_a_mistake_is_one_paragraph_and_exit_2(
    command: Command, tmp_path: Path, argv: list[str], message: str
) -> None:
    done = command(*argv)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []  # nothing was begun


def test_debug_shows_the_traceback(command: Command) -> None:
    done = command("--debug", "run", "digit")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_recipes_are_listed_with_their_cost_and_accuracy(command: Command) -> None:
    listed = json.loads(command("recipes", "--json").stdout)
    assert {"digits", "fashion-mnist"} <= set(listed)
    for about in listed.values():
        assert set(about) == {"summary", "cost", "reaches"}
    assert "digits" in command("recipes").stdout


def test_a_plan_is_data_too(command: Command, tmp_path: Path) -> None:
    steps = json.loads(command("plan", "--json").stdout)
    assert [step["name"] for step in steps][:3] == ["teacher", "logits", "distill"]
    assert steps[0]["reason"] == "not made yet"
    assert list(tmp_path.iterdir()) == []  # planning writes nothing


def test_a_plan_of_the_ablation_lists_its_variants(command: Command) -> None:
    lines = command("plan", "--ablation").stdout.splitlines()
    assert [line[:9] for line in lines].count("ablation ") == 3 * 3  # variants by seeds
    assert lines[-1] == "ablation  fresh   seed 2, hard: distill, quantize, convert"


def run_tiny(lane: Lane) -> list[str]:
    return ["run", str(lane.recipe_file), "--data", str(lane.data_file), "--target", "tflite"]


def test_json_is_the_one_document_on_stdout(command: Command, finished: Lane) -> None:
    done = command(*run_tiny(finished), "--target", "onnx", "--json", "--out", str(finished.out))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == "report/1"
    assert "reused: nothing changed" in done.stderr


def test_a_report_can_be_shown_again(command: Command, finished: Lane) -> None:
    shown = command("report", str(finished.out / "tiny"))
    assert shown.returncode == 0
    for cell in ("student.int8.onnx", "speed-up", "invalid"):
        assert cell in shown.stdout
    assert json.loads(command("report", str(finished.out / "tiny"), "--json").stdout)["models"]


@contextmanager
def long_run(lane: Lane, tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    """A run whose teacher has very many epochs before it; killed at the end if it still runs."""
    argv = [*run_tiny(lane), "--set", "teacher.epochs=2000"]
    # A shell starts background jobs with SIGINT ignored, and children inherit that: `.ci/run &`.
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
        "os.execv(sys.executable, [sys.executable, '-m', 'pipeline', *sys.argv[1:]])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", heeding, *argv],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def epoch_of(process: "subprocess.Popen[str]", *, at_least: int) -> int:
    """The first epoch from `at_least` on that the process reports."""
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"epoch (\d+)/", line)
        if found and int(found[1]) >= at_least:
            return int(found[1])
    raise AssertionError("the run ended without it")


def until(end: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines before the first that has `end` in it."""
    before = []
    for line in lines:
        if end in line:
            return
        before.append(line)
        yield line
    raise AssertionError("".join([f"no line has '{end}':\n", *before]))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_its_code_and_publishes_nothing(
    lane: Lane, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with long_run(lane, tmp_path) as process:
        epoch_of(process, at_least=2)
        process.send_signal(number)
        assert process.stderr is not None
        errors = list(until("continue after the last finished epoch", process.stderr))
        process.send_signal(number)  # once more, while the process ends
        assert process.wait(60) == code
        errors += process.stderr
    assert not [line for line in errors if "Traceback" in line]
    assert not (tmp_path / "runs" / "tiny").exists()
    assert list((tmp_path / "runs" / ".store").glob("teacher-*")) == []


def test_a_killed_run_goes_on_where_it_was(lane: Lane, tmp_path: Path) -> None:
    with long_run(lane, tmp_path) as process:
        epoch_of(process, at_least=2)
    with long_run(lane, tmp_path) as process:
        assert epoch_of(process, at_least=1) >= 3


def test_a_folder_that_cannot_be_written_is_one_error(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("run", "--out", str(tmp_path / "file"))
    assert done.returncode == 2
    assert "choose other folders with --out and --store" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "content", ["[]", "{}", "no json", '{"schema": "report/9"}', '{"schema": "report/1"}', "\xff"]
)
def test_what_is_no_report_is_one_error(command: Command, tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_bytes(content.encode("latin-1"))
    for options in ([], ["--json"]):
        done = command("report", ".", *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert "report.json: not a report" in done.stderr


@pytest.fixture
def ends_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], int]:
    """The exit code of a command that does just this."""

    def run(action: Callable[[], object]) -> int:
        monkeypatch.setitem(main.commands, "planted", click.Command("planted", callback=action))
        return exit_code(["planted"])

    return run


def raised(error: Exception) -> None:
    raise error


Ends = Callable[[Callable[[], object]], int]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_error(ends_in: Ends, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_in(lambda: Path("/dev/full").write_text("x")) == 2
    assert "No space left on device. No partial result" in capsys.readouterr().err


def test_a_name_of_two_lines_is_one_line_of_an_error(
    ends_in: Ends, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_in(lambda: raised(InputError("a\nb\x1b[31m: is not there."))) == 2
    assert capsys.readouterr().err == "Error: a\\nb\\x1b[31m: is not there.\n"


@pytest.mark.parametrize("error", [ZeroDivisionError("planted"), EOFError("planted")])
def test_a_bug_of_ours_is_one_line_and_a_log(
    ends_in: Ends, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """An end of file too: click would take it for Ctrl-C."""
    assert ends_in(lambda: raised(error)) == 70
    (line,) = capsys.readouterr().err.strip().splitlines()
    log = Path(line.partition("The traceback is in ")[2].rstrip("."))
    assert f"{type(error).__name__}: planted" in log.read_text()
    log.unlink()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_comes_out_as_another_error_is_no_bug(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
) -> None:
    """pybind11, in TensorFlow: `error_already_set: MISMATCH of original and normalized active
    exception types`, for 1 of 904 signals during a training."""
    stop = Stop()

    def converted() -> None:
        try:
            stop._raise(number, None)
        except BaseException:
            raise RuntimeError("pybind11::error_already_set") from None

    monkeypatch.setattr(stop, "ignore_others", lambda: None)  # of this process
    monkeypatch.setitem(main.commands, "planted", click.Command("planted", callback=converted))
    assert exit_code(["planted"], stop=stop) == code
    assert capsys.readouterr().err.endswith("ed: run the same command again.\n")


def test_commands_are_short() -> None:
    """A command parses, calls the library and renders."""
    import inspect

    for name, found in COMMANDS.items():
        callback = found.callback
        assert isinstance(found, click.Command)
        assert callback is not None
        body = inspect.getsource(callback).split('"""')[2].strip().splitlines()
        assert len(body) <= 14, name

"""`pipeline report`: its pages, and the browser that it opens them in."""

from pathlib import Path

import pytest

from pipeline.cli.app import exit_code
from tests.browser import browser, faults
from tests.conftest import Command


@pytest.fixture
def reader(tmp_path: Path) -> dict[str, str]:
    """An environment whose browser writes the address that it gets to `opened`."""
    program = tmp_path / "reader"
    program.write_text(f'#!/bin/sh\necho "$1" > {tmp_path / "opened"}\n')
    program.chmod(0o755)
    return {"BROWSER": str(program)}


def test_open_shows_the_page_of_a_run(
    command: Command, run: Path, tmp_path: Path, reader: dict[str, str]
) -> None:
    done = command("report", str(run), "--open", env=reader)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "opened").read_text().strip() == (run / "report.html").as_uri()


@pytest.mark.browser
def test_two_runs_have_a_page_in_the_same_style(
    command: Command, run: Path, tmp_path: Path, reader: dict[str, str]
) -> None:
    done = command(
        "report", str(run), str(run), "--html", "new/comparison.html", "--open", env=reader
    )
    assert done.returncode == 0, done.stderr
    page = tmp_path / "new" / "comparison.html"
    assert page.read_text("utf-8").count("<strong>No difference</strong>: ") == 1
    assert (tmp_path / "opened").read_text().strip() == page.as_uri()
    with browser() as chromium:
        assert faults(chromium, page) == {}


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["nowhere", "--open"], "there is no nowhere/report.html"),
        (["a.json", "--open"], "there is no a.json/report.html"),
        (["a", "b", "--open"], "a comparison has a page with --html"),
        (["a", "--html", "x.html"], "is for the comparison with OTHER"),
    ],
)
def test_a_page_that_there_is_not_is_one_error(
    argv: list[str], error: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert exit_code(["report", *argv]) == 2
    assert error in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_a_browser_the_page_is_named(command: Command, run: Path) -> None:
    done = command("report", str(run), "--open", env={"BROWSER": "/nowhere/browser", "PATH": ""})
    assert done.returncode == 2
    assert f"no browser was found. Open {run / 'report.html'} yourself" in done.stderr

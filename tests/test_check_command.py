"""`pipeline check`: exit codes, the reports of a CI job, and mistakes."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.app import exit_code
from tests.conftest import Lane

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*args: object) -> tuple[int, str, str]:
        code = exit_code([str(arg) for arg in args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_failing_gate_is_exit_1_and_shown_everywhere(
    run: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates, summary = tmp_path / "gates.toml", tmp_path / "summary.md"
    gates.write_text("[gates]\nsize_kb = 1\nall_int8 = true\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files = [tmp_path / name for name in ("junit.xml", "page.md", "quality.json")]
    options = zip(("--junit", "--markdown", "--gitlab"), files, strict=True)
    code, out, _ = command(
        "check", run, "--gates", gates, *(one for pair in options for one in pair)
    )
    assert code == 1
    assert "2 failed, 2 passed" in out
    assert out.count("::error title=size_kb::size_kb of student.int8") == 2
    suites = ET.parse(files[0]).getroot()
    assert (suites.get("tests"), suites.get("failures")) == ("4", "2")
    assert "| size\\_kb | student.int8.tflite |" in files[1].read_text()
    assert summary.read_text() == files[1].read_text()
    issues = json.loads(files[2].read_text())
    assert [issue["severity"] for issue in issues] == ["major", "major"]
    assert len({issue["fingerprint"] for issue in issues}) == 2


def test_gates_of_the_recipe_are_judged_at_the_end_of_a_run(
    finished: Lane, command: Command, tmp_path: Path
) -> None:
    shutil.copytree(finished.out / ".store", tmp_path / ".store")

    def again(**gates: object) -> tuple[int, dict[str, Any]]:
        sets = [f"gates.{key}={value}" for key, value in gates.items()]
        arguments = [one for text in sets for one in ("--set", text)]
        code, out, _ = command(
            "run", finished.recipe_file, "--data", finished.data_file, "--out", tmp_path,
            "--target", "tflite", "--target", "onnx", "--json", *arguments,
        )  # fmt: skip
        return code, json.loads(out)

    code, report = again(top1=0.01, size_kb=1)
    assert code == 1
    assert {(row["name"], row["verdict"]) for row in report["gates"]} == {
        ("top1", "passed"), ("size_kb", "failed"),
    }  # fmt: skip
    code, out, _ = command("check", tmp_path / "tiny", "--json")
    assert code == 1
    assert json.loads(out)["gates"] == report["gates"]


def test_a_baseline_is_written_and_kept_where_a_gate_fails(
    run: Path, command: Command, tmp_path: Path
) -> None:
    gates, baseline = tmp_path / "gates.toml", tmp_path / "baseline.json"
    gates.write_text("size_kb = 1\n")
    update = ("check", run, "--baseline", baseline, "--update-baseline")
    assert command(*update, "--gates", gates)[0] == 1
    assert not baseline.exists()
    assert command(*update)[0] == 0
    assert command("check", run, "--baseline", baseline)[0] == 0


MISTAKES: list[tuple[list[str], str]] = [
    ([], "its recipe has no [gates], so that there is nothing to check"),
    (["--gates", "missing.toml"], "--gates missing.toml: cannot be read"),
    (["--gates", "no.toml"], "--gates no.toml: not TOML"),
    (["--gates", "key.toml"], "--gates key.toml: topp1: Extra inputs are not permitted"),
    (["--gates", "nan.toml"], "--gates nan.toml: top1: "),
    (["--gates", "percent.toml"], "top1: Input should be less than or equal to 1"),
    (["--gates", "empty.toml"], "--gates empty.toml: it has no gate, so that there is nothing to"),
    (["--gates", "two.toml"], "--gates two.toml: top1 stands beside the table [gates]"),
    (["--gates", "text.toml"], "size_kb: Input should be a valid number"),
    (["--gates", "fact.toml"], "devices.pi4.size_kb: is a fact of the file"),
    (["--baseline", "samples.json"], "right does not hold a bit for each sample"),
    (["--baseline", "base64.json"], "right is not base64"),
    (["--baseline", "times.json"], "medians_ns.0: Input should be greater than or equal to 1"),
    (["--baseline", "missing.json"], "--baseline missing.json: cannot be read"),
    (["--baseline", "no.toml"], "--baseline no.toml: not a baseline of schema baseline/1"),
    (["--update-baseline"], "--update-baseline needs the file"),
]


def baseline_text(**changes: object) -> str:
    file = {"size_bytes": 1000, "samples": 8, "right": "/w==", **changes}
    return json.dumps({"schema": "baseline/1", "run": "x", "devices": {"local": {"a": file}}})


@pytest.mark.parametrize(("options", "words"), MISTAKES, ids=[words for _, words in MISTAKES])
def test_a_mistake_is_one_paragraph(
    run: Path,
    options: list[str],
    words: str,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "no.toml": "=", "key.toml": "topp1 = 1", "nan.toml": "top1 = nan",
        "percent.toml": "top1 = 97", "empty.toml": "all_int8 = false\n",
        "two.toml": "top1 = 0.5\n[gates]\nece = 0.1", "text.toml": "size_kb = '300'",
        "fact.toml": "[devices.pi4]\nsize_kb = 5",
        "samples.json": baseline_text(samples=10**6), "base64.json": baseline_text(right="ü"),
        "times.json": baseline_text(medians_ns=[-1.0]),
    }.items():  # fmt: skip
        Path(name).write_text(text)
    code, out, err = command("check", run, *options)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_a_summary_that_cannot_be_written_does_not_hide_a_failed_gate(
    run: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = tmp_path / "gates.toml"
    gates.write_text("size_kb = 1\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "missing" / "summary.md"))
    code, out, err = command("check", run, "--gates", gates)
    assert (code, "2 failed" in out) == (1, True)
    assert "summary.md: No such file or directory: not written." in err


def test_strict_fails_what_is_not_decided_in_every_report(
    run: Path, command: Command, tmp_path: Path
) -> None:
    gates, page, junit = (tmp_path / name for name in ("gates.toml", "page.md", "junit.xml"))
    gates.write_text("[gates.devices.pi4]\nmedian_ms = 5\n")
    call = ("check", run, "--gates", gates, "--markdown", page, "--junit", junit)
    assert command(*call)[0] == 0
    assert page.read_text().startswith(
        "## ⚠️ tiny fails no gate, and not all are decided: 2 skipped"
    )
    assert command(*call, "--strict")[0] == 1
    assert page.read_text().startswith("## ❌ tiny fails its gates: 2 skipped")
    assert ET.parse(junit).getroot().get("failures") == "2"


def test_the_summary_shows_each_change_from_the_baseline_with_its_interval(
    run: Path, command: Command, tmp_path: Path
) -> None:
    baseline, page = tmp_path / "baseline.json", tmp_path / "page.md"
    assert command("check", run, "--baseline", baseline, "--update-baseline")[0] == 0
    tree = json.loads(baseline.read_text())
    file = tree["devices"]["local"]["student.int8.tflite"]
    file["size_bytes"] //= 2
    baseline.write_text(json.dumps(tree))
    code, _, _ = command("check", run, "--baseline", baseline, "--markdown", page)
    decision, _, why, *rest = page.read_text().splitlines()
    assert code == 1
    assert decision.startswith("## ❌ tiny fails its gates: 1 failed, ")
    assert re.match(
        r"- size\\_kb vs baseline of student.int8.tflite on local failed, \S+ kB \(baseline \S+ kB,"
        r" change \+\d+\.\d+ %\)$",
        why,
    )
    assert "### Against the baseline" in rest
    (row,) = [line for line in rest if line.startswith("| top1 | student.int8.tflite |")]
    assert "| +0.00 points (−" in row

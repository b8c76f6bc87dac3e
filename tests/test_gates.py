"""Gates: the verdict follows what the measurement can decide."""

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cli.app import exit_code
from pipeline.gates import baseline as baselines
from pipeline.gates import runs
from pipeline.gates.changes import LEVEL, TIME, Change, accuracy_change, time_change
from pipeline.gates.checking import check
from pipeline.gates.figures import Figure, Measured
from pipeline.gates.judging import decided
from pipeline.recipe.gates import KINDS, Gates
from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.schema.predictions import ModelPredictions, Predictions
from targets.errors import InputError
from targets.evaluation.significance import holm
from tests.conftest import Lane


@pytest.fixture(scope="module")
def run(finished: Lane) -> Path:
    return finished.out / "tiny"


@pytest.fixture(scope="module")
def found(run: Path) -> list[Measured]:
    return runs.measured(run)


def rows(found: list[Measured], **gates: object) -> list[GateRow]:
    return check(found, Gates.model_validate(gates))


@pytest.mark.parametrize(
    ("low", "high", "at_least", "verdict"),
    [
        (0.96, 0.98, True, "passed"),
        (0.95, 0.96, True, "passed"),
        (0.93, 0.96, True, "undecided"),
        (0.93, 0.949, True, "failed"),
        (0.93, 0.95, False, "passed"),
        (0.94, 0.96, False, "undecided"),
        (0.951, 0.96, False, "failed"),
    ],
)
def test_a_verdict_is_given_where_the_whole_interval_is_on_one_side(
    low: float, high: float, at_least: bool, verdict: str
) -> None:
    figure = Figure(value=(low + high) / 2, low=low, high=high)
    assert decided(figure, 0.95, at_least=at_least) == verdict


def test_the_figures_are_those_of_the_table_of_models(found: list[Measured]) -> None:
    for one in found:
        row = one.row
        if row.is_teacher:
            continue
        known = {
            "top1": row.top1,
            "balanced_accuracy": row.balanced_accuracy,
            "agreement": row.agreement_with_teacher,
            "negative_flips": row.negative_flip_rate,
            "size_kb": row.size_bytes / 1000,
        }
        assert {name: one.figure(name).value for name in known} == pytest.approx(known)
        assert row.top1_ci == pytest.approx((one.figure("top1").low, one.figure("top1").high))
        assert row.worst_class_change is not None
        assert one.figure("worst_class_drop").value == pytest.approx(-row.worst_class_change[0])
        assert one.figure("ece").value == pytest.approx(row.ece, abs=1e-3)  # of rounded shares
        if row.accuracy_change is not None:
            change, drop = row.accuracy_change, one.figure("drop_vs_float")
            assert (drop.value, drop.low, drop.high) == pytest.approx(
                (-change.gain, -change.interval[1], -change.interval[0])
            )


def test_every_gate_has_a_verdict_on_a_real_run(found: list[Measured]) -> None:
    easy = {
        name: True if kind.unit == "" else (1e-9 if kind.at_least else 1.0)
        for name, kind in KINDS.items()
    }
    easy |= {"median_ms": 1e6, "p90_ms": 1e6, "size_kb": 1e6, "peak_memory_mb": 1e6}
    verdicts = rows(found, **easy)
    assert {row.name for row in verdicts} == KINDS.keys()
    assert {row.file for row in verdicts} == {"student.int8.tflite", "student.int8.onnx"}
    facts = {"size_kb", "peak_memory_mb", "all_int8", "parity"}
    assert {row.verdict for row in verdicts if row.name in facts} == {"passed"}
    assert not [row for row in verdicts if row.verdict == "failed"]


def test_limits_of_a_file_and_of_a_device_replace_the_general_ones(found: list[Measured]) -> None:
    gates = {
        "size_kb": 1.0,
        "peak_memory_mb": 1.0,
        "files": {"student.int8.onnx": {"size_kb": 1e6}, "teacher.float32.onnx": {"top1": 0.01}},
        "devices": {"local": {"peak_memory_mb": 1e6}, "pi4": {"median_ms": 5.0}},
    }
    verdicts = {(row.name, row.file, row.device): row.verdict for row in rows(found, **gates)}
    assert verdicts == {
        ("size_kb", "student.int8.tflite", None): "failed",
        ("size_kb", "student.int8.onnx", None): "passed",
        ("peak_memory_mb", "student.int8.tflite", "local"): "passed",
        ("peak_memory_mb", "student.int8.onnx", "local"): "passed",
        ("top1", "teacher.float32.onnx", "local"): "passed",
        ("median_ms", "student.int8.tflite", "pi4"): "skipped",
        ("median_ms", "student.int8.onnx", "pi4"): "skipped",
    }


def test_a_gate_on_a_file_that_a_recipe_does_not_make_fails_before_anything_trains(
    finished: Lane,
) -> None:
    with pytest.raises(InputError, match=r"gates.files: student.int4.onnx is not a file of this r"):
        finished.recipe(("gates", {"files": {"student.int4.onnx": {"top1": 0.5}}}))


def test_parity_of_int8_files_is_that_of_the_two_formats(found: list[Measured]) -> None:
    """Against the trained network, whose rounding is an imitation, a few labels may differ."""

    def verdicts(changed: str, agreement: float) -> set[str]:
        report = found[0].report
        parity = tuple(
            p.model_copy(update={"agreement": agreement}) if p.source == changed else p
            for p in report.parity
        )
        assert parity != report.parity
        changed_report = report.model_copy(update={"parity": parity})
        several = [replace(one, report=changed_report) for one in found]
        return {row.verdict for row in rows(several, parity=True)}

    assert verdicts("student_qat", 0.99) == {"passed"}
    assert verdicts("student.int8.tflite", 0.99) == {"failed"}


def test_false_takes_a_gate_away_from_a_file(found: list[Measured]) -> None:
    off = {"student.int8.onnx": {"all_int8": False}}
    assert [row.file for row in rows(found, all_int8=True, files=off)] == ["student.int8.tflite"]


def test_without_a_bench_a_gate_is_skipped_and_not_passed(found: list[Measured]) -> None:
    changed = [
        Measured(
            row=one.row.model_copy(update={"device": None, "median_ns": None}),
            report=one.report, predictions=None, document=None,
        )
        for one in found
    ]  # fmt: skip
    verdicts = rows(changed, top1=0.1, median_ms=5.0, size_kb=1e6)
    assert {(row.name, row.verdict) for row in verdicts} == {
        ("top1", "skipped"), ("median_ms", "skipped"), ("size_kb", "passed"),
    }  # fmt: skip


def test_a_disturbed_latency_is_undecided(found: list[Measured]) -> None:
    disturbed = [
        Measured(
            row=one.row.model_copy(update={"latency_note": "disturbed"}),
            report=one.report, predictions=one.predictions, document=one.document,
        )
        for one in found
    ]  # fmt: skip
    verdicts = rows(disturbed, median_ms=1e6, p90_ms=1e-6)
    assert {row.verdict for row in verdicts} == {"undecided"}
    assert {row.reason for row in verdicts} == {"the measurement is not reliable: disturbed"}


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


@pytest.mark.parametrize("true", [0.0, 0.05])
def test_the_interval_of_the_calibration_error_holds_it(found: list[Measured], true: float) -> None:
    """Networks whose probabilities are too large by `true`."""
    random, held = np.random.default_rng(0), []
    for _ in range(40):
        shares = random.uniform(0.6, 1, 500).round(4)
        right = random.random(500) < shares - true
        predictions = Predictions.of({}, np.zeros(500, np.int64), device="local", digest="")
        said = ModelPredictions(
            predicted=tuple((~right).astype(int).tolist()), confidence=tuple(shares.tolist())
        )
        name = found[0].row.name
        one = replace(found[0], predictions=predictions.model_copy(update={"models": {name: said}}))
        figure = one.figure("ece")
        held.append(figure.low <= true <= figure.high)
    assert np.mean(held) >= 0.9


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
    assert page.read_text().startswith("## ⚠️ tiny: 2 skipped")
    assert command(*call, "--strict")[0] == 1
    assert page.read_text().startswith("## ❌ tiny: 2 skipped")
    assert ET.parse(junit).getroot().get("failures") == "2"


def test_a_teacher_s_file_is_compared_with_no_student(found: list[Measured]) -> None:
    names = ("drop_vs_float", "drop_vs_teacher", "agreement", "negative_flips", "worst_class_drop")
    limits = {"files": {"teacher.float32.onnx": dict.fromkeys(names, 0.5)}}
    assert {row.verdict for row in rows(found, **limits)} == {"skipped"}


def test_an_emulated_device_gives_no_speed_and_no_memory(found: list[Measured]) -> None:
    emulated = [
        replace(one, row=one.row.model_copy(update={"latency_note": "emulated"})) for one in found
    ]
    verdicts = rows(emulated, speedup=1e-9, peak_memory_mb=1e6, median_ms=1e6)
    assert {row.verdict for row in verdicts} == {"undecided"}


def test_a_run_without_predictions_has_its_remedy(run: Path, tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()
    (tmp_path / "report.json").write_bytes((run / "report.json").read_bytes())
    with pytest.raises(InputError, match=r"there are no predictions of local, which was measured"):
        runs.measured(tmp_path)
    (tmp_path / "predictions" / "local.json").write_text("{}")
    with pytest.raises(InputError, match=r"not predictions of schema predictions/1: device: Field"):
        runs.measured(tmp_path)

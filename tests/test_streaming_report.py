"""What a report says about words in a long sound, and the gates on it."""

import re
from collections.abc import Mapping, Sequence

import pytest

from pipeline.gates.figures import Measured
from pipeline.gates.judging import judged
from pipeline.recipe.gates import Gates
from pipeline.reporting.findings import streaming as findings
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.schema.report import Report
from pipeline.reporting.schema.streaming import Streaming
from pipeline.reporting.streaming_rows import row
from pipeline.reporting.tables.models import print_report
from targets.evaluation.streaming import OperatingPoint
from targets.formats.streaming import StreamSummary
from tests.reports import cells, two_formats

SYNTHESISED = StreamSummary(
    made="synthesised",
    source="test",
    seconds=1800,
    words=200,
    others=20,
    background="90 s of background recordings, repeated",
    snr_db=12.5,
)
RECORDED = StreamSummary(made="recorded", source="<room>.wav", seconds=1800, words=200)


def point(threshold: float, *, missed: int, false_accepts: int) -> OperatingPoint:
    return OperatingPoint(
        threshold=threshold, words=200, missed=missed, false_accepts=false_accepts, hours=0.5
    )


POINTS = [
    point(0.5, missed=0, false_accepts=40),
    point(0.8, missed=10, false_accepts=2),
    point(0.9, missed=60, false_accepts=0),
]
SILENT = point(9.0, missed=200, false_accepts=0)


def stream(
    thresholds: Mapping[str, float | None],
    *,
    judged_on: StreamSummary = SYNTHESISED,
    chosen_on: StreamSummary = SYNTHESISED,
    same: bool = False,
) -> Streaming:
    return Streaming(
        hop_s=0.25,
        window_s=1.0,
        smoothed_over=3,
        pause_s=1.0,
        false_accepts_per_hour=5,
        chosen_on=chosen_on,
        judged_on=judged_on,
        same=same,
        files=tuple(row(name, at, POINTS, silent=SILENT) for name, at in thresholds.items()),
    )


BOTH = {"student.int8.tflite": 0.8, "student.int8.onnx": 0.8}


def with_stream(found: Streaming | None) -> Report:
    return two_formats().model_copy(update={"streaming": found})


def test_a_row_has_the_counts_at_its_threshold() -> None:
    made = row("a", 0.8, POINTS, silent=SILENT)
    assert (made.missed, made.false_reject_rate) == (10, 0.05)
    assert made.false_reject_ci == pytest.approx((0.0274, 0.0896), abs=1e-4)  # Wilson, 10 of 200
    assert (made.false_accepts, made.false_accepts_per_hour) == (2, 4.0)
    assert made.false_accepts_ci == pytest.approx((2 * 0.2422, 2 * 7.2247), abs=1e-3)  # Poisson, 2
    assert made.curve == ((0.5, 80, 0), (0.8, 4, 0.05), (0.9, 0, 0.3))


def test_a_file_without_a_threshold_is_judged_as_a_silent_one() -> None:
    made = row("a", None, POINTS, silent=SILENT)
    assert (made.missed, made.false_reject_rate, made.false_accepts) == (200, 1.0, 0)


def verdicts(report: Report, **gates: float) -> Sequence[GateRow]:
    found = [
        Measured(row=one, report=report, predictions=None, document=None) for one in report.models
    ]
    return judged(Gates.model_validate(gates), found)


@pytest.mark.parametrize(
    ("gates", "verdict", "value"),
    [
        ({"false_reject_rate": 0.09}, "passed", 0.05),
        ({"false_reject_rate": 0.06}, "undecided", 0.05),
        ({"false_reject_rate": 0.02}, "failed", 0.05),
        ({"false_accepts_per_hour": 15.0}, "passed", 4.0),
        ({"false_accepts_per_hour": 5.0}, "undecided", 4.0),
        ({"false_accepts_per_hour": 0.2}, "failed", 4.0),
    ],
)
def test_a_gate_is_decided_by_the_interval(
    gates: dict[str, float], verdict: str, value: float
) -> None:
    rows = verdicts(with_stream(stream(BOTH)), **gates)
    assert {one.file for one in rows} == BOTH.keys()
    assert {(one.verdict, one.value, one.device) for one in rows} == {(verdict, value, None)}


def test_without_a_stream_a_gate_is_skipped_and_says_why() -> None:
    rows = verdicts(with_stream(None), false_reject_rate=0.5, false_accepts_per_hour=9.0)
    assert len(rows) == 4
    reason = "no stream was evaluated: it takes [streaming] in the recipe"
    assert {(one.verdict, one.reason) for one in rows} == {("skipped", reason)}
    without_bench = with_stream(None)
    without_bench.recipe["streaming"] = {"enabled": True}
    rows = verdicts(without_bench, false_reject_rate=0.5)
    assert {one.reason for one in rows} == {"no stream was evaluated: it takes a bench"}
    rows = verdicts(with_stream(stream({"student.int8.onnx": 0.8})), false_reject_rate=0.5)
    assert {(one.file, one.verdict) for one in rows} == {
        ("student.int8.onnx", "passed"), ("student.int8.tflite", "skipped"),
    }  # fmt: skip


def test_a_file_that_can_only_be_silent_passes_no_gate() -> None:
    silent = with_stream(stream(dict.fromkeys(BOTH)))
    assert {one.verdict for one in verdicts(silent, false_reject_rate=0.9)} == {"failed"}
    rows = verdicts(silent, false_accepts_per_hour=100.0)
    assert {one.verdict for one in rows} == {"undecided"}
    assert "no threshold kept the limit" in str(rows[0].reason)


def test_the_page_shows_the_curve_and_says_what_was_heard() -> None:
    page = render(with_stream(stream({**BOTH, "student.float32.onnx": 0.9}, judged_on=RECORDED)))
    (figure,) = re.findall(r'<svg role="img" aria-label="Missed words[^>]*>.*?</svg>', page, re.S)
    assert "student.int8.tflite, student.int8.onnx</text>" in figure  # one line of equal curves
    assert "student.float32.onnx 30.00 % at 0.0" in figure
    assert "the recording &lt;room&gt;.wav of 30 minutes with 200 words" in page
    header, rows = cells(page, "file")
    assert header[1] == "threshold %"
    assert rows[0][:4] == ["student.int8.tflite", "80", "10 of 200", "5.00"]
    assert "Words in a long sound" not in render(with_stream(None))


def test_the_terminal_has_one_line_of_an_int8_file(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(with_stream(stream({"student.float32.onnx": 0.9, **BOTH})))
    said = [line for line in capsys.readouterr().out.splitlines() if "long sound" in line]
    assert said == [
        "In a long sound student.int8.tflite misses 5.00 % of 200 words (2.74 to 8.96) with 4.0 "
        "false accepts per hour (0.5 to 14.4), at the threshold 0.8."
    ]


def test_the_model_card_says_what_is_known_about_long_sounds() -> None:
    (known,) = findings.lines(with_stream(stream(BOTH, judged_on=RECORDED)))
    assert known.startswith("In a long sound student.int8.tflite misses 5.00 %")
    assert known.endswith("judged on the recording <room>.wav of 30 minutes with 200 words.")
    plain = with_stream(None)
    assert list(findings.lines(plain)) == []
    kind = plain.dataset.model_copy(update={"kind": "waveform"})
    (unknown,) = findings.lines(plain.model_copy(update={"dataset": kind}))
    assert "were not measured" in unknown


def test_words_say_what_is_weak_about_a_stream() -> None:
    plain = " ".join(findings.sentences(stream(BOTH), ["_silence_", "yes"]))
    assert (
        "a synthesised stream of 30 minutes: 200 clips of words and 20 of other words from the "
        "split 'test' at random distances, 12.5 dB above 90 s of background recordings, repeated."
    ) in plain
    assert "Synthesised streams are easier than a room" in plain
    assert "no class for silence" not in plain
    own = stream(BOTH, judged_on=RECORDED, chosen_on=RECORDED, same=True)
    weak = " ".join(findings.sentences(own, ["no", "yes"]))
    assert "on this recording too, so that the figures are better" in weak
    assert "no class for silence or for other words" in weak
    assert "Synthesised" not in weak
    assert "cannot be used" in findings.headline(stream(dict.fromkeys(BOTH)))

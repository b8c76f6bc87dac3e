"""Google's native tool: run as asked, and nothing is made of its text but what it says."""

import stat
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from targets.bench.agent.job import AgentJob
from targets.devices.local.link import LocalLink
from targets.errors import DeviceError, InputError
from targets.runtimes.benchmark_model import BenchmarkModel, native_tool, timings
from targets.runtimes.native import NativeTimings

LIMITS: AgentJob = {
    "threads": 2, "warmup_runs": 5, "warmup_ns": 500_000_000, "min_queries": 128,
    "min_duration_ns": 10 * 10**9, "max_duration_ns": 60 * 10**9,
}  # fmt: skip

NEWEST = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Graph: [digits.int8.tflite]
INFO: Loaded model digits.int8.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: The input model file size (MB): 0.089864
INFO: Initialized session in 6.217ms.
INFO: Running benchmark for at least 5 iterations and at least 0.5 seconds but terminate if \
exceeding 60 seconds.
INFO: count=161 first=3912 curr=3105 min=3006 max=9120 avg=3140.62 std=811 p5=3021 median=3098 \
p95=3720

INFO: Running benchmark for at least 128 iterations and at least 10 seconds but terminate if \
exceeding 60 seconds.
INFO: count=3217 first=3101 curr=3094 min=2998 max=7407 avg=3107.35 std=140 p5=3019 median=3089 \
p95=3233

INFO: Inference timings in us: Init: 6217, First inference: 3912, Warmup (avg): 3140.62, \
Inference (avg): 3107.35
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only \
APPROXIMATE to the actual memory footprint of the model at runtime.
INFO: Memory footprint delta from the start of the tool (MB): init=39.5 overall=40.8125
"""

NEWER = """\
STARTING!
Graph: [/data/local/tmp/teacher.tflite]
Loaded model /data/local/tmp/teacher.tflite
Initialized session in 12.404ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding \
150 seconds.
count=1 curr=1834207

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding \
150 seconds.
count=50 first=1802213 curr=1790455 min=1780122 max=1911008 avg=1.79624e+06 std=20713

Inference timings in us: Init: 12404, First inference: 1834207, Warmup (avg): 1.83421e+06, \
Inference (avg): 1.79624e+06
Peak memory footprint (MB): init=4.25 overall=46.5
Profiling Info for Regular Benchmark Runs:
Timings (microseconds): count=50 first=7120 curr=7099 min=7001 max=7431 avg=7104 std=65
Memory (bytes): count=0
"""

OLDER = """\
Loaded model mobilenet.tflite
resolved reporter
Initialized session in 20.155ms
Running benchmark for at least 1 iterations and at least 0.5 seconds
count=8 first=71023 curr=65120 min=64998 max=71023 avg=66310.4 std=1846

Running benchmark for at least 50 iterations and at least 1 seconds
count=50 first=61208 curr=60233 min=59871 max=64110 avg=60412.5 std=702

Timings (microseconds): count=50 first=71 curr=72 min=70 max=73 avg=71.5 std=1
Memory (bytes): count=0
31 nodes observed

Average inference timings in us: Warmup: 66310.4, Init: 20155, Inference: 60412.5
"""


def stub(folder: Path, text: str, *, rc: int = 0, more: str = "") -> BenchmarkModel:
    """A program that prints `text` and writes its arguments to `arguments` beside it."""
    tool = folder / "benchmark_model"
    tool.write_text(
        f"#!{sys.executable} -S\nimport pathlib, sys\n"
        f"pathlib.Path({str(folder / 'arguments')!r}).write_text('\\n'.join(sys.argv[1:]))\n"
        f"{more}\nprint({text!r}, end='')\nsys.exit({rc})\n"
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return native_tool(tool)


def measured(tool: BenchmarkModel, folder: Path, timeout_s: float = 30) -> NativeTimings:
    return tool.measure(
        link=LocalLink(folder),
        model=Path("student.tflite"),
        out=folder / "out.txt",
        limits=LIMITS,
        timeout_s=timeout_s,
    )


def test_the_newest_form_says_a_median_too() -> None:
    assert timings(NEWEST) == NativeTimings(
        mean_ns=3_107_350,
        count=3217,
        min_ns=2_998_000,
        max_ns=7_407_000,
        std_ns=140_000,
        median_ns=3_089_000,
        init_ns=6_217_000,
        first_inference_ns=3_912_000,
    )


def test_the_newer_form_has_exponents_and_no_median() -> None:
    seen = timings(NEWER)
    assert seen.mean_ns == 1_796_240_000
    assert (seen.count, seen.min_ns, seen.max_ns) == (50, 1_780_122_000, 1_911_008_000)
    assert seen.median_ns is None


def test_the_older_form_has_no_first_inference() -> None:
    assert asdict(timings(OLDER)) == {
        "mean_ns": 60_412_500,
        "count": 50,
        "min_ns": 59_871_000,
        "max_ns": 64_110_000,
        "std_ns": 702_000,
        "median_ns": None,
        "init_ns": 20_155_000,
        "first_inference_ns": None,
    }


def test_the_first_form_called_its_mean_no_stats() -> None:
    seen = timings("Average inference timings in us: Warmup: 90412, Init: 8120, no stats: 88710")
    assert seen == NativeTimings(mean_ns=88_710_000, init_ns=8_120_000)


@pytest.mark.parametrize(
    "prefix",
    ["07-08 15:34:26.201 I/tflite  ( 5395): ", "I tflite  : ", "2026-01-01 0:00: I tool.cc:324] "],
)
@pytest.mark.parametrize("text", [NEWEST, NEWER, OLDER], ids=["newest", "newer", "older"])
def test_a_logs_prefix_and_line_ends_change_nothing(prefix: str, text: str) -> None:
    logged = "".join(f"{prefix}{line}\r\n" for line in text.replace("INFO: ", "").splitlines())
    assert timings(logged) == timings(text)


@pytest.mark.parametrize("counts", ["count=1 curr=12", "count=9 curr=12(all same)"])
def test_queries_that_took_the_same_time_have_no_deviation(counts: str) -> None:
    warmup = "count=3 first=20 curr=12 min=11 max=20 avg=14 std=4"
    seen = timings(f"{warmup}\n{counts}\nInference timings in us: Init: 9, Inference (avg): 12\n")
    assert (seen.min_ns, seen.max_ns, seen.median_ns) == (12_000, 12_000, 12_000)
    assert seen.std_ns is None


def test_the_counts_of_a_warm_up_are_not_those_of_the_run() -> None:
    text = "count=3 first=20 curr=12 min=11 max=20 avg=14 std=4\nInference timings in us: Init: 9, "
    assert timings(f"{text}Inference (avg): 12").count is None


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("", "nothing."),
        ("Loaded model a.tflite\nERROR: Op type not registered 'Foo'\n\n", "ERROR: Op type not"),
        (NEWEST.partition("INFO: Inference timings")[0], "INFO: count=3217"),
        ("Inference timings in us: Init: 12, ", "Inference timings in us: Init: 12,"),
    ],
    ids=["empty", "error", "cut before", "cut within"],
)
def test_a_text_without_timings_is_an_error_with_its_last_line(text: str, last: str) -> None:
    with pytest.raises(DeviceError) as caught:
        timings(text, what="device local: a.tflite in benchmark_model")
    message = str(caught.value)
    assert message.startswith("device local: a.tflite in benchmark_model: no timings")
    assert f"the last line is: {last}" in message


def test_the_tool_gets_the_protocol_as_flags(tmp_path: Path) -> None:
    assert measured(stub(tmp_path, NEWEST), tmp_path) == timings(NEWEST)
    assert (tmp_path / "arguments").read_text().splitlines() == [
        f"--graph={Path('student.tflite').absolute()}",
        "--num_threads=2",
        "--warmup_runs=5",
        "--warmup_min_secs=0.5",
        "--num_runs=128",
        "--min_secs=10",
        "--max_secs=60",
        "--enable_op_profiling=false",
    ]


def test_the_shapes_of_all_inputs_are_two_flags() -> None:
    shapes = {"image:0": [1, 48, 320, 3], "length": [1]}
    command = BenchmarkModel(tool=Path("t")).command(
        tool="t", model="m.tflite", out="o", limits=LIMITS, shapes=shapes
    )
    assert command[-2:] == ["--input_layer=image:0,length", "--input_layer_shape=1,48,320,3:1"]


def test_an_input_that_the_tool_cannot_name_is_refused() -> None:
    tool = BenchmarkModel(tool=Path("t"))
    with pytest.raises(InputError, match="the input 'a,b' has a comma"):
        tool.command(tool="t", model="m", out="o", limits=LIMITS, shapes={"a,b": [1]})


def test_what_it_says_on_stderr_counts_as_said(tmp_path: Path) -> None:
    tool = stub(tmp_path, "", more=f"sys.stderr.write({OLDER!r})")
    assert measured(tool, tmp_path) == timings(OLDER)


def test_a_tool_that_fails_tells_its_last_line(tmp_path: Path) -> None:
    tool = stub(tmp_path, "Loaded model\nERROR: Failed to allocate tensors!\n", rc=1)
    with pytest.raises(DeviceError) as caught:
        measured(tool, tmp_path)
    assert str(caught.value) == (
        "device local: student.tflite in benchmark_model: it ended with 1: "
        "ERROR: Failed to allocate tensors!"
    )


def test_timings_of_an_earlier_run_are_not_taken_for_this_ones(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text(NEWEST)
    with pytest.raises(DeviceError, match="no timings in what it printed"):
        measured(stub(tmp_path, "Loaded model\n"), tmp_path)


def test_a_tool_that_does_not_end_is_ended(tmp_path: Path) -> None:
    tool = stub(tmp_path, "", more="import time; time.sleep(1000)")
    with pytest.raises(DeviceError, match="not done after 1 s and ended"):
        measured(tool, tmp_path, timeout_s=1)


@pytest.mark.parametrize("kind", ["absent", "folder", "text"])
def test_what_is_no_program_is_refused_with_a_remedy(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("")
    with pytest.raises(InputError, match=r"benchmark_model: .* chmod \+x"):
        native_tool(path)

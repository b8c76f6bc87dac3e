"""Several devices at once: one that fails, a lost connection, Ctrl-C, and cooling down."""

import base64
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import pytest

from pipeline.cli.app import main
from targets.bench.agent.job import InputSpec
from targets.bench.assemble import document
from targets.bench.case import BenchCase
from targets.bench.observe import Observations
from targets.bench.plan import Bench, BenchPlan
from targets.bench.request import BenchRequest
from targets.bench.result import read
from targets.bench.runner import AgentRunner
from targets.devices import DEVICE_KINDS, inventory
from targets.devices.connection import described
from targets.devices.contract import Completed, Device, LinkLost
from targets.devices.cooling import Cooling
from targets.devices.facts import DeviceFacts
from targets.devices.fake.kind import FakeKind
from targets.devices.fake.link import FakeLink
from targets.devices.local.probe import probe_local
from targets.devices.parallel import on_each_device
from targets.errors import DeviceError
from targets.runtimes import RUNTIMES
from tests.brief import brief
from tests.conftest import Lane

FLEET = """
[pi4]
url = "fake://four"
[pi5]
url = "dead://five"
[phone]
url = "emulated://phone"
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    brief(monkeypatch)


def dead(argv: list[str]) -> Completed:
    raise DeviceError("device pi5: no answer. Is it switched on?")


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Three devices: one is this machine, one is dead and one is emulated."""
    (tmp_path / "devices.toml").write_text(FLEET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with (
        DEVICE_KINDS.added("fake", FakeKind()),
        DEVICE_KINDS.added("dead", FakeKind(handler=dead)),
        DEVICE_KINDS.added("emulated", FakeKind(facts={"emulated": True})),
    ):
        yield tmp_path


def invoke(*argv: object) -> Any:
    return click.testing.CliRunner().invoke(main, [*map(str, argv)], standalone_mode=False)


def test_one_dead_device_is_an_error_and_the_others_finish(fleet: Path, finished: Lane) -> None:
    models = finished.out / "tiny" / "models"
    int8, other = models / "student.int8.tflite", models / "student.int8.onnx"
    given = ["--device", "pi4", "--device", "pi5", "--device", "phone", "--tier", "rapid"]
    done = invoke("bench", int8, other, "--baseline", other, *given)
    assert done.return_value == 3
    assert "device pi5: no answer. Is it switched on?" in done.stderr
    assert sorted(path.name for path in (fleet / "bench").iterdir()) == [
        "bench.html",
        "phone.json",
        "pi4.json",
    ]
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    for device in ("pi4", "phone"):
        for model in (int8, other):
            assert [device, model.name] in lines
    assert "pi4: bench     block 1/2: 2 models" in done.stderr
    assert "pi5" in (fleet / "bench" / "bench.html").read_text()


def test_times_of_an_emulated_device_give_no_speed_up(fleet: Path, finished: Lane) -> None:
    models = finished.out / "tiny" / "models"
    int8, other = models / "student.int8.tflite", models / "student.int8.onnx"
    done = invoke("bench", int8, "--baseline", other, "--device", "phone", "--tier", "rapid")
    assert "emulated: these times mean nothing" in done.stdout
    (row,) = read(fleet / "bench" / "phone.json").comparison
    assert (row.ratio, row.verdict) == (None, "invalid")
    assert "emulated" in row.invalid_reasons[0]


def test_a_run_measures_on_every_device_and_ends_with_3_where_one_failed(
    fleet: Path, finished: Lane, recipe_file: Path, data_file: Path
) -> None:
    store = shutil.copytree(finished.out / ".store", fleet / "store")
    given = ["--device", "pi4", "--device", "pi5", "--data", data_file]
    done = invoke(
        "run", recipe_file, *given, "--target", "tflite", "--out", fleet / "out", "--store",
        store,
    )  # fmt: skip
    assert done.return_value == 3
    assert "device pi5: no answer" in done.stderr
    report = json.loads((fleet / "out" / "tiny" / "report.json").read_text())
    measured = {(row["device"], row["median_ns"] is not None) for row in report["models"]}
    assert measured == {("pi4", True), ("pi5", False)}
    assert list(report["environment"]["failed_devices"]) == ["pi5"]


def test_where_every_device_fails_nothing_is_published(
    fleet: Path, finished: Lane, recipe_file: Path, data_file: Path
) -> None:
    store = shutil.copytree(finished.out / ".store", fleet / "store")
    given = ["--device", "pi5", "--data", data_file, "--target", "tflite"]
    done = invoke("run", recipe_file, *given, "--out", fleet / "out", "--store", store)
    assert isinstance(done.exception, DeviceError)
    assert not (fleet / "out" / "tiny").exists()


def loose(folder: Path, times: int) -> FakeLink:
    """A link whose cable comes loose a number of times."""
    left = iter(range(times))

    def handler(argv: list[str]) -> None:
        if next(left, None) is not None:
            raise LinkLost("device fake: the connection is gone.")

    return FakeLink(folder, handler=handler)


def bench(link: FakeLink, *, retry_s: float) -> Bench:
    protocol = BenchPlan(processes=2, min_queries=4, min_duration_s=0, max_duration_s=9)
    runner = AgentRunner(link=link, folder=link.folder, retry_s=retry_s, retry_every_s=0.01)
    return Bench(runner=runner, plan=protocol)


def tiny(tmp_path: Path) -> BenchCase:
    path = tmp_path / "x.tflite"
    path.write_bytes(base64.b64decode(RUNTIMES["ai_edge_litert"].session.SELF_TEST_MODEL))
    entry: InputSpec = {"shape": [1, 4], "dtype": "float32", "kind": "random", "low": 0, "high": 1}
    return BenchCase(name="x", format="tflite", path=path, inputs={"x": entry})


def test_a_connection_that_comes_back_goes_on_at_the_same_block(tmp_path: Path) -> None:
    link = loose(tmp_path, times=2)
    blocks = bench(link, retry_s=60).latency([tiny(tmp_path)], say=lambda text: None)
    assert [block.index for block in blocks] == [0, 1]
    assert len(link.commands) == 4


def test_a_connection_lost_between_two_blocks_is_waited_for_too(tmp_path: Path) -> None:
    losses = iter([None, LinkLost("device local: gone.")])

    def cool() -> None:
        if (lost := next(losses, None)) is not None:
            raise lost

    steady = bench(FakeLink(tmp_path), retry_s=60)
    measured = replace(steady, runner=replace(steady.runner, cool=cool))
    blocks = measured.latency([tiny(tmp_path)], say=lambda text: None)
    assert [block.index for block in blocks] == [0, 1]
    assert next(losses, "none is left") == "none is left"


def test_a_connection_lost_at_the_very_end_costs_no_result(tmp_path: Path) -> None:
    lines: list[str] = []
    AgentRunner(link=loose(tmp_path, times=1), folder=tmp_path, say=lines.append).tidy()
    assert lines == ["device fake: the connection is gone. What its jobs wrote is still there."]


def test_a_connection_that_stays_away_is_a_failure_after_the_window(tmp_path: Path) -> None:
    with pytest.raises(LinkLost):
        bench(loose(tmp_path, times=10**6), retry_s=0.2).latency(
            [tiny(tmp_path)], say=lambda text: None
        )


def test_devices_are_measured_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=20)
    devices = [inventory.device("ssh://a"), inventory.device("ssh://b")]

    def measure(device: Device, stop: threading.Event) -> str:
        both.wait()  # one after the other would wait for ever
        return device.name

    assert on_each_device(devices, measure) == ["ssh://a", "ssh://b"]


def test_what_ends_one_measurement_stops_the_others() -> None:
    devices = [inventory.device("ssh://a"), inventory.device("ssh://b")]

    def measure(device: Device, stop: threading.Event) -> None:
        if device.name == "ssh://a":
            raise KeyboardInterrupt
        assert stop.wait(20)

    with pytest.raises(KeyboardInterrupt):
        on_each_device(devices, measure)


def test_a_block_waits_until_the_device_has_cooled_down() -> None:
    lines: list[str] = []
    readings = iter([50.0, 56.0, 54.0, 51.9, 60.0])
    cool = Cooling(read=lambda: next(readings), say=lines.append, every_s=0.001)
    cool()  # the first block's
    assert (cool.limit_c, lines) == (52.0, [])
    cool()
    assert lines == ["bench     cooling down from 56 to 52 degrees C"]
    assert next(readings) == 60.0


def test_a_device_that_stays_warm_is_measured_after_five_minutes() -> None:
    times, readings = iter([0.0, 299.0, 301.0]), iter([70.0, 71.0, 72.0])
    Cooling(
        read=lambda: next(readings),
        limit_c=60.0,
        say=lambda text: None,
        clock=lambda: next(times),
        every_s=0.001,
    )()
    assert (list(times), list(readings)) == ([], [72.0])  # one wait, at 299 s; none at 301 s


def test_a_device_without_a_thermometer_is_not_waited_for() -> None:
    lines: list[str] = []
    cool = Cooling(
        read=lambda: None, limit_c=60.0, say=lines.append, clock=lambda: pytest.fail("it waits")
    )
    cool()
    unlimited = replace(cool, limit_c=None)
    unlimited()
    assert (unlimited.limit_c, lines) == (None, [])


def test_the_document_of_an_emulated_device_is_marked() -> None:
    request = BenchRequest(models=(), plan=BenchPlan.of_tier("rapid"))
    device = described(inventory.device("ssh://a"), replace(probe_local(), emulated=True))
    made = document(request, Observations(cases={}), device)
    assert (made.device.emulated, made.device.adapter) == (True, "ssh")


def test_an_unknown_fact_is_null_or_left_out() -> None:
    found = described(inventory.device("adb://A"), DeviceFacts(abi="arm64-v8a"))
    assert (found["id"], found["adapter"], found["libc"]) == ("adb://A", "adb", None)
    assert "loadavg1" not in found

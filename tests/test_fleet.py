"""Several devices at once: a dead one is told, a lost connection is waited for, Ctrl-C ends all."""

import base64
import json
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import pytest

from pipeline.cli.app import main
from targets.bench import runner as host_module
from targets.bench.agent.job import InputSpec
from targets.bench.assemble import document
from targets.bench.case import BenchCase
from targets.bench.observe import Observations
from targets.bench.plan import Bench, BenchPlan
from targets.bench.request import BenchRequest
from targets.bench.result import read
from targets.bench.runner import AgentRunner
from targets.devices import connection, inventory
from targets.devices.connection import Connected, Wish
from targets.devices.cooling import Cooling
from targets.devices.cpus import probe_local
from targets.devices.inventory import Device
from targets.devices.link import Completed, LinkLost
from targets.devices.local.link import LocalLink
from targets.devices.parallel import at_once
from targets.errors import DeviceError
from targets.runtimes import RUNTIMES, runtime_for
from tests.brief import brief
from tests.conftest import Lane

FLEET = """
[pi4]
url = "ssh://pi@four.invalid"
[pi5]
url = "ssh://pi@five.invalid"
[phone]
url = "adb://ABC"
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    brief(monkeypatch)
    monkeypatch.setattr(host_module, "RETRY_EVERY_S", 0.01)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three devices of which one is this machine in disguise, one is gone and one is emulated."""
    (tmp_path / "devices.toml").write_text(FLEET)
    monkeypatch.chdir(tmp_path)

    @contextmanager
    def connected(
        device: Device, wish: Wish, *, scratch: Path, say: Any, stop: Any = None
    ) -> Iterator[Connected]:
        if device.name == "pi5":
            raise DeviceError("device pi5: no answer. Is it switched on?")
        link = LocalLink(scratch)
        link.name = device.name
        described = {**probe_local(), "id": device.name, "emulated": device.name == "phone"}
        defaults = {kind: runtime_for(kind) for kind in ("tflite", "onnx")}
        yield Connected(
            runner=AgentRunner(link=link, folder=scratch), device=described, defaults=defaults
        )

    monkeypatch.setattr(connection, "connected", connected)
    return tmp_path


def invoke(*argv: object) -> Any:
    return click.testing.CliRunner().invoke(main, [*map(str, argv)], standalone_mode=False)


def test_one_dead_device_is_told_and_the_others_finish(fleet: Path, finished: Lane) -> None:
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


class Cable(LocalLink):
    """Comes loose a number of times."""

    def __init__(self, folder: Path, times: int) -> None:
        super().__init__(folder)
        self.left = times
        self.runs = 0

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Completed:
        self.runs += 1
        if self.left:
            self.left -= 1
            raise LinkLost("device local: the connection is gone.")
        return super().run(argv, env=env, timeout_s=timeout_s)


def bench(link: LocalLink, *, retry_s: float) -> Bench:
    protocol = BenchPlan(processes=2, min_queries=4, min_duration_s=0, max_duration_s=9)
    return Bench(runner=AgentRunner(link=link, folder=link.folder, retry_s=retry_s), plan=protocol)


def tiny(tmp_path: Path) -> BenchCase:
    path = tmp_path / "x.tflite"
    path.write_bytes(base64.b64decode(RUNTIMES["ai_edge_litert"].session.SELF_TEST_MODEL))
    entry: InputSpec = {"shape": [1, 4], "dtype": "float32", "kind": "random", "low": 0, "high": 1}
    return BenchCase(name="x", format="tflite", path=path, inputs={"x": entry})


def test_a_connection_that_comes_back_goes_on_at_the_same_block(tmp_path: Path) -> None:
    link = Cable(tmp_path, times=2)
    blocks = bench(link, retry_s=60).latency([tiny(tmp_path)], say=lambda text: None)
    assert [block.index for block in blocks] == [0, 1]
    assert link.runs == 4


def test_a_connection_lost_between_two_blocks_is_waited_for_too(tmp_path: Path) -> None:
    losses = iter([None, LinkLost("device local: gone.")])

    def cool() -> None:
        if (lost := next(losses, None)) is not None:
            raise lost

    steady = bench(LocalLink(tmp_path), retry_s=60)
    measured = replace(steady, runner=replace(steady.runner, cool=cool))
    blocks = measured.latency([tiny(tmp_path)], say=lambda text: None)
    assert [block.index for block in blocks] == [0, 1]
    assert next(losses, "all were had") == "all were had"


def test_a_connection_lost_at_the_very_end_costs_no_result(tmp_path: Path) -> None:
    said: list[str] = []
    AgentRunner(link=Cable(tmp_path, times=1), folder=tmp_path, say=said.append).tidy()
    assert said == ["device local: the connection is gone. What its jobs wrote is still there."]


def test_a_connection_that_stays_away_is_a_failure_after_the_window(tmp_path: Path) -> None:
    with pytest.raises(LinkLost):
        bench(Cable(tmp_path, times=10**6), retry_s=0.2).latency(
            [tiny(tmp_path)], say=lambda text: None
        )


def test_devices_are_measured_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=20)
    devices = [inventory.device("ssh://a"), inventory.device("ssh://b")]

    def measure(device: Device, stop: threading.Event) -> str:
        both.wait()  # one after the other would wait for ever
        return device.name

    assert at_once(devices, measure) == ["ssh://a", "ssh://b"]


def test_what_ends_one_measurement_stops_the_others() -> None:
    devices = [inventory.device("ssh://a"), inventory.device("ssh://b")]

    def measure(device: Device, stop: threading.Event) -> None:
        if device.name == "ssh://a":
            raise KeyboardInterrupt
        assert stop.wait(20)

    with pytest.raises(KeyboardInterrupt):
        at_once(devices, measure)


def test_a_block_waits_until_the_device_is_as_cool_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("targets.devices.cooling.EVERY_S", 0.001)
    said: list[str] = []
    readings = iter([50.0, 56.0, 54.0, 51.9, 60.0])
    cool = Cooling(read=lambda: next(readings), say=said.append)
    cool()  # the first block's
    assert (cool.limit_c, said) == (52.0, [])
    cool()
    assert said == ["bench     cooling down from 56 to 52 degrees C"]
    assert next(readings) == 60.0


def test_a_device_that_stays_warm_is_measured_after_five_minutes() -> None:
    times = iter([0.0, 299.0, 301.0])
    stop = threading.Event()
    cool = Cooling(
        read=lambda: 70.0, limit_c=60.0, say=lambda text: None, stop=stop, clock=lambda: next(times)
    )
    cool.stop.wait = lambda timeout=None: False  # type: ignore[method-assign]
    cool()


def test_a_device_without_a_thermometer_is_not_waited_for() -> None:
    Cooling(read=lambda: None, say=lambda text: None)()


def test_the_document_of_an_emulated_device_is_stamped() -> None:
    request = BenchRequest(models=(), plan=BenchPlan.of_tier("rapid"))
    made = document(request, Observations(cases={}), {**probe_local(), "emulated": True})
    assert made.device.emulated

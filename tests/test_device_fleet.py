"""Devices of one model share a queue; what is lost or too warm is taken out."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from targets.bench.fleet import Fleet, Throttled
from targets.bench.runner import local_runner
from targets.devices import inventory
from targets.devices.connection import ReadyDevice
from targets.devices.contract import LinkLost
from targets.devices.local.probe import probe_local
from targets.devices.one_model import require_one_model
from targets.errors import DeviceError, InputError

Measure = Callable[[str, int], str]


def fleet(*names: str, lines: list[str] | None = None) -> Fleet[str]:
    made = Fleet[str](names, stop=threading.Event(), say=([] if lines is None else lines).append)
    made.left.update({name: name for name in names})
    return made


def on(device: str, item: int) -> str:
    return f"{item} on {device}"


def failing(error: Exception, *, device: str, items: tuple[int, ...] = (0, 1, 2, 3)) -> Measure:
    """Items fail on one device; the other one waits until that has happened."""
    failed = threading.Event()

    def measure(name: str, item: int) -> str:
        if name == device and item in items:
            failed.set()
            raise error
        assert failed.wait(20)
        return on(name, item)

    return measure


def test_whichever_device_is_free_takes_the_next_item() -> None:
    rest = threading.Barrier(2, timeout=20)

    def measure(device: str, item: int) -> str:
        if item in (0, 3):
            rest.wait()  # the first device is busy until the other one has done all the rest
        return on(device, item)

    results = fleet("a", "b").each([0, 1, 2, 3], measure)
    first = str(results[0])[-1]
    other = {"a": "b", "b": "a"}[first]
    assert results == [on(first, 0), *(on(other, item) for item in (1, 2, 3))]


@pytest.mark.parametrize("error", [LinkLost("device a: gone."), Throttled("device a: throttled.")])
def test_a_device_that_is_lost_or_throttles_is_taken_out_and_its_item_measured_elsewhere(
    error: DeviceError,
) -> None:
    lines: list[str] = []
    both = fleet("a", "b", lines=lines)
    assert both.each([0, 1, 2, 3], failing(error, device="a")) == [on("b", i) for i in range(4)]
    assert lines == [f"bench     fleet a,b: a is taken out. {error}"]
    assert both.each([4], on) == [on("b", 4)]  # for good


def test_where_every_device_is_out_the_error_names_each_reason() -> None:
    def lost(device: str, item: int) -> str:
        raise LinkLost(f"device {device}: the connection is gone.")

    both = fleet("a", "b")
    for _ in range(2):
        with pytest.raises(DeviceError) as raised:
            both.each([0, 1, 2], lost)
        reasons = sorted(str(raised.value).split("\n- ")[1:])
        assert reasons == [f"device {name}: the connection is gone." for name in "ab"]
        assert str(raised.value).startswith("fleet a,b: no device is left to measure on.")


def test_a_single_device_that_is_lost_fails_with_its_own_error() -> None:
    lines: list[str] = []
    with pytest.raises(LinkLost, match=r"^device a: gone\.$"):
        fleet("a", lines=lines).each([0], failing(LinkLost("device a: gone."), device="a"))
    assert lines == []


def test_an_item_that_fails_on_two_devices_is_to_blame_itself() -> None:
    tried: list[str] = []

    def measure(device: str, item: int) -> str:
        if item == 1:
            tried.append(device)
            raise DeviceError(f"{device}: memory ran out.")
        return on(device, item)

    three = fleet("a", "b", "c")
    results = three.each([0, 1, 2], measure)
    assert isinstance(results[1], DeviceError)
    assert len(set(tried)) == len(tried) == 2
    assert (sorted(three.left), three.out) == (["a", "b", "c"], {})


def test_a_device_on_which_an_item_fails_that_another_one_measures_is_taken_out() -> None:
    error, lines = DeviceError("device a: not done after 600 s and ended."), list[str]()
    both = fleet("a", "b", lines=lines)
    results = both.each([0, 1], failing(error, device="a"))
    assert results == [on("b", 0), on("b", 1)]
    assert lines == [f"bench     fleet a,b: a is taken out. {error}"]


def test_on_a_single_device_a_failure_is_the_items_and_the_next_one_goes_on() -> None:
    error = DeviceError("device a: memory ran out.")
    assert fleet("a").each([0, 1], failing(error, device="a", items=(0,))) == [error, on("a", 1)]


def test_a_file_that_cannot_be_loaded_is_tried_once() -> None:
    tried: list[str] = []

    def measure(device: str, item: int) -> str:
        tried.append(device)
        raise InputError("x.tflite: cut off.")

    (result,) = fleet("a", "b").each([0], measure)
    assert (isinstance(result, InputError), len(tried)) == (True, 1)


@pytest.mark.parametrize("error", [KeyError("a bug"), KeyboardInterrupt()])
def test_anything_else_ends_the_measurement_on_all_devices(error: BaseException) -> None:
    both, begun = fleet("a", "b"), threading.Barrier(2, timeout=20)

    def measure(device: str, item: int) -> str:
        if item < 2:
            begun.wait()
        if device == "a":
            raise error
        assert both.stop.wait(20)
        return on(device, item)

    with pytest.raises(type(error)):
        both.each(range(9), measure)


def test_devices_with_a_comma_between_are_a_fleet() -> None:
    found = inventory.groups(["ssh://a,ssh://b", "local", "local"])
    assert [[one.name for one in group] for group in found] == [["ssh://a", "ssh://b"], ["local"]]


@pytest.mark.parametrize("texts", [["local,local"], ["ssh://a, ssh://b", "ssh://a"]])
def test_a_device_that_is_named_twice_is_refused(texts: list[str]) -> None:
    with pytest.raises(InputError, match="is one device, named twice"):
        inventory.groups(texts)


def test_an_empty_name_in_a_fleet_is_refused() -> None:
    with pytest.raises(InputError, match="--device: unknown device ''"):
        inventory.groups(["ssh://a,"])


def board(*, version: str = "2.1.0", **facts: object) -> ReadyDevice:
    return ReadyDevice(
        runner=local_runner(Path()),
        device={},
        facts=replace(probe_local(), **facts),  # type: ignore[arg-type]
        defaults={},
        versions={"litert": version},
    )


def test_boards_of_one_model_may_be_of_different_revisions() -> None:
    names = ["Raspberry Pi 4 Model B Rev 1.1", "Raspberry Pi 4 Model B Rev 1.5"]
    require_one_model({name: board(model=name) for name in names})


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (
            board(model="Raspberry Pi 5 Model B Rev 1.0"),
            "board of a is Pi, and of b Raspberry Pi 5",
        ),
        (board(model="Pi", soc="BCM2712"), "processor of a is unknown, and of b BCM2712"),
        (board(model="Pi", version="2.0.2"), "litert 2.1.0, and of b litert 2.0.2"),
        (board(model="Pi", cpu_features=("dotprod",)), "features of the processor of a is"),
    ],
)
def test_devices_of_another_model_are_refused_with_both_named(
    other: ReadyDevice, expected: str
) -> None:
    with pytest.raises(InputError, match=expected) as raised:
        require_one_model({"a": board(model="Pi"), "b": other})
    assert "Give b a --device of its own" in str(raised.value)

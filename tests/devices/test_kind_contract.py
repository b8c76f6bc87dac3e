"""What every kind of device promises, and a toy kind on its way through all commands."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from targets.bench.result import read
from targets.devices import DEVICE_KINDS, inventory
from targets.devices.contract import DeviceKind, Entry
from targets.devices.doctor import Check
from targets.devices.fake.kind import FakeKind
from targets.errors import InputError
from tests.conftest import Lane
from tests.devices.by_command import invoke
from tests.toys.device import ToyKind

KINDS: dict[str, DeviceKind] = {
    **{name: DEVICE_KINDS[name] for name in DEVICE_KINDS}, "toy": ToyKind(), "fake": FakeKind(),
}  # fmt: skip
ADDRESSES = {
    "local": "local", "ssh": "ssh://pi@host", "adb": "adb://A1", "toy": "toy://7", "fake": "fake://x",
}  # fmt: skip


@pytest.fixture(params=KINDS)
def scheme(request: pytest.FixtureRequest) -> Iterator[str]:
    with DEVICE_KINDS.added(request.param, KINDS[request.param]):
        yield request.param


def test_a_kind_satisfies_the_contract(scheme: str) -> None:
    kind = DEVICE_KINDS[scheme]
    assert isinstance(kind, DeviceKind)
    assert issubclass(kind.entry, Entry)
    assert kind.url_form.startswith(scheme)


def test_an_address_names_a_device_with_an_identity(scheme: str) -> None:
    device = inventory.device(ADDRESSES[scheme])
    assert (device.kind, device.scheme) == (KINDS[scheme], scheme)
    assert device.kind.identity(device) == device.kind.identity(device)


def test_a_session_is_opened_and_closed(scheme: str, tmp_path: Path) -> None:
    if scheme == "adb":
        pytest.skip("opening it connects: tests/devices/adb")
    device = inventory.device(ADDRESSES[scheme])
    session = device.kind.open(device, scratch=tmp_path)
    assert session.link.name == device.name
    assert session.retry_s >= 0
    session.link.close()


def test_a_check_that_fails_has_its_remedy(scheme: str) -> None:
    for needed in (True, False):
        for check in DEVICE_KINDS[scheme].host_checks(needed=needed):
            assert isinstance(check, Check)
            assert check.ok is not False or (check.remedy and needed)


@pytest.fixture
def toy(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_STATE_HOME", str(project / "state"))
    (project / "devices.toml").write_text('[board]\nurl = "toy://7"\nrevision = "b"\n')
    with DEVICE_KINDS.added("toy", ToyKind()):
        yield


@pytest.mark.usefixtures("toy")
def test_a_toy_kind_is_benchmarked(finished: Lane) -> None:
    model = finished.out / "tiny" / "models" / "student.int8.tflite"
    done = invoke("bench", model, "--device", "board", "--tier", "rapid", "--out", "out")
    assert done.return_value == 0, done.output
    document = read(Path("out", "board.json"))
    assert (document.device.adapter, document.device.model) == ("toy", "Toy board b")
    assert len(document.blocks) == 2


@pytest.mark.usefixtures("toy")
@pytest.mark.filterwarnings("ignore:Setuptools is replacing distutils")  # looking for pip
def test_a_toy_kind_is_diagnosed_listed_and_cleaned() -> None:
    done = invoke("doctor", "--device", "board", "--json")
    assert done.exception is None, done.exception
    report = json.loads(done.stdout)
    assert ("toy cable", True) in [(check["name"], check["ok"]) for check in report["host"]]
    checks = {check["name"]: check for check in report["devices"]["board"]}
    assert checks["reachable"]["found"] == "toy://7"
    assert checks["tflite"]["ok"]
    assert json.loads(invoke("devices", "--json").stdout)["board"]["revision"] == "b"
    assert invoke("devices", "clean", "board").output == "board: our folder there is removed\n"


@pytest.mark.usefixtures("toy")
def test_a_toy_kind_has_its_own_keys_and_errors(project: Path) -> None:
    with pytest.raises(InputError, match=r"^--device: toy://x: is not the address of a board"):
        inventory.device("toy://x")
    (project / "devices.toml").write_text('[pi]\nurl = "ssh://x"\nrevision = "b"\n')
    with pytest.raises(InputError, match=r"pi\.revision: only a device at toy://NUMBER has this"):
        inventory.configured()

"""Each state of a device that cannot be used has its own remedy, and nobody's server is ended."""

import socket
import subprocess
from pathlib import Path

import pytest

from targets.devices.adb.link import AdbLink
from targets.devices.adb.server import AdbServer
from targets.devices.contract import LinkLost
from targets.errors import DeviceError, InputError
from tests.devices.adb.adbd import Phone
from tests.devices.adb.server import ListsDevices

UDEV = "no permissions (user in plugdev group; are your udev rules wrong?); see [some page]"


def refusal(listing: str, monkeypatch: pytest.MonkeyPatch, *, serial: str | None = "A1") -> str:
    with ListsDevices(listing) as server:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server.port))
        with pytest.raises(DeviceError) as raised:
            AdbLink(serial)
    assert set(server.requests) == {"host:devices"}
    assert not isinstance(raised.value, LinkLost)
    return str(raised.value)


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("unauthorized", "Allow USB debugging"),
        ("authorizing", "Accept the question"),
        ("offline", "adb reconnect offline"),
        ("connecting", "in a few seconds"),
        (UDEV, "udev rules"),
        ("bootloader", "fastboot reboot"),
        ("recovery", "adb reboot"),
        ("sideload", "Start Android"),
        ("something new", "Wait until"),
    ],
)
def test_a_state_has_its_own_remedy(
    state: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = refusal(f"B2\tdevice\nA1\t{state}\n", monkeypatch)
    assert error.startswith(f"device adb://A1: {state}. ")
    assert remedy in error


def test_an_unknown_serial_is_an_error_that_lists_the_known_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = refusal("B2\tdevice\nC3\toffline\n", monkeypatch)
    assert "does not know this serial" in error
    assert "known: B2 (device), C3 (offline)" in error


def test_several_devices_and_no_serial_is_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refusal("B2\tdevice\nC3\tdevice\n", monkeypatch, serial=None)
    assert "2 devices and no serial" in error
    assert "--device adb://B2" in error


def test_without_any_device_the_error_explains_how_to_connect_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "Plug one in" in refusal("", monkeypatch, serial=None)


def test_a_serial_of_the_environment_is_only_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_SERIAL", "B2")
    listing = "A1\toffline\nB2\tunauthorized\n"
    assert "adb://B2: unauthorized" in refusal(listing, monkeypatch, serial=None)
    assert "adb://A1: offline" in refusal(listing, monkeypatch)


def test_a_port_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "usb")
    with pytest.raises(InputError, match="ANDROID_ADB_SERVER_PORT=usb"):
        AdbLink("A1")


def test_a_locked_phone_is_unauthorized() -> None:
    with Phone(locked=True) as phone, pytest.raises(DeviceError, match="Allow USB debugging"):
        AdbLink(phone.serial)


def test_a_device_in_the_network_that_is_not_there_is_unknown(own_server: int) -> None:
    with pytest.raises(DeviceError, match=r"127\.0\.0\.1:1: adb does not know this serial"):
        AdbLink("127.0.0.1:1")


def test_two_phones_answer_for_themselves(tmp_path: Path) -> None:
    with Phone(env={"WHO": "one"}) as one, Phone(env={"WHO": "two"}) as two:
        links = [AdbLink(phone.serial, folder=str(tmp_path / "x")) for phone in (one, two)]
        answers = [link.run(["printenv", "WHO"], env={}, timeout_s=5).stdout for link in links]
    assert answers == ["one\n", "two\n"]


def test_a_running_server_is_reused_and_outlives_us(own_server: int, phone: Phone) -> None:
    from adbutils import adb_path

    subprocess.run([adb_path(), "start-server"], check=True, capture_output=True, timeout=30)
    with socket.create_connection(("127.0.0.1", own_server)) as watching:
        watching.sendall(b"0012host:track-devices")
        assert watching.recv(4) == b"OKAY"
        link = AdbLink(phone.serial, folder="/tmp/edge-distill-reused")
        link.clean()
        link.close()
        assert AdbServer().devices()[phone.serial] == "device"
        watching.setblocking(False)
        assert watching.recv(65536)  # not b"": it has not hung up

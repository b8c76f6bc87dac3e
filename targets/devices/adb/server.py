"""The user's adb server: its devices, their states, and streams to one of them.

This module uses the server's socket and never the `adb` command: a command of another version than
the running server ends that server, and every other program's connections with it.
"""

import os
import socket
import subprocess
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from targets.devices.contract import LinkLost
from targets.errors import DeviceError, InputError

if TYPE_CHECKING:
    from adbutils import AdbClient
    from adbutils._adb import AdbConnection

ANSWER_S = 20.0
"""How long the server may take to answer a request that it handles itself."""
READY = "device"
_starting = threading.Lock()  # two devices at once must not start two servers

REMEDIES = {
    "unauthorized": "Unlock its screen and accept the question 'Allow USB debugging?'. If none "
    "is shown: developer options, 'Revoke USB debugging authorizations', and plug it in again.",
    "authorizing": "Accept the question 'Allow USB debugging?' on its screen and try again.",
    "offline": "It does not answer. Plug it in again, or: adb reconnect offline.",
    "connecting": "The connection is not made yet: try again in a few seconds.",
    "no permissions": "This user may not open the USB device. Install the udev rules (Debian: "
    "apt install android-sdk-platform-tools-common), join the group plugdev, log in again and "
    "plug it in again.",
    "bootloader": "It is in its bootloader, without a shell. Start Android: fastboot reboot.",
    "recovery": "It is in recovery. Start Android: adb reboot.",
    "sideload": "It waits for an update. Start Android from its menu.",
}
"""State as the server reports it, or its beginning -> the remedy."""


class AdbServer:
    """Reused if one runs, started if none does, never ended.

    ANDROID_ADB_SERVER_PORT and ANDROID_ADB_SERVER_ADDRESS select it, as for `adb` itself.
    """

    def __init__(self) -> None:
        self._client = _client()

    def devices(self) -> dict[str, str]:
        """Serial -> state, as `adb devices` lists them."""
        listing = self._ask("host:devices")
        rows = (line.split("\t", 1) for line in listing.splitlines() if "\t" in line)
        return {serial: state.strip() for serial, state in rows}

    def connect(self, serial: str) -> str:
        """Connect to a device in the network; returns the server's answer."""
        return self._ask(f"host:connect:{serial}")

    def disconnect(self, serial: str) -> str:
        """Forget a device in the network."""
        return self._ask(f"host:disconnect:{serial}")

    def open(self, serial: str, service: bytes, *, timeout_s: float) -> socket.socket:
        """A stream to a service of the device. `LinkLost` if the device cannot be reached."""
        from adbutils import AdbError

        if len(service) > 0xFFFF:
            raise InputError(
                f"device adb://{serial}: a command of {len(service)} bytes; adb takes 65535. "
                "Put the long part into a file."
            )
        connection = self._connection(timeout_s)
        try:
            for request in (f"host:transport:{serial}".encode(), service):
                connection.conn.sendall(f"{len(request):04x}".encode() + request)
                connection.check_okay()
        except (AdbError, OSError) as error:
            connection.close()
            raise LinkLost(f"device adb://{serial}: no connection to it: {error}.") from error
        stream: socket.socket = connection.conn
        return stream

    def _ask(self, request: str) -> str:
        from adbutils import AdbError

        with self._connection(ANSWER_S) as connection:
            try:
                connection.send_command(request)
                connection.check_okay()
                return str(connection.read_string_block())
            except (AdbError, OSError) as error:
                raise DeviceError(
                    f"adb: the server did not answer '{request}': {error}. Start it anew: "
                    "adb kill-server, adb start-server."
                ) from error

    def _connection(self, timeout_s: float) -> "AdbConnection":
        from adbutils import AdbError

        try:
            with _starting:
                if not self._runs():
                    self._start()
            return self._client.make_connection(timeout=timeout_s)
        except (AdbError, OSError, subprocess.SubprocessError) as error:
            raise DeviceError(
                f"adb: no server on port {self._client.port} and none could be started: {error}. "
                "Read the output of: adb start-server."
            ) from error

    def _runs(self) -> bool:
        try:
            socket.create_connection((self._client.host, self._client.port), timeout=3).close()
        except OSError:
            return False
        return True

    def _start(self) -> None:
        """Not by adbutils, which leaks the socket of its failed attempt and prints."""
        from adbutils import adb_path

        command = [adb_path(), "start-server"]
        subprocess.run(command, check=True, capture_output=True, timeout=ANSWER_S)


def _client() -> "AdbClient":
    try:
        from adbutils import AdbClient
    except ModuleNotFoundError as error:
        raise InputError(
            "adb:// devices need the package 'adbutils', which is not installed: "
            "python -m pip install 'edge-distill[adb]'."
        ) from error
    port = os.environ.get("ANDROID_ADB_SERVER_PORT", "5037")
    if not port.isdigit():
        raise InputError(
            f"ANDROID_ADB_SERVER_PORT={port}: is not a port. Set a number or unset it."
        )
    return AdbClient(host=os.environ.get("ANDROID_ADB_SERVER_ADDRESS"), port=int(port))


def choose(devices: Mapping[str, str], serial: str | None) -> str:
    """The serial of a device that is ready; a `DeviceError` with the remedy if it is not.

    `serial` None: ANDROID_SERIAL, or the only device.
    """
    wanted = serial or os.environ.get("ANDROID_SERIAL") or _only(devices)
    if wanted not in devices:
        raise DeviceError(
            f"device adb://{wanted}: adb does not know this serial; {_known(devices)}. Plug it in "
            "with USB debugging on (developer options); in the network: adb connect HOST:PORT."
        )
    state = devices[wanted]
    if state != READY:
        raise DeviceError(f"device adb://{wanted}: {state}. {_remedy(state)}")
    return wanted


def _only(devices: Mapping[str, str]) -> str:
    if not devices:
        raise DeviceError(
            "device adb: no device. Plug one in with USB debugging on (Settings, developer "
            "options), or in the network: adb connect HOST:PORT."
        )
    if len(devices) > 1:
        raise DeviceError(
            f"device adb: {len(devices)} devices and no serial; {_known(devices)}. Name one: "
            f"--device adb://{next(iter(devices))}, or set ANDROID_SERIAL."
        )
    return next(iter(devices))


def _known(devices: Mapping[str, str]) -> str:
    listed = ", ".join(f"{serial} ({state})" for serial, state in devices.items())
    return f"known: {listed}" if listed else "it knows none"


def _remedy(state: str) -> str:
    for begin, remedy in REMEDIES.items():
        if state.startswith(begin):
            return remedy
    return "Wait until 'adb devices' shows it as 'device'."

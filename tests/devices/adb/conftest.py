"""The stock adb server on a port of its own, and phones for it."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from targets.devices.adb.link import AdbLink
from tests.devices.adb.adbd import Phone


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="session", autouse=True)
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Never the user's server, serial or keys; the server is ended with the tests."""
    try:
        from adbutils import AdbClient
    except ModuleNotFoundError:
        why = "no adbutils: python -m pip install 'edge-distill[adb]'"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    port = free_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        environment.setenv("ANDROID_USER_HOME", str(tmp_path_factory.mktemp("keys")))
        environment.delenv("ANDROID_ADB_SERVER_ADDRESS", raising=False)
        environment.delenv("ANDROID_SERIAL", raising=False)
        yield port
        AdbClient(port=port).server_kill()


@pytest.fixture
def phone() -> Iterator[Phone]:
    with Phone() as phone:
        yield phone


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """On the phone, for which this machine's folders are."""
    return str(tmp_path / "our folder" / "it's")


@pytest.fixture
def link(phone: Phone, folder: str) -> AdbLink:
    return AdbLink(phone.serial, folder=folder)

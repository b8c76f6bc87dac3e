"""The stand-ins, one of each for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from targets.devices.ssh.link import SshLink
from tests.brief import brief
from tests.devices.pi import Pi
from tests.devices.sshd import Host, free_port


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """This machine over SSH."""
    device = Host(tmp_path_factory.mktemp("host"))
    device.make()
    device.start()
    yield device
    device.remove()


@pytest.fixture(scope="session")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pi]:
    """An ARM system over SSH, emulated."""
    device = Pi(tmp_path_factory.mktemp("pi"))
    device.make()
    device.start()
    yield device
    device.remove()


@pytest.fixture(scope="session")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The stock adb server on a port of its own, never the user's; it ends with the tests."""
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
def link(host: Host) -> Iterator[SshLink]:
    link = host.link()
    yield link
    link.clean()
    link.close()


@pytest.fixture(scope="session")
def wheels() -> Path:
    """Where `pipeline bench` keeps them: fetched once for all tests."""
    from platformdirs import user_cache_path

    return user_cache_path("edge-distill") / "wheels"


@pytest.fixture
def noisy(host: Host) -> Iterator[None]:
    """A login shell that talks."""
    start = host.home / ".bashrc"
    start.write_text("echo Welcome to this device; echo 'and mind the step' >&2; printf 'no end'\n")
    yield
    start.unlink()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and a measurement of two short blocks."""
    monkeypatch.chdir(tmp_path)
    brief(monkeypatch)
    return tmp_path

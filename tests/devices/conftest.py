"""The stand-ins, one of each for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from targets.links.ssh import SshLink
from tests.devices.pi import Pi
from tests.devices.sshd import Host


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


@pytest.fixture
def link(host: Host) -> Iterator[SshLink]:
    link = host.link()
    yield link
    link.clean()
    link.close()


@pytest.fixture(scope="session")
def wheels() -> Path:
    """Kept, so that a developer's second run fetches none."""
    from platformdirs import user_cache_path

    return user_cache_path("edge-distill") / "stand-ins" / "wheels"

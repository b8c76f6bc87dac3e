"""The stand-ins, one of each for all tests."""

from collections.abc import Iterator

import pytest

from targets.links.ssh import SshLink
from tests.devices.sshd import Host


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """This machine over SSH."""
    device = Host(tmp_path_factory.mktemp("host"))
    device.make()
    device.start()
    yield device
    device.stop()


@pytest.fixture
def link(host: Host) -> Iterator[SshLink]:
    link = host.link()
    yield link
    link.clean()
    link.close()

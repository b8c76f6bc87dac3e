"""Phones for the stock adb server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from targets.devices.adb.link import AdbLink
from tests.devices.adb.adbd import Phone


@pytest.fixture(scope="session", autouse=True)
def never_the_users_server(own_server: int) -> None:
    """Every test of this folder."""


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

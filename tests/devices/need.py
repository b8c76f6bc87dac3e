"""What a stand-in needs of this machine; without it a test is skipped, or fails if CI is root."""

import os
import shutil
from typing import NoReturn

import pytest


def program(name: str, *, package: str) -> str:
    """The path of a program, also in the folders of root."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return found or missing(f"no {name}: apt-get install {package}")


def root(what: str) -> None:
    if os.geteuid() != 0:
        missing(f"{what} needs root")


def missing(why: str) -> NoReturn:
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(why)
    pytest.skip(why)

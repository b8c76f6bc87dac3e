"""A stand-in that cannot be built is a skipped test, and a failure in CI."""

import os

import pytest

from tests.devices import need


@pytest.mark.parametrize(
    ("ci", "user", "ended"),
    [
        ("true", 0, pytest.fail.Exception),
        ("true", 1000, pytest.skip.Exception),
        ("", 0, pytest.skip.Exception),
    ],
)
def test_a_missing_program_is_a_failure_where_ci_is_root(
    monkeypatch: pytest.MonkeyPatch, ci: str, user: int, ended: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(ended, match="no such-program: apt-get install some-package"):
        need.program("such-program", package="some-package")

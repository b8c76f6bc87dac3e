"""`pipeline predict` in this process."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pipeline.cli.app import exit_code


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        return [line.split() for line in self.out.splitlines()]


Predict = Callable[..., Done]


@pytest.fixture(name="predict")
def command(capfd: pytest.CaptureFixture[str]) -> Predict:
    def run(*argv: object) -> Done:
        code = exit_code(["predict", *map(str, argv)])
        captured = capfd.readouterr()
        return Done(code, captured.out, captured.err)

    return run

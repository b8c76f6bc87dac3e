"""What a runtime is: a library that executes model files, on this machine or on a device."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from targets.bench.agent.session import SessionModule

OLDEST_PYTHON = (3, 9)
"""The oldest Python that the agent runs on."""


@dataclass(frozen=True, kw_only=True)
class LoadErrors:
    """The runtime's own messages for files that it cannot load."""

    foreign_operator: re.Pattern[str] | None = None
    """Its groups hold the name of an operator that the runtime does not have."""
    newer: tuple[tuple[re.Pattern[str], str], ...] = ()
    """Messages for a file that needs a newer runtime, and the sentence to show: a format string of
    the pattern's groups and of `update`, the command that updates the runtime."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How a model was executed."""

    abi: str
    """`x86_64`, `aarch64`, ..."""
    cpu_features: Sequence[str]
    """Features that decide how int8 is multiplied (`targets.bench.agent.kernel.FEATURES`)."""
    options: Mapping[str, str]


def _none(*_: object) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One folder of `targets.runtimes`; its `session` module runs on the device, alone."""

    name: str
    """An identifier; on the device the session is `targets.runtimes.<name>.session`."""
    session: SessionModule
    requirements: tuple[str, ...]
    """PEP 508, the distribution itself first. Each brings numpy, which the agent needs too."""
    formats: tuple[str, ...]
    """The formats that it executes, by the extension of their files."""
    newest_python: tuple[int, int] | None = None
    """The last CPython that it has a wheel for; None where there is no such limit."""
    load_errors: LoadErrors = LoadErrors()
    accuracy_notes: Callable[[Path, Conditions], Iterable[str]] = _none
    """Why the outputs of a model file may differ from those on another device."""

    @property
    def distribution(self) -> str:
        return self.session.DISTRIBUTION

    @property
    def module(self) -> str:
        """The module that can be imported where the runtime is installed."""
        return self.session.MODULE

    @property
    def env(self) -> dict[str, str]:
        return self.session.ENV

    def command(self, *, python: str, agent: str, job: str) -> list[str]:
        """The command that runs one job of the agent in a process of its own."""
        # -I: neither the current folder nor PYTHONPATH can stand in for a runtime.
        return [python, "-I", agent, job]

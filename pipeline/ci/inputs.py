"""What a CI job asks for, in environment variables: they need no quoting in a shell."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from targets.errors import InputError

PREFIX = "EDGE_DISTILL_"
FOLDER = "_ci"
"""No recipe has such a name, so that no results folder is in its place."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The inputs of action.yml and of the GitLab component, in the names of the variables."""

    recipe: str
    data: str
    targets: tuple[str, ...]
    device: tuple[str, ...]
    gates: str
    baseline: str
    strict: bool
    out: Path
    version: str
    signing_key: str
    """A private key, or the path of one; `signing_key` is also what a CI masks in its log."""
    args: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Folder of the verdicts, and of what one step tells the next."""
        return self.out / FOLDER

    def run_options(self) -> Iterator[str]:
        """Of `pipeline run`: further arguments first, so that they cannot move the results."""
        yield from self.args
        for target in self.targets:
            yield from ("--target", target)
        for device in self.device:
            yield from ("--device", device)
        if self.data:
            yield from ("--data", self.data)
        yield from ("--out", str(self.out), "--store", str(self.out / ".store"), "--json")

    def check_options(self) -> Iterator[str]:
        """Of `pipeline check`."""
        if self.gates:
            yield from ("--gates", self.gates)
        if self.baseline:
            yield from ("--baseline", self.baseline)
        if self.strict:
            yield "--strict"


def read(environment: Mapping[str, str]) -> Inputs:
    """Raises `InputError` for values that cannot be meant."""

    def text(name: str, default: str = "") -> str:
        return environment.get(PREFIX + name, "").strip() or default

    return Inputs(
        recipe=text("RECIPE", "digits"),
        data=text("DATA"),
        targets=_words(text("TARGETS")),
        device=_words(text("DEVICE")),
        gates=text("GATES"),
        baseline=text("BASELINE"),
        strict=_is_true("STRICT", text("STRICT", "false")),
        out=Path(text("OUT", "runs")),
        version=text("VERSION"),
        signing_key=text("SIGNING_KEY"),
        args=_arguments(text("ARGS")),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _is_true(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise InputError(f"{PREFIX}{name}: must be true or false, not {text}.")
    return text == "true"


def _arguments(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(f"{PREFIX}ARGS: cannot be split into arguments: {error}.") from error

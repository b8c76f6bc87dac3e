"""The device's side of a runtime: what `targets.runtimes.<name>.session` provides."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict, cast

from targets.bench.agent.job import phase

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Query = Callable[[Any], "tuple[Array, int, int | None]"]

RUNTIMES = "targets.runtimes"
NUMBERS = (
    "float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16",
    "uint32", "uint64",
)  # fmt: skip
"""The types that an input can be given, by numpy's names."""


class Tensor(TypedDict):
    """An input or output of a model."""

    name: str
    shape: list[int | None]
    """Shape; None for a dimension that the file leaves open."""
    dtype: str
    """Type as numpy calls it, else the runtime's own word."""
    quantization: tuple[float, int] | None
    """(scale, zero point); None where there is none or one per channel."""


class Description(TypedDict):
    """What a file declares about itself."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    operators: dict[str, int] | None
    """How often each kind of operator occurs; None where the runtime does not report it."""


class OperatorTime(TypedDict):
    """Mean time per query of one kind of operator; `share` is of the time of all."""

    type: str
    count: float
    total_ns: int
    share: float


class Session(Protocol):
    """A loaded model. Opened first, allocated once the shapes of its inputs are known."""

    resizable: bool
    """Whether an input takes another shape than the file declares."""
    delegate: str | None
    """What executes the graph for the runtime, `xnnpack` or `none`; None where it is unknown."""
    inputs: list[Tensor]
    outputs: list[Tensor]
    operators: dict[str, int] | None

    def allocate(self, shapes: Mapping[str, Sequence[int]]) -> None: ...

    def feed(self, arrays: Mapping[str, Array]) -> object:
        """Arrays by the inputs' names, in the form that a query takes."""

    def reset(self) -> None:
        """Forget the state that the model keeps between calls: each sample stands alone."""

    def renew(self) -> None:
        """`reset`, and forget the variables that no call of the runtime resets."""

    def query(self, output_index: int) -> Query:
        """A function from a `feed` to (output, ns, ns of the runtime's own call or None)."""

    def profile(self, queries: Callable[[], None]) -> list[OperatorTime] | None:
        """Times of the operators in `queries`, whose first is a warm-up; None: not supported."""


class Settings(NamedTuple):
    """How a session is opened."""

    threads: int
    options: Mapping[str, str]
    """Entries of the session's configuration."""
    profile: str | None
    """Prefix of the path of the runtime's own profile; None: without one."""


class SessionModule(Protocol):
    """A module. It imports numpy at most; its runtime is imported by the agent, which times it."""

    __name__: str
    __file__: str | None
    MODULE: str
    """The module to import."""
    DISTRIBUTION: str
    """The distribution that brings it."""
    ENV: dict[str, str]
    """Variables that must be set before the import."""
    SELF_TEST_MODEL: str
    """Base64 of a small model: y = x + x of float32 [1, 4], readable by old releases."""

    def open_session(self, module: ModuleType, path: str, settings: Settings) -> Session: ...


def names() -> list[str]:
    """The runtimes that can be used here."""
    folders = pkgutil.iter_modules(importlib.import_module(RUNTIMES).__path__)
    return sorted(one.name for one in folders if one.ispkg)


def session_module(name: str) -> SessionModule:
    if name not in names():
        raise ValueError(f"no runtime {name!r}; there are: {', '.join(names())}")
    return cast("SessionModule", importlib.import_module(f"{RUNTIMES}.{name}.session"))


def import_runtime(session: SessionModule) -> tuple[ModuleType, str | None]:
    """The runtime's module and its installed version."""
    with phase("import"):
        os.environ.update(session.ENV)
        module = importlib.import_module(session.MODULE)
        try:
            return module, metadata.version(session.DISTRIBUTION)
        except metadata.PackageNotFoundError:  # a build that pip did not install
            return module, getattr(module, "__version__", None)

"""Families and data sets of other distributions: entry points, looked up after what is built in.

A distribution offers a module with the same functions as one of ours:

    [project.entry-points."edge_distill.students"]
    tiny_net = "my_package.tiny_net"

Nothing of it is imported before it is used, and no name of ours can be replaced by it.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

from targets.errors import InputError, unknown

Kind = Literal["students", "teachers", "datasets"]
GROUP = "edge_distill.{}"


def find(kind: Kind, name: str, built_in: Mapping[str, str]) -> str | None:
    """The module that `name` is, ours first; None where nothing offers it.

    Raises `InputError` where two distributions offer the name, or the entry is no module.
    """
    if name in built_in:
        return built_in[name]
    entry = _entry(kind, name)
    return None if entry is None else entry.module


def known(kind: Kind, built_in: Iterable[str]) -> tuple[str, ...]:
    """Every name that `find` knows, for the error about one that it does not."""
    return tuple(sorted({*built_in, *(entry.name for entry in _entries(kind))}))


def require(kind: Kind, name: str, built_in: Mapping[str, str], *, word: str) -> str:
    """As `find`; raises the `InputError` that names what is known and the nearest spelling."""
    module = find(kind, name, built_in)
    if module is None:
        raise unknown(word, name, known(kind, built_in))
    return module


def distribution_of(kind: Kind, name: str, built_in: Mapping[str, str]) -> tuple[str, str] | None:
    """Name and version of the distribution whose module `find` gives; None where that is ours."""
    entry = None if name in built_in else _entry(kind, name)
    return None if entry is None else _owner(entry)


def _entry(kind: Kind, name: str) -> EntryPoint | None:
    offers = {(entry.value, _owner(entry)): entry for entry in _entries(kind) if entry.name == name}
    if len(offers) > 1:
        owners = ", ".join(" ".join(owner) for _, owner in sorted(offers))
        raise InputError(
            f"plug-in '{name}': more than one distribution offers it in {GROUP.format(kind)} "
            f"({owners}). Uninstall all but one."
        )
    for entry in offers.values():
        if entry.attr:
            raise InputError(
                f"plug-in '{name}' of {' '.join(_owner(entry))}: its entry point must be a module, "
                f"not {entry.value}. Take '{entry.module}' in {GROUP.format(kind)}."
            )
        return entry
    return None


def _owner(entry: EntryPoint) -> tuple[str, str]:
    assert entry.dist is not None  # entry_points() always sets it
    return entry.dist.name, entry.dist.version


@cache
def _entries(kind: Kind) -> tuple[EntryPoint, ...]:
    # All distributions are read: tens of milliseconds, so only where a name is not ours.
    return tuple(entry_points(group=GROUP.format(kind)))

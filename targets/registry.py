"""The plug-ins of one axis (students, losses, formats, devices, ...) by name.

A plug-in is one module, or one object, that satisfies the `Protocol` of its axis. The built-in
ones stand in a dictionary that mypy checks against that protocol; it is built when a name is
first looked up, so that nothing is imported before it is used. Another distribution offers one as
an entry point, which is read only after a name was not found among the built-in ones:

    [project.entry-points."edge_distill.students"]
    tiny_net = "my_package.tiny_net"
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Generic, TypeVar

from targets.errors import InputError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """`axis` names the entry point group, `noun` one plug-in in an error message.

    `contract` is the runtime-checkable `Protocol` that plug-ins of other distributions are held
    to; the built-in ones are checked by mypy.
    """

    def __init__(
        self,
        axis: str,
        *,
        noun: str,
        contract: type[object],
        built_in: Callable[[], dict[str, T]],
    ) -> None:
        self.axis = axis
        self.noun = noun
        self._contract = contract
        self._load = built_in
        self._added: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Return the plug-in; raise an `InputError` with the known names and the nearest one."""
        found = self._known.get(name)
        if found is None and (entry := self._entry(name)) is not None:
            return self._loaded(entry)
        if found is None:
            raise unknown(self.noun, name, self.available())
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._known or self._entry(name) is not None)

    def __iter__(self) -> Iterator[str]:
        """Names of the built-in plug-ins, in the order of their dictionary."""
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def values(self) -> tuple[T, ...]:
        """The built-in plug-ins."""
        return tuple(self._known.values())

    def search(self) -> Iterator[tuple[str, T]]:
        """Every plug-in with its name: the built-in ones, then those of other distributions.

        Other distributions are read only if the search goes on.
        """
        yield from self._known.items()
        for entry in self._entries:
            if entry.name not in self._known:
                yield entry.name, self[entry.name]

    def available(self) -> tuple[str, ...]:
        """Every name that can be looked up, other distributions' included, sorted."""
        return tuple(sorted({*self._known, *(entry.name for entry in self._entries)}))

    def module(self, name: str) -> str:
        """The module that holds the plug-in's code."""
        plugin = self[name]
        return plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__

    def distribution(self, name: str) -> tuple[str, str] | None:
        """Name and version of the distribution that offers the plug-in; None for a built-in one."""
        entry = None if name in self._known else self._entry(name)
        return None if entry is None else _owner(entry)

    @contextmanager
    def added(self, name: str, plugin: T) -> Iterator[None]:
        """Offer `plugin` under `name` inside the block, as an installed distribution would."""
        self._added[name] = plugin
        try:
            yield
        finally:
            del self._added[name]

    @property
    def _known(self) -> dict[str, T]:
        return {**self._built_in, **self._added}

    @cached_property
    def _built_in(self) -> dict[str, T]:
        return self._load()

    @property
    def _entries(self) -> tuple[EntryPoint, ...]:
        return _installed(self._group, tuple(sys.path))

    @property
    def _group(self) -> str:
        return f"edge_distill.{self.axis}"

    def _entry(self, name: str) -> EntryPoint | None:
        offers = {(e.value, _owner(e)): e for e in self._entries if e.name == name}
        if len(offers) > 1:
            owners = ", ".join(" ".join(owner) for _, owner in sorted(offers))
            raise InputError(
                f"plug-in '{name}': more than one distribution offers it in {self._group} "
                f"({owners}). Uninstall all but one."
            )
        return next(iter(offers.values()), None)

    def _loaded(self, entry: EntryPoint) -> T:
        try:
            plugin: T = entry.load()
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"plug-in '{entry.name}' of {' '.join(_owner(entry))}: {entry.value} cannot be "
                f"imported: {error}. Update that distribution, or uninstall it."
            ) from error
        if not isinstance(plugin, self._contract):
            raise InputError(
                f"plug-in '{entry.name}' of {' '.join(_owner(entry))}: {entry.value} does not "
                f"satisfy {self._contract.__module__}.{self._contract.__name__}. Update that "
                "distribution, or uninstall it."
            )
        return plugin


@cache
def _installed(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of the distributions on `path`, which is `sys.path`."""
    # Reads the metadata of every installed distribution: tens of milliseconds.
    return tuple(entry_points(group=group))


def _owner(entry: EntryPoint) -> tuple[str, str]:
    assert entry.dist is not None  # entry_points() always sets it
    return entry.dist.name, entry.dist.version

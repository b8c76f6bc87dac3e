"""A queue over devices of one model: whichever is free measures the next item.

A device that is lost, or too warm, is taken out for good, and its item goes to another one.
"""

from collections.abc import Callable, Sequence
from threading import Condition, Event
from typing import Generic, TypeVar

from targets.devices.contract import LinkLost, Say
from targets.devices.parallel import on_each_device
from targets.errors import DeviceError, EdgeDistillError

D = TypeVar("D")
Item = TypeVar("Item")
T = TypeVar("T")


class Throttled(DeviceError):
    """Raised for an item whose times are those of a device that lowers its clock."""


class Fleet(Generic[D]):
    """The devices of `names`, each once it has joined."""

    def __init__(self, names: Sequence[str], *, stop: Event, say: Say) -> None:
        self.name = ",".join(names)
        self.is_several = len(names) > 1
        self.left: dict[str, D] = {}
        self.out: dict[str, DeviceError] = {}
        """Name -> why it was taken out."""
        self.stop = stop
        self.say = say

    def each(
        self, items: Sequence[Item], measure: Callable[[D, Item], T]
    ) -> list[T | EdgeDistillError]:
        """`measure(device, item)` for every item, or the item's error, in the order of the items.

        `LinkLost` and `Throttled` are of the device. Any other `DeviceError` may be of either: the
        item is given to a second device, and is the item's where that fails too, else the first
        device is taken out. Raises `DeviceError` where no device is left.
        """
        self.require_one()
        work = _Work(self, items, measure)
        on_each_device([*self.left], lambda name, _: work.serve(name), stop=self.stop)
        return [work.outcome(place) for place in range(len(items))]

    def take_out(self, name: str, error: DeviceError) -> None:
        if name in self.out:
            return
        self.left.pop(name, None)
        self.out[name] = error
        if self.is_several:
            self.say(f"bench     fleet {self.name}: {name} is taken out. {error}")

    def require_one(self) -> None:
        """Raise `DeviceError` where no device is left."""
        if self.left:
            return
        errors = [*self.out.values()]
        if len(errors) == 1 and not self.is_several:
            raise errors[0]
        reasons = "".join(f"\n- {error}" for error in errors)
        raise DeviceError(f"fleet {self.name}: no device is left to measure on.{reasons}")


class _Work(Generic[D, Item, T]):
    """The items of one call, shared by the threads of the devices."""

    def __init__(
        self, fleet: Fleet[D], items: Sequence[Item], measure: Callable[[D, Item], T]
    ) -> None:
        self.fleet, self.items, self.measure = fleet, items, measure
        self.waiting = list(range(len(items)))
        self.running = 0
        self.results: dict[int, T | EdgeDistillError] = {}
        self.refused: list[dict[str, DeviceError]] = [{} for _ in items]
        """By item: device -> its error."""
        self.changed = Condition()

    def serve(self, name: str) -> None:
        """What the thread of a device does."""
        device = self.fleet.left[name]
        while (place := self._next(name)) is not None:
            again = True
            try:
                again = self._measured(name, device, place)
            finally:
                with self.changed:
                    self.running -= 1
                    if again:
                        self.waiting.insert(0, place)
                    self.changed.notify_all()

    def _next(self, name: str) -> int | None:
        """Waits while an item may come back from another device; None: there is nothing to do."""
        with self.changed:
            while name in self.fleet.left and not self.fleet.stop.is_set():
                for place in self.waiting:
                    if name not in self.refused[place]:
                        self.waiting.remove(place)
                        self.running += 1
                        return place
                if not self.running:
                    return None
                self.changed.wait()
        return None

    def _measured(self, name: str, device: D, place: int) -> bool:
        """Whether the item is to be measured again, by another device."""
        refused = self.refused[place]
        try:
            self.results[place] = self.measure(device, self.items[place])
        except (LinkLost, Throttled) as error:
            self.fleet.take_out(name, error)
            return True
        except DeviceError as error:
            refused[name] = error
            return len(refused) < 2 and self.fleet.is_several
        except EdgeDistillError as error:
            self.results[place] = error
        else:
            for other, failure in refused.items():
                self.fleet.take_out(other, failure)
        return False

    def outcome(self, place: int) -> T | EdgeDistillError:
        if place in self.results:
            return self.results[place]
        if self.refused[place]:
            return next(iter(self.refused[place].values()))
        self.fleet.require_one()
        raise DeviceError(f"fleet {self.fleet.name}: stopped.")

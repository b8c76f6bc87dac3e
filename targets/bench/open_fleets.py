"""The fleets of a measurement that takes many files: their devices stay open between them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

from targets.bench.fleet import Fleet
from targets.devices.connection import ReadyDevice, Requirements, connected
from targets.devices.contract import Device, Say
from targets.devices.one_model import require_one_model
from targets.errors import DeviceError


@contextmanager
def opened_fleets(
    groups: Sequence[Sequence[Device]],
    needs: Requirements,
    *,
    scratch: Path,
    say: Say,
    stop: Event,
) -> Iterator[list[Fleet[ReadyDevice]]]:
    """A fleet for each group of devices, all in exclusive use inside the block.

    Inside, no other measurement of the devices may run in this process, such as the stage `bench`:
    it would wait for ever. `scratch` is a new folder. A device of a fleet that cannot be reached is
    taken out. Raises `DeviceError` where none of a group can be, and `InputError` where its devices
    are not of one model.
    """
    with ExitStack() as stack:
        fleets = []
        for group in groups:
            fleet = Fleet[ReadyDevice]([one.name for one in group], stop=stop, say=say)
            for device in group:
                folder = scratch / device.file_stem
                folder.mkdir(parents=True)
                try:
                    ready = _kept(device, needs, scratch=folder, say=say, stop=stop)
                    fleet.left[device.name] = stack.enter_context(ready)
                except DeviceError as error:
                    fleet.take_out(device.name, error)
            fleet.require_one()
            require_one_model(fleet.left)
            fleets.append(fleet)
        yield fleets


@contextmanager
def _kept(
    device: Device, needs: Requirements, *, scratch: Path, say: Say, stop: Event
) -> Iterator[ReadyDevice]:
    """The connected device. One that is gone by the end says so, and hides no result."""
    done = False
    try:
        with connected(device, needs, scratch=scratch, say=say, stop=stop) as ready:
            yield ready
            done = True
    except DeviceError as error:
        if not done:
            raise
        say(str(error))

"""One measurement, for `pipeline run` and `pipeline bench`: connect, measure, assemble, write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from targets.bench import assemble
from targets.bench.observe import observe
from targets.bench.plan import Say
from targets.bench.request import BenchRequest, cases, formats
from targets.bench.result import BenchResult
from targets.bench.runner import Array
from targets.devices import connection
from targets.devices.contract import Device
from targets.devices.parallel import on_each_device
from targets.errors import DeviceError, EdgeDistillError
from targets.files.published import published


@dataclass(frozen=True, kw_only=True)
class DeviceResult:
    """The results of one device, or why there are none."""

    device: str
    path: Path
    """The file of `document`."""
    document: BenchResult | None = None
    described: Mapping[str, object] = field(default_factory=dict)
    """The device, as the document describes it."""
    outputs: Mapping[str, Array] = field(default_factory=dict)
    """Outputs of the files of a run, by case: [samples, ...], with an adapter the logits."""
    errors: Mapping[str, EdgeDistillError] = field(default_factory=dict)
    """Errors by case: why it has no figures."""
    failure: DeviceError | None = None
    """Why there is no document."""


def measure_all(
    devices: Sequence[Device], request: BenchRequest, *, out: Path, scratch: Path, say: Say
) -> list[DeviceResult]:
    """Measure on all devices at once; the others finish where one fails. See `measure`."""

    def tried(device: Device, stop: Event) -> DeviceResult:
        prefix = f"{device.name}: " if len(devices) > 1 else ""
        folder = scratch / device.file_stem
        folder.mkdir()
        try:
            return measure(
                device, request, out=out, scratch=folder, say=lambda text: say(prefix + text),
                stop=stop,
            )  # fmt: skip
        except DeviceError as error:
            return DeviceResult(device=device.name, path=_path(out, device), failure=error)

    return on_each_device(devices, tried)


def measure(
    device: Device,
    request: BenchRequest,
    *,
    out: Path,
    scratch: Path,
    say: Say,
    stop: Event | None = None,
) -> DeviceResult:
    """Measure `request` on `device` and write the document into the folder `out`.

    Raises `DeviceError` where the device cannot be reached or cannot measure, and `InputError` for
    options that no model fits.
    """
    requirements = connection.Requirements(
        formats=formats(request),
        runtimes=request.runtimes,
        install=request.install,
        native=None if request.native is None else request.native.tool,
        timeout_s=request.timeout_s,
    )
    with connection.connected(device, requirements, scratch=scratch, say=say, stop=stop) as ready:
        found = cases(
            request,
            defaults=ready.defaults,
            big_cores=ready.big_cores,
            native_only=ready.native_only,
        )
        observed = observe(request, found, ready.runner, cpus=ready.cpus, say=say)
        document = assemble.document(request, observed, ready.device)
    path = _path(out, device)
    _write(document, path)
    return DeviceResult(
        device=device.name,
        path=path,
        document=document,
        described=ready.device,
        outputs={
            name: values
            for name, values in observed.outputs.items()
            if values is not None and found[name].exported is not None
        },
        errors=observed.errors,
    )


def _path(out: Path, device: Device) -> Path:
    return out / f"{device.file_stem}.json"


def _write(document: BenchResult, path: Path) -> None:
    remedy = "Make room, or give another folder with --out."
    with published(path, remedy=remedy) as part:
        part.write_text(document.dump(), encoding="utf-8")

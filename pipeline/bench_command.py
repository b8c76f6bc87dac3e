"""`pipeline bench`: what the command line says becomes a request; what was seen, a document."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline import bench_page
from pipeline.progress import Console
from targets.devices import DEVICES, available_cpus, big_cores, probe_local
from targets.errors import EdgeDistillError, InputError, unknown
from targets.runtimes import RUNTIMES

if TYPE_CHECKING:
    from targets.bench.result import Document
    from targets.bench.session import Request


@dataclass(frozen=True, kw_only=True)
class Options:
    """As the command line gives them."""

    models: tuple[Path, ...]
    baseline: Path | None
    data: Path | None
    devices: tuple[str, ...]
    threads: tuple[str, ...]
    tier: str
    runtimes: tuple[str, ...]
    native: Path | None
    shapes: tuple[str, ...]
    inputs: tuple[str, ...]
    scale: str | None
    offset: str | None
    profile: bool
    install: bool
    timeout: float
    seed: int
    out: Path


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One device: its document, where it is written, and what failed there."""

    document: "Document"
    path: Path
    errors: Mapping[str, EdgeDistillError]


def bench(options: Options, *, console: Console) -> list[Measured]:
    """Measure on every device; a document each in `<out>/<device>.json`.

    Raises `InputError` before anything is measured for what cannot be asked for.
    """
    devices = tuple(dict.fromkeys(options.devices)) or ("local",)
    for name in devices:
        if name not in DEVICES:
            raise unknown("device", name, DEVICES, place="--device")
    with TemporaryDirectory(prefix="pipeline-bench-") as scratch:
        request = _request(options, Path(scratch))
        return [_measure(name, request, options, console, Path(scratch)) for name in devices]


def _measure(
    device: str, request: "Request", options: Options, console: Console, scratch: Path
) -> Measured:
    from targets.bench import account
    from targets.bench.host import Host
    from targets.bench.session import observe
    from targets.links.local import LocalLink
    from targets.runtimes.environment import python_for

    host = Host(
        link=LocalLink(scratch),
        folder=scratch,
        timeout_s=options.timeout,
        python=lambda runtime: str(python_for(runtime, install=options.install, say=console.say)),
    )
    probed = probe_local()
    seen = observe(request, host, cpus=len(available_cpus()), say=console.say)
    document = account.document(request, seen, probed)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{device}.json"
    part = path.with_suffix(".json.part")
    part.write_text(document.dump(), encoding="utf-8")
    part.replace(path)
    bench_page.write(document, device, path.with_suffix(".html"))
    return Measured(document=document, path=path, errors=seen.errors)


def _request(options: Options, scratch: Path) -> "Request":
    from targets.bench import samples, session
    from targets.bench.inputs import Given
    from targets.bench.protocol import Protocol
    from targets.runtimes.benchmark_model import native_tool

    for path in (*options.models, *filter(None, [options.baseline])):
        session.require_model(path)
    found = None if options.data is None else samples.read(options.data, scratch)
    return session.Request(
        models=options.models,
        baseline=options.baseline,
        runtimes=tuple(_runtime(name) for name in options.runtimes),
        threads=tuple(dict.fromkeys(_threads(text) for text in options.threads)) or (1,),
        affinity=tuple(big_cores()),
        given=Given(
            shapes=dict(session.shape(text) for text in options.shapes),
            files={
                name: Path(value)
                for name, value in (
                    session.pair(text, "--input", "mask=mask.npy") for text in options.inputs
                )
            },
            samples=None if found is None else (found.shape, found.dtype),
            scale=_factor(options.scale, "--scale"),
            offset=_factor(options.offset, "--offset"),
        ),
        samples=found,
        protocol=Protocol.of_tier(options.tier, seed=options.seed),
        profile=options.profile,
        native=None if options.native is None else native_tool(options.native),
    )


def _runtime(name: str) -> Any:
    if name not in RUNTIMES:
        raise unknown("runtime", name, RUNTIMES, place="--runtime")
    return RUNTIMES[name]


def _threads(text: str) -> int:
    if text == "big":
        return len(big_cores())
    if not text.isdigit() or int(text) == 0:
        raise InputError(f"--threads {text}: is a whole number above 0, or big: all big cores.")
    return int(text)


def _factor(text: str | None, option: str) -> float | tuple[float, ...] | None:
    """One number, or one per channel divided by commas."""
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"{option} {text}: is a number, or one per channel as in 0.017,0.018,0.017."
        ) from error
    return values[0] if len(values) == 1 else values

"""What a measurement is to cover, and the benchmark cases that follow from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from targets.bench.agent.job import InputSpec
from targets.bench.case import BenchCase
from targets.bench.inputs import Given
from targets.bench.plan import BenchPlan
from targets.bench.samples import LabelledSamples
from targets.errors import InputError
from targets.formats import FORMATS, format_of
from targets.formats.model_io import ModelIO
from targets.formats.record import ExportedModel
from targets.runtimes import RUNTIMES, Runtime, runtime_for
from targets.runtimes.native import NativeTool

BIG = "big"
"""Number of threads: as many as the device has big cores."""


@dataclass(frozen=True, kw_only=True)
class KnownInput:
    """What the only input of a model is given, and how its output is read: nothing is found out."""

    samples: Path
    """.npy of the samples in the form that the model takes."""
    spec: InputSpec
    output_index: int
    reading: ModelIO | None
    """From outputs to logits; None: the outputs are logits."""


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """What is measured and how, the same for every device."""

    models: tuple[Path, ...]
    exports: Mapping[Path, ExportedModel] = field(default_factory=dict)
    """What a run recorded about its own files. The first failure of one ends the measurement; a
    failure of any other file is an entry beside the results of the others."""
    baselines: Mapping[Path, Path] = field(default_factory=dict)
    """Model -> the model that it is compared with."""
    runtimes: tuple[Runtime, ...] = ()
    """Runtimes to measure in; empty: for each format the one that the device can have."""
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name of a runtime -> configuration entries of its sessions."""
    threads: tuple[int | str, ...] = (1,)
    """Numbers of threads, or `BIG`."""
    given: Given = field(default_factory=Given)
    samples: LabelledSamples | None = None
    own_samples: Mapping[Path, Path] = field(default_factory=dict)
    """Model -> .npy of `samples` in the size that the model takes, where it is another one."""
    known: Mapping[Path, KnownInput] = field(default_factory=dict)
    """Model -> its input, where the samples were made for it."""
    outputs: tuple[str, ...] = ()
    """Names of the outputs to judge, in the models that have them."""
    class_offset: int = 0
    """Label k is a model's class k + this offset; `class_offsets` holds exceptions by file name."""
    class_offsets: Mapping[str, int] = field(default_factory=dict)
    plan: BenchPlan
    profile: bool = False
    native: NativeTool | None = None
    """Native tool that measures the files of its formats as well."""
    install: bool = True
    """Whether a runtime may be installed on the device."""
    timeout_s: float = 600.0
    """Time limit of one process, in seconds."""

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys((*self.models, *self.baselines.values())))

    def offset_of(self, path: Path) -> int:
        return self.class_offsets.get(path.name, self.class_offset)


def cases(
    request: BenchRequest,
    *,
    defaults: Mapping[str, Runtime] | None = None,
    big_cores: tuple[int, ...] = (),
    native_only: bool = False,
) -> dict[str, BenchCase]:
    """Return a case for each file, runtime and number of threads, by a unique name.

    `defaults`: format -> the runtime that the device can have.
    """
    asked = [len(big_cores) if count == BIG else int(count) for count in request.threads]
    threads = tuple(dict.fromkeys(asked))
    found = [
        BenchCase(
            name=_name(path, request),
            format=_format(path, request),
            path=path,
            runtime=runtime,
            threads=count,
            affinity=big_cores or None,
            options=request.options.get(runtime.name),
            exported=exported,
            adapter=_adapter(path, request),
            samples=known.samples if known else request.own_samples.get(path),
        )
        for path in request.files
        for exported, known in [(request.exports.get(path), request.known.get(path))]
        for runtime in _runtimes(path, request, defaults or {})
        for count in threads
    ]
    if (native := request.native) is not None:
        found += [replace(one, native=native) for one in found if one.format in native.formats]
    if native_only:
        found = [one for one in found if one.native is not None]
    several = len(threads) > 1, len(request.runtimes) > 1 or request.native is not None
    return {named.name: named for named in (_with_unique_name(one, *several) for one in found)}


def _with_unique_name(case: BenchCase, by_threads: bool, by_runtime: bool) -> BenchCase:
    name = case.name
    if by_runtime:
        name += f" in {case.native.name if case.native else case.executed_by.name}"
    if by_threads:
        name += f" ({case.threads} thread{'s' if case.threads > 1 else ''})"
    return replace(case, name=name)


def _name(path: Path, request: BenchRequest) -> str:
    if path in request.exports:
        return request.exports[path].name
    alone = [other.name for other in request.files].count(path.name) == 1
    return path.name if alone else str(path)


def _format(path: Path, request: BenchRequest) -> str:
    return request.exports[path].format if path in request.exports else format_of(path)


def _adapter(path: Path, request: BenchRequest) -> ModelIO | None:
    if path in request.exports:
        return request.exports[path].adapter
    return request.known[path].reading if path in request.known else None


def formats(request: BenchRequest) -> list[str]:
    return [_format(path, request) for path in request.files]


def _runtimes(
    path: Path, request: BenchRequest, defaults: Mapping[str, Runtime]
) -> Sequence[Runtime]:
    kind, asked = _format(path, request), request.runtimes
    fitting = [runtime for runtime in asked if kind in runtime.formats]
    if asked and not fitting:
        names = ", ".join(r.name for r in RUNTIMES.values() if kind in r.formats)
        raise InputError(
            f"--runtime {asked[0].name}: takes no {kind} files, as {path} is; those that do: "
            f"{names}."
        )
    return fitting or [defaults.get(kind) or runtime_for(kind)]


def require_model(path: Path) -> None:
    """Raise `InputError` for what cannot be a model file, before anything starts."""
    if format_of(path) not in FORMATS:
        endings = " or ".join(f".{name}" for name in FORMATS)
        raise InputError(
            f"model {path}: its name must end in {endings}. `pipeline convert` makes such "
            "files of a Keras model."
        )
    if not path.is_file():
        raise InputError(f"model {path}: there is no such file.")

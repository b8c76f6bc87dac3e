"""`pipeline bench`: any model files, measured on a device, with how far the numbers can be trusted.

A model that cannot be measured is an entry with its error, and the others' results stand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from targets.bench import scores
from targets.bench.inputs import Given, batch_of, require_known, resolve
from targets.bench.model_files import ModelFiles, files_of
from targets.bench.plan import Bench, Protocol, Say, Subject
from targets.bench.record import Block
from targets.bench.runner import Host
from targets.bench.samples import LabelledSamples
from targets.devices.contract import LinkLost
from targets.errors import EdgeDistillError, InputError
from targets.formats import FORMATS
from targets.runtimes import RUNTIMES, Runtime, runtime_for
from targets.runtimes.benchmark_model import BenchmarkModel


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be measured; paths and names as the user gave them."""

    models: tuple[Path, ...]
    baseline: Path | None = None
    runtimes: tuple[Runtime, ...] = ()
    """Empty: for each file that of `defaults`, else the first that takes its format."""
    defaults: Mapping[str, Runtime] = field(default_factory=dict)
    """By format, what the device can have."""
    threads: tuple[int, ...] = (1,)
    affinity: tuple[int, ...] | None = None
    ort_options: Mapping[str, str] = field(default_factory=dict)
    """Entries of the configuration of ONNX Runtime's sessions."""
    given: Given = field(default_factory=Given)
    samples: LabelledSamples | None = None
    outputs: tuple[str, ...] = ()
    """Names of those that are judged, in the models that have them."""
    class_offset: int = 0
    """Label k is class k + this of a model; `class_offsets`: by the file's name, of that one."""
    class_offsets: Mapping[str, int] = field(default_factory=dict)
    protocol: Protocol
    profile: bool = False
    native: BenchmarkModel | None = None
    """Google's tool, which TFLite files are measured in as well."""
    native_only: bool = False
    """On a device that no Python is brought to: nothing is known of a file but its latency."""

    def offset_of(self, path: Path) -> int:
        return self.class_offsets.get(path.name, self.class_offset)


@dataclass(kw_only=True)
class Observed:
    """Everything that was seen on one device, by the subjects' names."""

    subjects: dict[str, Subject]
    files: dict[str, ModelFiles] = field(default_factory=dict)
    described: dict[str, dict[str, Any]] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    """Arrays [samples, ...]; null where the shapes differ or where there are no samples."""
    undecided: dict[str, str] = field(default_factory=dict)
    """Why no output of a model can be judged."""
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, EdgeDistillError] = field(default_factory=dict)

    def failed(self, subject: Subject, error: EdgeDistillError) -> None:
        self.errors[subject.name] = error

    @property
    def left(self) -> list[Subject]:
        return [s for name, s in self.subjects.items() if name not in self.errors]

    @property
    def ours(self) -> list[Subject]:
        """Those that our agent runs."""
        return [subject for subject in self.left if subject.native is None]


def subjects(request: Request) -> dict[str, Subject]:
    """One for each file, runtime and number of threads, by a name that no other has."""
    files = list(dict.fromkeys((*request.models, *filter(None, [request.baseline]))))
    for path in files:
        require_model(path)
    found = [
        Subject(
            name=_name(path, files),
            format=format_of(path),
            path=path,
            runtime=runtime,
            threads=threads,
            affinity=request.affinity,
            ort_options=request.ort_options if format_of(path) == "onnx" else None,
        )
        for path in files
        for runtime in _runtimes(path, request)
        for threads in request.threads
    ]
    if request.native:
        found += [
            replace(one, native=request.native)
            for one in found
            if one.format in request.native.formats
        ]
    if request.native_only:
        found = [one for one in found if one.native is not None]
    several = len(request.threads) > 1, len(request.runtimes) > 1 or request.native is not None
    return {named.name: named for named in (_told_apart(one, *several) for one in found)}


def _told_apart(subject: Subject, by_threads: bool, by_runtime: bool) -> Subject:
    name = subject.name
    if by_runtime:
        name += f" in {subject.native.name if subject.native else subject.executed_by.name}"
    if by_threads:
        name += f" ({subject.threads} thread{'s' if subject.threads > 1 else ''})"
    return replace(subject, name=name)


def _name(path: Path, files: Sequence[Path]) -> str:
    alone = [other.name for other in files].count(path.name) == 1
    return path.name if alone else str(path)


def _runtimes(path: Path, request: Request) -> list[Runtime]:
    kind, asked = format_of(path), request.runtimes
    fitting = [runtime for runtime in asked if kind in runtime.formats]
    if asked and not fitting:
        names = ", ".join(r.name for r in RUNTIMES.values() if kind in r.formats)
        raise InputError(
            f"--runtime {asked[0].name}: takes no {kind} files, as {path} is; those that do: "
            f"{names}."
        )
    return fitting or [request.defaults.get(kind) or runtime_for(kind)]


def format_of(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def require_model(path: Path) -> None:
    """`InputError` for what cannot be a model file, before anything starts."""
    if format_of(path) not in FORMATS:
        raise InputError(
            f"model {path}: its name must end in .tflite or .onnx. `pipeline convert` makes such "
            "files of a Keras model."
        )
    if not path.is_file():
        raise InputError(f"model {path}: there is no such file.")


def observe(request: Request, host: Host, *, cpus: int, say: Say) -> Observed:
    """Every pass over every model; each pass in processes of its own, so that none disturbs."""
    seen = Observed(subjects=subjects(request))
    _find_files(seen)
    samples = request.samples
    bench = Bench(
        host=host,
        protocol=request.protocol,
        samples=None if samples is None else samples.path,
        cpus=cpus,
    )
    if not request.native_only:
        _prepare(bench, request, seen, say)
    if not seen.left:
        return seen
    seen.blocks = bench.latency(seen.left, say=say, failed=seen.failed)
    say("bench     memory")
    _pass(seen, seen.memory, lambda subject: bench.once(subject, "memory"))
    if request.profile:
        say("bench     operators")
        _pass(seen, seen.profiles, lambda subject: bench.once(subject, "profile"))
    if samples is not None and seen.ours:
        say(f"bench     accuracy over {samples.count} samples")
        _pass(seen, seen.records, lambda subject: _outputs(subject, bench, seen))
    return seen


def _find_files(seen: Observed) -> None:
    for subject in seen.left:
        try:
            seen.files[subject.name] = files_of(subject.path)
        except InputError as error:
            seen.failed(subject, error)


def _prepare(bench: Bench, request: Request, seen: Observed, say: Say) -> None:
    """What each file takes, and what each of its inputs is given."""
    say(f"bench     reading {len(seen.subjects)} models")
    for subject in seen.left:
        _describe(subject, bench, seen)
    if not seen.errors:  # a name may be that of a model that could not be read
        require_known([one["inputs"] for one in seen.described.values()], request.given)
        scores.require_named([one["outputs"] for one in seen.described.values()], request.outputs)
    for subject in seen.left:
        _resolve(subject, request, seen)
    _choose(request, seen)


def _describe(subject: Subject, bench: Bench, seen: Observed) -> None:
    try:
        seen.described[subject.name] = bench.once(subject, "describe")
    except LinkLost:
        raise
    except EdgeDistillError as error:
        seen.failed(subject, error)


def _resolve(subject: Subject, request: Request, seen: Observed) -> None:
    described = seen.described[subject.name]
    try:
        inputs = resolve(described["inputs"], request.given, subject.path)
    except InputError as error:
        seen.failed(subject, error)
        return
    batch = batch_of(inputs, described["outputs"])
    seen.subjects[subject.name] = replace(subject, inputs=inputs, batch=batch)


def _choose(request: Request, seen: Observed) -> None:
    """The output of each model that is judged. As many classes as the baseline tells apart, which
    is looked at first, else as the labels need."""
    labels = None if request.samples is None else request.samples.labels
    classes = None if labels is None else int(labels.max()) + 1
    like = None
    for subject in sorted(seen.left, key=lambda one: one.path != request.baseline):
        outputs, offset = seen.described[subject.name]["outputs"], request.offset_of(subject.path)
        choice = scores.choose(
            outputs,
            named=request.outputs,
            classes=None if classes is None else classes + offset,
            like=like,
            batch=subject.batch,
        )
        seen.subjects[subject.name] = replace(subject, output_index=choice.index)
        if choice.undecided is not None:
            seen.undecided[subject.name] = choice.undecided
        elif subject.path == request.baseline:
            told = scores.width(outputs[choice.index], subject.batch)
            classes = classes if told is None else told - offset
            like = outputs[choice.index]["name"]


def _pass(seen: Observed, into: dict[str, Any], measure: Any) -> None:
    for subject in seen.ours:
        try:
            into[subject.name] = measure(subject)
        except LinkLost:
            raise
        except EdgeDistillError as error:
            seen.failed(subject, error)


def _outputs(subject: Subject, bench: Bench, seen: Observed) -> dict[str, Any]:
    output = seen.described[subject.name]["outputs"][subject.output_index]
    if not scores.is_number(output["dtype"]):
        raise InputError(
            f"{subject.path}: its output {scores.shown(output)} holds no numbers, so that nothing "
            "is known of its accuracy. Name another (--output NAME), or leave --data out."
        )
    seen.outputs[subject.name], record = bench.outputs(subject)
    return record


def pair(text: str, option: str, example: str) -> tuple[str, str]:
    """Of `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(f"{option} {text}: is not NAME=VALUE, as in {option} {example}.")
    return name, value


def shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Of `--shape NAME=1,3,48,320`."""
    name, value = pair(text, "--shape", "x=1,3,48,320")
    sizes = value.split(",")
    if not all(size.strip().isdigit() and int(size) > 0 for size in sizes):
        raise InputError(f"--shape {text}: sizes are whole numbers above 0, as in x=1,3,48,320.")
    return name, tuple(int(size) for size in sizes)

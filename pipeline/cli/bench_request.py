"""The options of `pipeline bench` as a request for a measurement."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import bench_pictures
from pipeline.cli.picture_options import PictureOptions, factor
from targets.errors import InputError, unknown

if TYPE_CHECKING:
    from targets.bench.inputs import Given
    from targets.bench.request import BenchRequest, KnownInput
    from targets.bench.samples import LabelledSamples


@dataclass(frozen=True, kw_only=True)
class Options(PictureOptions):
    """The options as the command line gives them."""

    models: tuple[Path, ...]
    baseline: Path | None
    data: Path | None
    skip_bad: bool
    devices: tuple[str, ...]
    threads: tuple[str, ...]
    tier: str
    runtimes: tuple[str, ...]
    ort_options: tuple[str, ...]
    native: Path | None
    shapes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    class_offsets: tuple[str, ...]
    profile: bool
    install: bool
    timeout: float
    seed: int
    out: Path

    @property
    def files(self) -> tuple[Path, ...]:
        return (*self.models, *filter(None, [self.baseline]))


def request_of(options: Options, scratch: Path, *, say: Callable[[str], None]) -> "BenchRequest":
    """Read the options and the data. Raises `InputError` for what cannot be measured."""
    from targets.bench import request
    from targets.bench.inputs import Given
    from targets.bench.plan import BenchPlan
    from targets.runtimes import RUNTIMES
    from targets.runtimes.benchmark_model import native_tool

    for path in options.files:
        request.require_model(path)
    for text in options.threads:
        if text != request.BIG and (not text.isdigit() or int(text) == 0):
            raise InputError(f"--threads {text}: is a whole number above 0, or big: all big cores.")
    for name in options.runtimes:
        if name not in RUNTIMES:
            raise unknown("runtime", name, RUNTIMES.available(), place="--runtime")
    found, known = _data(options, scratch, say)
    offsets = _class_offsets(options)
    baseline = options.baseline
    return request.BenchRequest(
        models=options.files,
        baselines={
            path: baseline for path in options.models if baseline is not None and path != baseline
        },
        runtimes=tuple(RUNTIMES[name] for name in options.runtimes),
        options={"onnxruntime": _ort_options(options)},
        threads=options.threads or (1,),
        given=Given() if known else _given(options, found),
        samples=found,
        known=known,
        outputs=options.outputs,
        class_offset=offsets.pop("", 0),
        class_offsets=offsets,
        plan=BenchPlan.of_tier(options.tier, seed=options.seed),
        profile=options.profile,
        native=None if options.native is None else native_tool(options.native),
        install=options.install,
        timeout_s=options.timeout,
    )


def _data(
    options: Options, scratch: Path, say: Callable[[str], None]
) -> "tuple[LabelledSamples | None, Mapping[Path, KnownInput]]":
    """The samples, and the inputs of the models that they were made for."""
    from targets.bench import samples

    if options.data is not None and bench_pictures.is_folder_of_pictures(options.data):
        _require_no_arrays(options)
        output_name = options.outputs[0] if options.outputs else None
        how = replace(options, output_name=output_name)
        return bench_pictures.read(
            options.data, options.files, how, scratch, say=say, skip_bad=options.skip_bad
        )
    _require_no_pictures(options)
    _require_no_texts(options.data)
    return None if options.data is None else samples.read(options.data, scratch), {}


def _require_no_arrays(options: Options) -> None:
    """Refuse what describes arrays, where --data is a folder of pictures."""
    given = {
        "--shape": (options.shapes, "--size gives the size of an open input"),
        "--input": (options.inputs, "a model of pictures has one input"),
        "--class-offset": (options.class_offsets, "classes are matched by their names"),
        "--output": (options.outputs[1:], "one output is judged"),
    }
    for option, (values, why) in given.items():
        if values:
            raise InputError(
                f"{option} {values[0]}: --data {options.data} is a folder of pictures, and {why}. "
                f"Leave {option} out."
            )


def _require_no_pictures(options: Options) -> None:
    given = {
        "--labels": options.labels,
        "--size": options.size,
        "--channels": options.channels,
        "--fit": options.fit,
        "--scores": options.output,
        "--skip-bad": "" if options.skip_bad else None,
    }
    for option, value in given.items():
        if value is not None:
            raise InputError(
                f"{f'{option} {value}'.strip()}: says how pictures are read, and --data is not a "
                f"folder of pictures. Leave {option} out, or give a folder of class folders with "
                "--data."
            )


def _require_no_texts(data: Path | None) -> None:
    from targets.texts import recognition

    if data is not None and data.suffix.lower() in recognition.SUFFIXES:
        raise InputError(
            f"--data {data}: files of texts are not measured here. `pipeline predict` gives the "
            "accuracy on them; for the latency leave --data out, or give raw inputs as .npz."
        )


def _given(options: Options, samples: "LabelledSamples | None") -> "Given":
    from targets.bench.inputs import Given

    files = [_pair(text, "--input", "mask=mask.npy") for text in options.inputs]
    return Given(
        shapes=dict(shape(text) for text in options.shapes),
        files={name: Path(value) for name, value in files},
        samples=None if samples is None else (samples.shape, samples.dtype),
        scale=factor(options.scale, "--scale"),
        offset=factor(options.offset, "--offset"),
    )


def _class_offsets(options: Options) -> dict[str, int]:
    """Return the class offsets by the name of a model's file; "" for all models."""
    files = [path.name for path in options.files]
    offsets = {}
    for text in options.class_offsets:
        name, _, number = text.rpartition("=")
        if not number.removeprefix("-").isdigit():
            raise InputError(
                f"--class-offset {text}: is a whole number, or MODEL=NUMBER for one of the models, "
                "as in --class-offset 1: label 0 is the model's class 1."
            )
        if name and name not in files:
            raise unknown("model", name, files, place="--class-offset")
        offsets[name] = int(number)
    return offsets


def _ort_options(options: Options) -> dict[str, str]:
    from targets.formats import format_of

    if options.ort_options and not any(format_of(path) == "onnx" for path in options.files):
        raise InputError(
            f"--ort-option {options.ort_options[0]}: is for ONNX Runtime, and no model is .onnx. "
            "Leave it out."
        )
    example = "session.x64quantprecision=1"
    return dict(_pair(text, "--ort-option", example) for text in options.ort_options)


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    """The two sides of `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(f"{option} {text}: is not NAME=VALUE, as in {option} {example}.")
    return name, value


def shape(text: str) -> tuple[str, tuple[int, ...]]:
    """The name and the sizes of `--shape NAME=1,3,48,320`."""
    name, value = _pair(text, "--shape", "x=1,3,48,320")
    sizes = value.split(",")
    if not all(size.strip().isdigit() and int(size) > 0 for size in sizes):
        raise InputError(f"--shape {text}: sizes are whole numbers above 0, as in x=1,3,48,320.")
    return name, tuple(int(size) for size in sizes)

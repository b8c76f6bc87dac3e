"""`pipeline convert`: the user's trained classifier in the formats of a device.

A file takes raw uint8 values (0-255): `raw * scale + offset` is inside it. Every file is compared
with the network in the runtime that will load it; a file that is not proved is not published.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.engine.progress import Console
from pipeline.export.description import describe
from pipeline.export.destination import relative_path, require_replaceable, workplace
from pipeline.export.exporter import Exporter, Logits, Network, ProvedFile, Raw, SampleSets
from pipeline.export.options import ConvertOptions
from pipeline.export.result import (
    NAME,
    Comparison,
    Conversion,
    ConvertedFile,
    InputSummary,
    NetworkSummary,
    converted_file,
)
from targets.errors import InputError, ProofError
from targets.formats import FORMATS
from targets.formats.calibration import evenly, require_enough
from targets.formats.contract import ServingFunction
from targets.formats.input_spec import InputSpec
from targets.formats.precisions import PRECISIONS, Precision
from targets.untyped import Tensor

if TYPE_CHECKING:
    from pipeline.datasets.images import ImagesFile
    from pipeline.teachers.loading import LoadedNetwork

NOISE = (
    "seeded uniform uint8 noise, because no --data was given: it shows that the files calculate "
    "what the network does, and nothing about images"
)
NOISE_SAMPLES = 256
BATCH = 64
LOADERS = ("keras", "tf-keras")
"""Distributions that load the network, beside those of the formats."""


@dataclass(frozen=True, kw_only=True)
class SourceNetwork:
    """The loaded network, and the samples that its files are compared on."""

    options: ConvertOptions
    loaded: "LoadedNetwork"
    samples: Raw
    data: "ImagesFile | None"
    """The user's images; None where `samples` are noise."""
    logits: Logits
    """The network's own outputs for the samples: [samples, classes]."""

    def function(self, precision: Precision, file: str) -> ServingFunction:
        if precision.calibrated:
            self.loaded.require_integer_form(file)
        return serving_function(
            self.loaded.for_export,
            self.samples.shape[1:],
            scale=self.options.scale,
            offset=self.options.offset,
            int8=precision.int8,
        )

    def top1(self, outputs: Logits) -> float | None:
        from targets.evaluation import metrics

        if self.data is None or self.data.labels is None:
            return None
        # With one output, a file is judged at the network's threshold, not at one of its own.
        one = self.logits.shape[1] == 1
        threshold = metrics.binary_threshold(self.logits) if one else None
        return metrics.top1(outputs, self.data.labels, threshold=threshold)


def convert(options: ConvertOptions, *, console: Console) -> Conversion:
    """Write the files and `convert.json` into `options.folder`.

    A file that is not proved is a row with its `reason`; the others are published. Raises
    `InputError` for wrong options, and `ProofError` where no file is proved; then nothing is
    published.
    """
    from pipeline.teachers.loading import load_network, require_there
    from pipeline.training import session

    requested = options.requested()
    require_there(options.model)
    require_replaceable(options.folder, model=options.model, signature=options.signature)
    session.start(seed=0, threads=options.threads)
    loaded = load_network(options.model, signature=options.signature)
    for change in loaded.changes:
        console.say(f"convert   {change}")
    with workplace(options.folder) as (folder, scratch):
        source = _source(options, loaded)
        if any(PRECISIONS[precision].calibrated for _, precision in requested):
            require_enough(
                source.samples,
                what=f"--data {options.data}",
                instead="go without calibration: --precision float32",
            )
        conversion = _conversion(source, _files(source, requested, folder, scratch, console))
        (folder / NAME).write_text(conversion.text(), encoding="utf-8")
    return conversion


def _files(
    source: SourceNetwork,
    requested: list[tuple[str, str]],
    folder: Path,
    scratch: Path,
    console: Console,
) -> tuple[ConvertedFile, ...]:
    (folder / "models").mkdir()
    samples = source.samples
    exporter = Exporter(
        folder=folder / "models",
        scratch=scratch,
        samples=SampleSets(calibration=samples, comparison=samples, pair=lambda: samples),
        say=console.say,
    )
    network = Network(
        name=source.options.model.resolve().stem,
        role="network",
        function=source.function,
        logits=lambda samples: source.logits,
    )
    files = []
    for target, precision in requested:
        file = exporter.export(network, target, precision)
        top1 = None
        if isinstance(file, ProvedFile):
            top1 = source.top1(file.outputs)
            _describe(folder / file.record.file, file, source)
        files.append(converted_file(file, top1=top1))
    reasons = [file.reason for file in files if file.reason is not None]
    if len(reasons) == len(files):
        raise ProofError("\n- ".join(["no file is proved, and nothing is published:", *reasons]))
    return tuple(files)


def _describe(path: Path, file: ProvedFile, source: SourceNetwork) -> None:
    precision = PRECISIONS[file.record.precision]
    describe(
        path,
        file.record,
        input=source.function(precision, path.name).input,
        scores=source.logits,
        classes=source.data.classes if source.data else None,
    )


def _source(options: ConvertOptions, loaded: "LoadedNetwork") -> SourceNetwork:
    from pipeline.datasets import images

    if not (np.isfinite(options.scale) and options.scale > 0 and np.isfinite(options.offset)):
        raise InputError("--scale, --offset: must be numbers, and the scale above 0.")
    if loaded.takes_integers and (options.scale, options.offset) != (1, 0):
        raise InputError(
            f"--scale, --offset: model {options.model} takes {loaded.input_dtype} pixels as they "
            "are (raw 0-255), and would cut anything else to whole numbers. Leave both out."
        )
    if loaded.batch not in (None, 1):
        raise InputError(
            f"model {options.model}: takes batches of {loaded.batch} only; save it with an open "
            "batch size, or with 1."
        )
    data = None
    if options.data is not None:
        (classes,) = loaded.output_shape
        data = images.load(options.data, shape=loaded.input_shape, classes=classes)
    samples = data.images if data else _noise(loaded, options.model)
    return SourceNetwork(
        options=options,
        loaded=loaded,
        samples=samples,
        data=data,
        logits=_predict(loaded, samples, options),
    )


def serving_function(
    network: Callable[[Tensor], Tensor],
    shape: tuple[int, ...],
    *,
    scale: float,
    offset: float,
    int8: bool,
) -> ServingFunction:
    """`network(raw * scale + offset)` for float files, or for int8 files.

    An int8 input has a whole number as zero point, and is moved by half a raw value at most for it
    (TFLite's own quantizer does the same with a network's input). Where zero is not among the
    values, the arithmetic is part of the int8 graph.
    """
    zero_point = round(-offset / scale)
    if int8 and 0 <= zero_point <= 255:
        spec = InputSpec(shape=shape, scale=scale, zero_point=zero_point)
        return ServingFunction(input=spec, call=network)
    raw = InputSpec(shape=shape, scale=1.0, zero_point=0)
    if (scale, offset) == (1, 0):
        return ServingFunction(input=raw, call=network)
    return ServingFunction(input=raw, call=lambda x: network(x * scale + offset))


def _noise(network: "LoadedNetwork", model: Path) -> Raw:
    if None in network.input_shape:
        raise InputError(
            f"model {model}: leaves the size of its input open "
            f"({', '.join(map(str, network.input_shape))}). Give --data with images of the size "
            "that the device will get."
        )
    shape = [size for size in network.input_shape if size is not None]
    return np.random.default_rng(0).integers(0, 256, (NOISE_SAMPLES, *shape), np.uint8)


def _predict(network: "LoadedNetwork", samples: Raw, options: ConvertOptions) -> Logits:
    import tensorflow as tf

    from pipeline.teachers.loading import running

    @tf.function(reduce_retracing=True)
    def batch(raw: Tensor) -> Tensor:
        return network(tf.cast(raw, tf.float32) * options.scale + options.offset)

    size = network.batch or BATCH
    with running(options.model):
        parts = [batch(samples[i : i + size]).numpy() for i in range(0, len(samples), size)]
    outputs: Logits = np.concatenate(parts)
    if not np.isfinite(outputs).all():
        raise InputError(
            f"model {options.model}: gives outputs that are not finite. Check --scale "
            f"{options.scale:g} and --offset {options.offset:g}: the network gets raw * scale "
            "+ offset."
        )
    return outputs


def _conversion(source: SourceNetwork, files: tuple[ConvertedFile, ...]) -> Conversion:
    options, data = source.options, source.data
    calibrated = any(PRECISIONS[file.precision].calibrated for file in files if file.file)
    libraries = {name for file in files for name in FORMATS[file.format].distributions}
    return Conversion(
        model=NetworkSummary(
            file=options.model.name,
            path=relative_path(options.model, options.folder),
            signature=options.signature,
            changes=source.loaded.changes,
            kind=source.loaded.kind,
            input_shape=source.samples.shape[1:],
            classes=max(source.logits.shape[1], 2),  # one output separates two classes
            top1=source.top1(source.logits),
        ),
        input=InputSummary(raw="uint8 0-255", scale=options.scale, offset=options.offset),
        compared_on=Comparison(
            what=options.data.name if options.data else NOISE,
            sha256=data.sha256 if data else None,
            samples=len(source.samples),
            calibration_samples=len(evenly(source.samples)) if calibrated else None,
        ),
        files=files,
        libraries={name: metadata.version(name) for name in sorted({*LOADERS, *libraries})},
    )

"""The file that a recipe would ship, of its network before training.

Latency and size do not depend on the values of the weights, so that a candidate is measured by this
file and trained only if it keeps the limits. Nothing is proved here: the trained file is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.recipe.schema import Recipe
from targets.formats.precisions import PRECISIONS
from targets.formats.record import ExportedModel

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset
    from targets.formats.contract import ExportContext, ServingFunction
    from targets.untyped import KerasModel

CALIBRATION_SAMPLES = 256
"""Ranges decide neither time nor size: the fewest samples that an export takes."""


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A file of a candidate, untrained or trained."""

    path: Path
    record: ExportedModel


def untrained(recipe: Recipe, folder: Path) -> ModelFile:
    """Write the student's file in the first format and the first precision of the recipe.

    `folder` must be new. The same recipe gives the same bytes, whatever this process did before.
    Raises `InputError` or `ProofError` where the network cannot be such a file.
    """
    from pipeline import datasets
    from pipeline.export.exporter import recorded
    from pipeline.models.macs import count_macs
    from pipeline.models.network import count_parameters
    from targets.formats import FORMATS

    (target, *_), (precision, *_) = recipe.convert.targets, recipe.convert.precisions
    data = datasets.load(recipe.dataset)
    student = _student(recipe, data)
    path = folder / "models" / f"student.{precision}.{target}"
    path.parent.mkdir(parents=True)
    FORMATS[target].export(
        _served(student, recipe, data), precision, path, context=_context(recipe, data, folder)
    )
    if recipe.convert.probabilities:
        FORMATS[target].add_probabilities(path, temperature=2.0)  # any: it is a factor
    record = recorded(
        path,
        role="student_qat" if PRECISIONS[precision].quantization_aware else "student",
        precision=precision,
        parameters=count_parameters(student),
        macs=count_macs(student),
        input_shape=data.input.shape,
    )
    return ModelFile(path=path, record=record)


def _student(recipe: Recipe, data: "Dataset") -> "KerasModel":
    from pipeline.models.network import build
    from pipeline.training import preflight, session
    from pipeline.training.networks import student_network

    preflight.require_int8(recipe, data, seed=recipe.seed)
    session.start(seed=recipe.seed, threads=recipe.threads)
    student = build(student_network(recipe, data))
    _randomize(student, seed=recipe.seed)
    return student


def _randomize(model: "KerasModel", *, seed: int) -> None:
    """Draw what is constant in a new network: batch norm and biases.

    Equal arrays are stored once in a file, so that it would be smaller than the trained one.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(random.uniform(0.5, 1.5, weight.shape))  # a variance is above 0


def _served(student: "KerasModel", recipe: Recipe, data: "Dataset") -> "ServingFunction":
    from pipeline.quantization.calibration import calibration_images
    from pipeline.quantization.qat import QuantizedNetwork
    from targets.formats.contract import ServingFunction

    model = student
    if PRECISIONS[recipe.convert.precisions[0]].quantization_aware:
        quantized = QuantizedNetwork(student, data.input)
        quantized.calibrate(calibration_images(data, CALIBRATION_SAMPLES, seed=recipe.seed))
        model = quantized.model
    return ServingFunction(input=data.input, call=lambda image: model(image, training=False))


def _context(recipe: Recipe, data: "Dataset", folder: Path) -> "ExportContext":
    from pipeline.datasets.splits import Split
    from targets.formats.calibration import evenly
    from targets.formats.contract import ExportContext

    return ExportContext(
        samples=evenly(data[Split.TRAIN].raw, CALIBRATION_SAMPLES),
        scratch=folder,
        options=recipe.convert.options(recipe.convert.targets[0]),
    )

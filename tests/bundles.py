"""Small bundles: a classifier of colours with pictures, and one of numbers without."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from targets.bundle import archive
from targets.bundle.schema import NAME, Bundle, BundledModel, Sample
from targets.files.digest import file_sha256
from targets.formats import FORMATS, sidecar
from targets.formats.input_spec import InputSpec
from targets.formats.metadata import FileMetadata
from targets.formats.record import ExportedModel
from tests.models import tflite_file
from tests.picture_models import CLASSES, SIZE, delivered, noisy

COLOURS = "models/student.int8.onnx"
NUMBERS = "models/student.float32.tflite"


def colours(folder: Path) -> Path:
    """A bundle's folder: an .onnx file and a PNG of each class."""
    for name in ("models", "samples"):
        (folder / name).mkdir(parents=True)
    delivered(folder / COLOURS)
    predicted = {}
    for colour in CLASSES:
        file = f"samples/{colour}.png"
        Image.fromarray(noisy(colour, size=(SIZE, SIZE))).save(folder / file)
        predicted[file] = colour
    return described(folder, COLOURS, predicted)


def numbers(folder: Path) -> Path:
    """A bundle's folder: a .tflite file that gives its three inputs as logits, and .npy."""
    for name in ("models", "samples"):
        (folder / name).mkdir(parents=True)
    path = folder / NUMBERS
    path.write_bytes(tflite_file("RELU", [("x", "float32", [1, 3])]))
    record = ExportedModel(
        name=path.name,
        role="student",
        format="tflite",
        precision="float32",
        file=NUMBERS,
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        parameters=None,
        macs=None,
    )
    spec = InputSpec(shape=(3,), dtype="float32", scale=1, zero_point=0)
    sidecar.write(path, record=record, classes=CLASSES, input=spec, preprocessing=None)
    predicted = {}
    for place, name in enumerate(CLASSES):
        file = f"samples/{place}.npy"
        np.save(folder / file, np.eye(3, dtype=np.float32)[place])
        predicted[file] = name
    return described(folder, NUMBERS, predicted)


def described(folder: Path, model: str, predicted: Mapping[str, str]) -> Path:
    """The folder with its `bundle.json`; the model holds its metadata."""
    measured = stamp(folder / model)
    digest = file_sha256(folder / model)
    bundle = Bundle(
        name="small",
        version="1.0",
        created_utc="2026-01-01T00:00:00+00:00",
        recommended=model,
        models=(
            BundledModel(
                name=Path(model).name, file=model, sha256=digest, measured_sha256=measured
            ),
        ),
        samples=tuple(
            Sample(file=file, label=label, predicted={model: label})
            for file, label in predicted.items()
        ),
    )
    (folder / NAME).write_text(bundle.model_dump_json(by_alias=True))
    return folder


def stamp(model: Path) -> str:
    """Write its metadata into a model file, and its digest into the sidecar; the digest before."""
    found, before = sidecar.read(model), file_sha256(model)
    assert found is not None
    metadata = FileMetadata(
        name="small",
        version="1.0",
        license="MIT",
        labels=found.classes,
        input=found.input,
        preprocessing=found.preprocessing,
        measured_sha256=before,
    )
    FORMATS[found.format].stamp(model, model, metadata=metadata)
    place = sidecar.path_of(model)
    place.write_text(place.read_text().replace(before, file_sha256(model)))
    return before


def changed(folder: Path, **values: object) -> Path:
    """The folder with other values in its `bundle.json`."""
    content = json.loads((folder / NAME).read_text())
    (folder / NAME).write_text(json.dumps({**content, **values}))
    return folder


def packed(folder: Path) -> Path:
    """The folder as a zip beside it."""
    archive.write(folder, folder.with_suffix(".zip"))
    return folder.with_suffix(".zip")

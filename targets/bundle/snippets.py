"""Code for Kotlin and C++, with what a model file needs filled in."""

from math import prod
from pathlib import Path

from targets.bundle.facts import Facts, ModelFacts
from targets.bundle.templating import render
from targets.formats.confidence import Confidence
from targets.formats.input_spec import InputSpec
from targets.formats.sidecar import Sidecar

FOLDER = "snippets"
FILES = ("Classifier.kt", "classifier.h", "classifier.cpp")
FORMAT = "tflite"
C_TYPES = {"uint8": ("std::uint8_t", "kTfLiteUInt8", 1), "float32": ("float", "kTfLiteFloat32", 4)}
"""Type of the file's input -> that of C++, its name in TFLite's C API, and its bytes."""


def model_for(facts: Facts, input: InputSpec) -> ModelFacts | None:
    """The recommended file, or the one of its precision in the format of the code; None: none.

    The code takes bytes from 0 to 255, so that it is for images only.
    """
    if input.kind != "image":
        return None
    fitting = [model for model in facts.models if model.format == FORMAT]
    fitting.sort(key=lambda one: (one != facts.recommended, one.precision != recommended(facts)))
    return next(iter(fitting), None)


def thresholds(sure: Confidence | None, classes: int) -> tuple[float, ...]:
    """The probability from which each class is known: 0 is always, 2 is never."""
    if sure is None or not sure.decides:
        return (0.0,) * classes
    limits = map(sure.limit, range(classes))
    return tuple(2.0 if limit is None else limit for limit in limits)


def recommended(facts: Facts) -> str:
    return facts.recommended.precision


def write(folder: Path, facts: Facts, model: ModelFacts, sidecar: Sidecar, *, dtype: str) -> None:
    """Write `snippets/`; `dtype`: of the file's input."""
    shape, preprocessing = sidecar.input.shape, sidecar.preprocessing
    c_type, lite_type, size = C_TYPES[dtype]
    sure = sidecar.confidence
    place = folder / FOLDER
    place.mkdir()
    for name in FILES:
        text = render(
            f"{name}.j2",
            facts=facts,
            model=model,
            classes=sidecar.classes,
            thresholds=thresholds(sure, len(sidecar.classes)),
            temperature=1.0 if sure is None else sure.temperature,
            input=sidecar.input,
            is_picture=sidecar.input.is_picture,
            channel_order="RGB" if shape[-1] == 3 else "grey",
            fit=None if preprocessing is None else preprocessing.fit,
            size=prod(shape),
            c_type=c_type,
            lite_type=lite_type,
            bytes=size,
        )
        (place / name).write_text(text, encoding="utf-8")

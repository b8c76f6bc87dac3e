"""How inputs reach a model and how its outputs become logits: from its sidecar, or as given."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np

from targets.bench import inputs, scores
from targets.bench.agent.job import InputSpec
from targets.bench.inputs import Factor, Given
from targets.errors import InputError, unknown
from targets.evaluation.metrics import Logits
from targets.formats.front_end import SoundFrontEnd
from targets.formats.model_io import ModelIO, Quantization
from targets.formats.sidecar import Sidecar
from targets.images.preprocessing import Fit, Preprocessing
from targets.images.reading import Channels
from targets.prediction.loaded import LoadedModel
from targets.prediction.preparation.arrays import OfArrays
from targets.prediction.preparation.contract import Preparation
from targets.prediction.preparation.pictures import OfPictures
from targets.prediction.preparation.sounds import OfSounds
from targets.prediction.preparation.texts import OfTexts
from targets.sounds.windowing import Windowing
from targets.texts import tokenizer

Output = Literal["logits", "probabilities"]
ONE_BYTE = 1 / 256
"""Scale of a quantized softmax or sigmoid: 0 to 255/256."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user says about a file; None: the file or its sidecar says it."""

    size: tuple[int, int] | None = None
    """Height and width."""
    channels: Channels | None = None
    fit: Fit | None = None
    scale: Factor | None = None
    offset: Factor | None = None
    """The network expects `pixel * scale + offset`."""
    output: Output | None = None
    output_name: str | None = None

    def given(self) -> list[str]:
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    preparation: Preparation
    spec: InputSpec
    output_index: int = 0
    reading: ModelIO | None
    """From outputs to logits; None: the outputs are logits."""


def from_sidecar(model: LoadedModel, found: Sidecar, asked: Asked) -> Deployment:
    """The deployment of a file of ours; its sidecar allows no other."""
    _require_scores(model, found)
    _require_free(model, found, asked)
    shape, adapter = found.input.shape, found.adapter
    return Deployment(
        preparation=_preparation(model, found, asked.fit),
        spec={
            "kind": "samples",
            "dtype": model.input["dtype"],
            "shape": [1, *(shape if adapter is None else adapter.shape)],
            "adapter": None if adapter is None else adapter.model_dump(),
        },
        output_index=0 if adapter is None else adapter.output_index,
        reading=adapter,
    )


def _require_scores(model: LoadedModel, found: Sidecar) -> None:
    if found.features is not None:
        gives = "features" if found.output == "features" else "classes of features"
        raise InputError(
            f"{model.path}: is a part of a file, and gives {gives}. Give the whole file in models/ "
            "beside its folder; a program that runs both parts is in docs/sounds.md."
        )


def _require_free(model: LoadedModel, found: Sidecar, asked: Asked) -> None:
    """Only how pictures are fitted may be open, where no pictures were."""
    is_open = found.preprocessing is None and found.input.kind == "image"
    refused = [name for name in asked.given() if not (is_open and name == "fit")]
    if refused:
        option = "scores" if refused[0] == "output" else refused[0].replace("_", "-")
        raise InputError(
            f"{model.path}: --{option} is what its sidecar {model.path.name}.json says already. "
            "Leave it out, or remove the sidecar to describe the file yourself."
        )


def _preparation(model: LoadedModel, found: Sidecar, fit: Fit | None) -> Preparation:
    shape, kind, front_end = found.input.shape, found.input.kind, found.input.front_end
    if kind == "tokens" and found.tokenizer is not None:
        return OfTexts(tokenizer.read(model.path.parent, found.tokenizer))
    if isinstance(front_end, SoundFrontEnd):
        return OfSounds(found.windowing or Windowing(rate=front_end.rate, samples=shape[0]))
    if kind == "array":
        return OfArrays(found.input)
    if kind == "image" and len(shape) == 3 and shape[2] in (1, 3):
        return OfPictures(found.preprocessing or _preprocessing(shape[:2], shape[2], fit))
    what = {
        "tokens": "numbers of tokens, and its sidecar has no tokenizer that makes them of texts",
        "waveform": "waveforms, and its sidecar does not say at which rate",
        "image": "which are no pictures of 1 or 3 channels",
    }
    raise InputError(
        f"{model.path}: takes samples of {list(shape)}, {what[kind]}. `pipeline bench --data` "
        "measures it on arrays."
    )


def as_asked(model: LoadedModel, asked: Asked, *, classes: int | None) -> Deployment:
    """The deployment of a file without a sidecar; `classes` is the number of names given."""
    preprocessing = _of_input(model, asked)
    _require_scale(model, asked, channels=preprocessing.channels)
    sample = preprocessing.height, preprocessing.width, preprocessing.channels
    is_plain = len(model.input["shape"]) == 3  # grey, without a channel
    given = Given(
        samples=(sample[:2] if is_plain else sample, np.dtype(np.uint8)),
        scale=asked.scale,
        offset=asked.offset,
    )
    (spec,) = inputs.resolve([model.input], given, model.path).values()
    index = _output(model, asked, classes=classes, batch=spec["batch"])
    quantization = model.outputs[index]["quantization"]
    return Deployment(
        preparation=OfPictures(preprocessing),
        spec=spec,
        output_index=index,
        reading=ModelIO(
            shape=tuple(spec["shape"][1:]),
            output_index=index,
            output_quantization=quantization,
            output="probabilities" if _gives_probabilities(asked, quantization) else "logits",
        ),
    )


def _of_input(model: LoadedModel, asked: Asked) -> Preprocessing:
    """The preprocessing that fits the model's input, with what is left open as asked."""
    high, wide, depth = _declared(model)
    if depth not in (None, 1, 3):
        raise InputError(f"{_takes(model)}, which are no pictures of 1 or 3 channels.")
    _require_open(model, "--size", asked.size, (high, wide))
    _require_open(model, "--channels", asked.channels and (asked.channels,), (depth,))
    size, channels = asked.size or (high, wide), asked.channels or depth
    if None in size:
        raise InputError(f"{_takes(model)}: give the size of its pictures with --size.")
    if channels is None:
        raise InputError(f"{_takes(model)}: give its channels with --channels 3 or 1.")
    return _preprocessing([side for side in size if side is not None], channels, asked.fit)


def _require_open(
    model: LoadedModel,
    option: str,
    asked: Sequence[int] | None,
    declared: Sequence[int | None],
) -> None:
    pairs = zip(asked or declared, declared, strict=True)
    if not all(want in (None, have) for have, want in pairs):
        raise InputError(
            f"{option} {'x'.join(map(str, asked or ()))}: {_takes(model)}. Leave {option} out: "
            "pictures of any size are resized to the input."
        )


def _declared(model: LoadedModel) -> tuple[int | None, int | None, int | None]:
    """(height, width, channels) of the model's input, in either layout; None where open."""
    match model.input["shape"][1:]:
        case [high, wide]:
            return high, wide, 1
        case [1 | 3 as first, high, wide] if wide not in (1, 3):
            return high, wide, first
        case [high, wide, last]:
            return high, wide, last
    raise InputError(
        f"{_takes(model)}, which are no pictures: [batch, height, width, channels]. A model of "
        f"sounds or texts needs the sidecar of its run beside it, {model.path.name}.json."
    )


def _takes(model: LoadedModel) -> str:
    return f"{model.path}: takes {scores.shown(model.input)}"


def _preprocessing(size: Sequence[int], channels: int, fit: Fit | None) -> Preprocessing:
    return Preprocessing(
        height=size[0], width=size[1], channels=1 if channels == 1 else 3, fit=fit or "crop"
    )


def _require_scale(model: LoadedModel, asked: Asked, *, channels: int) -> None:
    """Refuse to guess what values of pixels a network was trained with."""
    one = model.input
    for option, factor in (("--scale", asked.scale), ("--offset", asked.offset)):
        if isinstance(factor, tuple) and len(factor) != channels:
            raise InputError(
                f"{option}: has {len(factor)} numbers, and pictures have {channels} channels here. "
                "Give one number, or one per channel."
            )
    if asked.scale is not None or asked.offset is not None:
        return
    step = None if one["quantization"] is None else float(one["quantization"][0])
    raw = not one["dtype"].startswith("float")
    if raw and (
        step is None or any(math.isclose(step, p, rel_tol=0.01) for p in inputs.PIXEL_STEPS)
    ):
        return
    why = "real numbers" if step is None else f"steps of {step:.4g}"
    raise InputError(
        f"{_takes(model)}, {why}, and has no sidecar that says which values of pixels it was "
        "trained with. Give --scale and --offset (pixel * scale + offset): --scale 1 for 0 to "
        "255, --scale 1/255 for 0 to 1, --scale 1/127.5 --offset -1 for -1 to 1."
    )


def _output(model: LoadedModel, asked: Asked, *, classes: int | None, batch: int) -> int:
    names = [one["name"] for one in model.outputs]
    if asked.output_name is not None:
        if asked.output_name not in names:
            raise unknown("output", asked.output_name, names, place=str(model.path))
        return names.index(asked.output_name)
    choice = scores.choose(model.outputs, classes=classes, batch=batch)
    if choice.undecided is not None:
        several = "; ".join(map(scores.shown, model.outputs))
        raise InputError(
            f"{model.path}: has the outputs {several}. Say which holds the scores: "
            "--output-name NAME."
        )
    return choice.index


def decided(deployment: Deployment, asked: Asked, *, model: Path, grey: Logits) -> Deployment:
    """The deployment with logits or probabilities decided, by the output for a grey picture."""
    reading = deployment.reading
    if reading is None or reading.output == "probabilities" or asked.output is not None:
        return deployment
    if grey.shape[1] == 1 and reading.output_quantization is None:
        raise InputError(
            f"{model}: gives one number, and does not say what it is. Give --scores probabilities "
            "(a sigmoid: class 1 above 0.5) or --scores logits (class 1 above 0)."
        )
    values = grey.astype(np.float64)
    is_distribution = values.min() >= 0 and math.isclose(values.sum(), 1, abs_tol=1e-3)
    if grey.shape[1] == 1 or reading.output_quantization is not None or not is_distribution:
        return deployment
    return replace(deployment, reading=reading.model_copy(update={"output": "probabilities"}))


def _gives_probabilities(asked: Asked, quantization: Quantization | None) -> bool:
    if asked.output is None and quantization is not None:
        step, zero = quantization
        return math.isclose(step, ONE_BYTE, rel_tol=1e-3) and zero in (0, -128)
    return asked.output == "probabilities"

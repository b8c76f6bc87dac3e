"""The sidecar of a model file, `<file>.json` beside it: what a program needs to run the file.

It is bound to the file by its digest, so that it never describes another file of the same name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from targets.errors import InputError
from targets.files.digest import file_sha256
from targets.formats.confidence import Confidence
from targets.formats.features import Features
from targets.formats.input_spec import InputSpec
from targets.formats.model_io import ModelIO
from targets.formats.record import ExportedModel
from targets.formats.streaming import WordThreshold
from targets.images.preprocessing import Preprocessing
from targets.sounds.windowing import Windowing
from targets.texts.tokenizer import TokenizerRecord

SCHEMA = "model-sidecar/1"


class Sidecar(BaseModel):
    """The contents of a sidecar."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal["model-sidecar/1"] = Field(alias="schema")
    name: str
    file: str
    """The name of the model file, without its folder."""
    sha256: str
    format: str
    precision: str
    classes: tuple[str, ...]
    """Names in the order of the logits; empty for features."""
    input: InputSpec
    """The raw input; float files take the raw values as float32."""
    preprocessing: Preprocessing | None
    """From a picture to the raw input; null where the data set has no picture files."""
    tokenizer: TokenizerRecord | None = None
    """From a text to the raw input; null where the data are no texts."""
    windowing: Windowing | None = None
    """From a sound to the raw input; null where the data are no sounds."""
    features: Features | None = None
    """Of a front end that stands apart, and of the network behind it; null for whole files."""
    output: Literal["logits", "features"] = "logits"
    confidence: Confidence | None = None
    """From logits to probabilities, and when a prediction is unknown; null where nothing was
    fitted, and in sidecars of earlier versions."""
    streaming: WordThreshold | None = None
    """When a word is detected in a long sound; null where no threshold was chosen, and in sidecars
    of earlier versions."""
    adapter: ModelIO | None = None
    """Of a user's own file: from raw samples to its input, and from its output to logits."""


def path_of(model: Path) -> Path:
    return model.with_name(f"{model.name}.json")


def write(
    path: Path,
    *,
    record: ExportedModel,
    classes: Sequence[str],
    input: InputSpec,
    preprocessing: Preprocessing | None,
    tokenizer: TokenizerRecord | None = None,
    windowing: Windowing | None = None,
    features: Features | None = None,
    output: Literal["logits", "features"] = "logits",
    confidence: Confidence | None = None,
    streaming: WordThreshold | None = None,
) -> None:
    """Write the sidecar of the model file in `path`: the same arguments, the same bytes."""
    content = Sidecar(
        schema=SCHEMA,
        name=record.name,
        file=path.name,
        sha256=record.sha256,
        format=record.format,
        precision=record.precision,
        classes=tuple(classes),
        input=input,
        preprocessing=preprocessing,
        tokenizer=tokenizer,
        windowing=windowing,
        features=features,
        output=output,
        confidence=confidence,
        streaming=streaming,
        adapter=record.adapter,
    )
    path_of(path).write_text(content.model_dump_json(by_alias=True, indent=1) + "\n", "utf-8")


def read(path: Path) -> Sidecar | None:
    """The sidecar of the model file in `path`; None where there is none.

    Raises `InputError` for one that cannot be read, is damaged, of another schema, or of another
    file.
    """
    place = path_of(path)
    try:
        content = Sidecar.model_validate_json(place.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"{place}: cannot be read: {error.strerror}. It is the sidecar of {path.name}: make it "
            "readable, or remove it and give its contents as options."
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        what = f"{key}: {first['msg']}" if key else first["msg"]
        raise InputError(
            f"{place}: is not a {SCHEMA} document: {what}. Copy it again with its model file, or "
            "remove it and give its contents as options."
        ) from error
    own = content.confidence.class_thresholds if content.confidence else ()
    if own and len(own) != len(content.classes):
        raise InputError(
            f"{place}: confidence.class_thresholds has {len(own)} values for "
            f"{len(content.classes)} classes. Copy it again with its model file."
        )
    if content.sha256 != file_sha256(path):
        raise InputError(
            f"{place}: describes another file: its sha256 is not that of {path}. Copy both again "
            "from the run that wrote them; a model file and its sidecar are moved together."
        )
    return content

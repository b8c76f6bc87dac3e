"""What a model file says of itself, whatever its format."""

import json
from dataclasses import dataclass

from pydantic import JsonValue

from targets.formats.input_spec import InputSpec
from targets.images.preprocessing import Preprocessing
from targets.texts.tokenizer import TokenizerRecord

OWN_NAME = "edge-distill"
"""Name of our JSON in a format whose metadata have no place for it."""


@dataclass(frozen=True, kw_only=True)
class FileMetadata:
    name: str
    version: str
    license: str | None
    labels: tuple[str, ...]
    """Names of the classes, in the order of the logits."""
    input: InputSpec
    preprocessing: Preprocessing | None
    """Null where the data set has no picture files."""
    tokenizer: TokenizerRecord | None = None
    """Of texts, with the digest of the vocabulary."""
    measured_sha256: str
    """Digest of the file without these metadata, which was measured."""

    @property
    def is_picture(self) -> bool:
        return self.input.is_picture

    def texts(self) -> dict[str, str]:
        """Every value as text; those that are no text as JSON."""
        texts = {
            "name": self.name,
            "version": self.version,
            "labels": _json(list(self.labels)),
            "preprocessing": _json(self._preprocessing()),
            "measured_sha256": self.measured_sha256,
        }
        if self.tokenizer is not None:
            texts["tokenizer"] = _json(self.tokenizer.model_dump(mode="json"))
        return texts if self.license is None else {**texts, "license": self.license}

    def _preprocessing(self) -> dict[str, JsonValue]:
        """The raw input, and how a picture becomes one."""
        found: dict[str, JsonValue] = {**self.input.model_dump(mode="json")}
        if self.is_picture:
            found["channel_order"] = "RGB" if self.input.shape[2] == 3 else "grey"
        if self.preprocessing is not None:
            found["fit"] = self.preprocessing.fit
        return found


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""The manifest of a stored result: its files, what they were made from, and how long that took."""

import hashlib
import json

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from pipeline.engine.artifacts import FILE as ARTIFACT

FILE = "manifest.json"


class StageKey(TypedDict):
    """Everything that decides one result; a result of the same key has the same bytes."""

    stage: str
    recipe: dict[str, JsonValue]
    """Recipe values that the stage reads, by table."""
    inputs: dict[str, str]
    """Upstream stage -> digest of its result."""
    code: dict[str, str]
    """Source file -> digest of its syntax tree."""
    libraries: dict[str, str]
    """Distribution -> version."""


def key_digest(key: StageKey) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def folder_name(stage: str, digest: str) -> str:
    """The name of the stored folder of the key with this digest."""
    return f"{stage}-{digest[:16]}"


class Manifest(BaseModel):
    """Stored as `FILE` beside the files of a published result."""

    model_config = ConfigDict(frozen=True)

    files: dict[str, str]
    """Path in the folder -> sha256."""
    made_from: StageKey
    created_utc: str
    wall_s: float

    @property
    def folder(self) -> str:
        """The name that the stored folder must have."""
        return folder_name(self.made_from["stage"], key_digest(self.made_from))

    @property
    def digest(self) -> str:
        """Digest of the contents alone: equal results have equal digests, whenever made."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()

    def written(self) -> str:
        """The contents of its file."""
        return self.model_dump_json(indent=1) + "\n"


def parsed(text: str | bytes, *, folder: str) -> Manifest | None:
    """The manifest of the stored `folder`; None where the text is none, or that of another."""
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError:
        return None
    whole = ARTIFACT in manifest.files and manifest.folder == folder
    return manifest if whole else None

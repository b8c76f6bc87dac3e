"""Reads a JSON file of results whose model names its schema."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from pipeline.reporting.schema.model_row import Part
from targets.errors import InputError, printable

Read = TypeVar("Read", bound=Part)


def read_json(kind: type[Read], path: Path, *, what: str, place: str, missing: str) -> Read:
    """Raises `InputError` for a file that is missing, which ends with `missing`, damaged or of
    another schema; `what` it should be, and `place`: the option that gave it, if one did."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{place}{path}: cannot be read: {error.strerror}. {missing}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = printable(".".join(map(str, first["loc"])))
        raise InputError(
            f"{place}{path}: not {what}: {key}: {first['msg']}. The file is damaged, or an earlier "
            "version wrote it: write it again."
        ) from error

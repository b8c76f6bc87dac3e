"""Reads a JSON file of results whose model names its schema."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from targets.errors import InputError, printable

Read = TypeVar("Read", bound=BaseModel)

LONGEST_KEY = 200
OUR_RULE = "Value error, "
"""pydantic puts it before the text of our own validators."""


def read_json(kind: type[Read], path: Path, *, what: str, place: str, missing: str) -> Read:
    """Raises `InputError` for a file that is missing, damaged or of another schema.

    `what` it should be, `place`: the option that gave it, if one did, and `missing`: the remedy.
    """
    try:
        document = kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{place}{path}: cannot be read: {error.strerror}. {missing}") from error
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_input=False)
        key = printable(".".join(map(str, first["loc"])))[:LONGEST_KEY]
        rule = first["msg"].removeprefix(OUR_RULE)
        reason = f"{key}: {rule}" if key else rule
        reason += f" (and {len(others)} more)" if others else ""
        raise _not(what, f"{place}{path}", reason, missing) from error
    if "schema_" not in document.model_fields_set:
        raise _not(what, f"{place}{path}", "it has no key 'schema'", missing)
    return document


def _not(what: str, place: str, reason: str, remedy: str) -> InputError:
    return InputError(
        f"{place}: not {what}: {reason}. The file is damaged, or another version of edge-distill "
        f"wrote it. {remedy}"
    )

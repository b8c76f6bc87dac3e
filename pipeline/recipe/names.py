"""The names in a recipe (of plug-ins, files, devices), each checked where it is read."""

from collections.abc import Iterable
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints

from pipeline.models import STUDENTS, TEACHERS
from targets.devices import inventory
from targets.errors import InputError, unknown
from targets.formats import FORMATS
from targets.formats.precisions import PRECISIONS
from targets.registry import Registry

T = TypeVar("T")


def one_of(kind: str, known: Iterable[str]) -> BeforeValidator:
    """Return a validator of names in `known`, which may be a registry and can grow."""

    def check(value: object) -> object:
        if isinstance(value, str) and value not in (names := tuple(known)):
            raise ValueError(str(unknown(kind, value, names)))
        return value

    return BeforeValidator(check)


def plugin(registry: Registry[T], *others: str, noun: str = "") -> BeforeValidator:
    """Return a validator of names in `registry` and in `others`, which errors call `noun`."""

    def check(value: object) -> object:
        if isinstance(value, str) and value not in others and value not in registry:
            names = (*others, *registry.available())
            raise ValueError(str(unknown(noun or registry.noun, value, names)))
        return value

    return BeforeValidator(check)


def not_for_teachers_only(family: object) -> object:
    """`_plugin` would call the family unknown."""
    if isinstance(family, str) and family in TEACHERS and family not in STUDENTS:
        students = ", ".join(STUDENTS.available())
        raise ValueError(f"{family} is for teachers only; families of students: {students}")
    return family


Seed = Annotated[int, Field(ge=0, lt=2**31)]
Target = Annotated[str, plugin(FORMATS, noun="target")]
CHOSEN = tuple(one.name for one in PRECISIONS.values() if one.chosen)
Precision = Annotated[str, one_of("precision", CHOSEN)]


def _known_device(value: object) -> object:
    if isinstance(value, str):
        try:
            inventory.groups([value], place="")
        except InputError as error:
            raise ValueError(str(error).removeprefix(": ")) from error
    return value


Device = Annotated[str, BeforeValidator(_known_device)]
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]

"""Which precisions a recipe can ask for: a family whose layers have no int8 form has fewer."""

from collections.abc import Sequence

from pipeline.models import STUDENTS
from pipeline.models.contract import why_no_int8
from pipeline.recipe.files import ConvertConfig
from targets.errors import listed
from targets.formats import FORMATS
from targets.formats.precisions import PRECISIONS

ASKED = ("float32", "dynamic")
"""What the remedy asks for, as far as all formats of the recipe hold it."""


def require_precisions(family: str, convert: ConvertConfig, *, ablation: bool) -> None:
    """Raise `ValueError` for a precision that no file of the student can have."""
    why = why_no_int8(STUDENTS[family])
    wrong = [name for name in dict.fromkeys(convert.precisions) if not has(family, name)]
    if not wrong and why and ablation:
        raise ValueError(
            f"ablation: compares int8 files, and {family} has none: {why}; leave --ablation out, "
            "or take another family"
        )
    if wrong:
        held = held_by_all(convert.targets)
        can = [name for name in held if has(family, name)]
        asked = ", ".join(f'"{name}"' for name in ASKED if name in held)
        raise ValueError(
            f"convert.precisions: {family} cannot be {listed(wrong)}: {why}; it can be "
            f"{listed(can)}: give --set 'convert.precisions=[{asked}]'"
        )


def has(family: str, precision: str) -> bool:
    """Whether files of a family can have a precision."""
    return not (PRECISIONS[precision].integer and why_no_int8(STUDENTS[family]))


def held_by_all(targets: Sequence[str]) -> list[str]:
    """The precisions that can be asked for in all of these formats."""
    return [
        name
        for name, one in PRECISIONS.items()
        if one.chosen and all(name in FORMATS[target].precisions for target in targets)
    ]

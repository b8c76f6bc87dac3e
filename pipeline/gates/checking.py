"""All verdicts on a run: its gates, and a baseline."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.gates import changes
from pipeline.gates.baseline import Baseline
from pipeline.gates.figures import Measured
from pipeline.gates.judging import judged
from pipeline.recipe.gates import Gates
from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.schema.reading import OUR_RULE
from pipeline.reporting.schema.report import Report
from targets.errors import InputError, printable
from targets.files.toml_text import parsed


def check(
    found: Sequence[Measured], gates: Gates, *, before: Baseline | None = None
) -> list[GateRow]:
    rows = judged(gates, found)
    return rows if before is None else [*rows, *changes.compared(before, found)]


def gates_of(report: Report) -> Gates:
    """The table `[gates]` of the recipe that was run."""
    table = report.recipe.get("gates") or {}
    return _validated(table, place=f"recipe {printable(str(report.recipe['name']))}: gates")


def read(path: Path) -> Gates:
    """A file of gates: the keys of the table, at the top or under `[gates]`."""
    try:
        tree = parsed(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"--gates {path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"--gates {path}: not UTF-8 text. Save it as UTF-8.") from error
    except ValueError as error:
        raise InputError(f"--gates {path}: not TOML: {error}.") from error
    others = [key for key in tree if key != "gates"]
    if "gates" in tree and others:
        raise InputError(
            f"--gates {path}: {printable(others[0])} stands beside the table [gates]. Put it into "
            "the table, or take the line [gates] away."
        )
    gates = _validated(tree.get("gates", tree), place=f"--gates {path}")
    if not gates.any:
        raise InputError(f"--gates {path}: it has no gate, so that there is nothing to check.")
    return gates


def _validated(table: object, *, place: str) -> Gates:
    try:
        return Gates.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = printable(".".join(map(str, first["loc"])) or "gates")
        reason, keys = first["msg"].removeprefix(OUR_RULE), ", ".join(Gates.model_fields)
        raise InputError(f"{place}: {key}: {reason}. Keys: {keys}.") from error

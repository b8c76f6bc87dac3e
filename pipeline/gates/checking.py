"""All verdicts on a run: its own gates, and a baseline."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.gates import baseline
from pipeline.gates.figures import Measured
from pipeline.gates.judging import judged
from pipeline.recipe.gates import Gates
from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.schema.model_row import ModelRow
from pipeline.reporting.schema.report import Report
from targets.errors import InputError, listed


def check(
    found: Sequence[Measured], gates: Gates, *, before: baseline.Baseline | None = None
) -> list[GateRow]:
    """Every verdict. Raises `InputError` for a gate on a file that the run does not have."""
    _require_known(gates, [one.row for one in found])
    rows = judged(gates, found)
    return rows if before is None else [*rows, *baseline.compared(before, found)]


def gates_of(report: Report) -> Gates:
    """The table `[gates]` of the recipe that was run."""
    table = report.recipe.get("gates") or {}
    return _validated(table, place=f"recipe {report.recipe['name']}: gates")


def read(path: Path) -> Gates:
    """A file of gates: the keys of the table, at the top or under `[gates]`."""
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--gates {path}: cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"--gates {path}: not TOML: {error}.") from error
    own = table.get("gates", table)
    return _validated(own, place=f"--gates {path}")


def _validated(table: object, *, place: str) -> Gates:
    try:
        return Gates.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{place}: {key}: {first['msg']}. Keys: {', '.join(Gates.model_fields)}."
        ) from error


def failed(rows: Sequence[GateRow], *, strict: bool) -> bool:
    """Whether a gate failed; `strict`: or was not decided."""
    bad = ("failed", "undecided", "skipped") if strict else ("failed",)
    return any(row.verdict in bad for row in rows)


def _require_known(gates: Gates, rows: Sequence[ModelRow]) -> None:
    known = list(dict.fromkeys(row.name for row in rows))
    for name in gates.files:
        if name not in known:
            raise InputError(
                f"gates.files: {name} is not a file of this run. It has {listed(known)}."
            )

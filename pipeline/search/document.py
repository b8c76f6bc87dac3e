"""`search.json` from the study."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.reporting.schema.search import Figures, State, TrialRow
from targets.evaluation import metrics

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def trial_rows(trials: "Mapping[int, FrozenTrial]") -> tuple[TrialRow, ...]:
    """`trials` are those of the study, by number."""
    return tuple(_row(number, one) for number, one in trials.items())


def _row(number: int, one: "FrozenTrial") -> TrialRow:
    record: Mapping[str, Any] = one.user_attrs.get("record", {})
    top1 = one.value if one.state.name == "COMPLETE" else None
    return TrialRow(
        number=number,
        values=one.user_attrs["values"],
        state=_state(one, record),
        reason=record.get("reason", ""),
        untrained=_figures(record, "untrained"),
        trained=_figures(record, "trained"),
        top1=top1,
        top1_ci=None if top1 is None else metrics.wilson_interval(top1, record["samples"]),
        epochs=record.get("epochs", 0),
        measuring_s=record.get("measuring_s", 0.0),
        training_s=record.get("training_s", 0.0),
    )


def _state(one: "FrozenTrial", record: Mapping[str, Any]) -> State:
    if one.state.name == "FAIL":
        return "failed"
    if one.state.name == "PRUNED":
        return "stopped" if record.get("epochs") else "over_limit"
    return "over_limit" if record["reason"] else "trained"


def _figures(record: Mapping[str, Any], name: str) -> Figures | None:
    return Figures.model_validate(record[name]) if name in record else None

"""Made-up searches, with figures as a small device gives them."""

import random
from collections.abc import Sequence

from pydantic import JsonValue

from pipeline.reporting.findings.search import front, sentence
from pipeline.reporting.schema.search import (
    Cost,
    DeviceFigures,
    DimensionRow,
    Figures,
    LimitRow,
    Recommendation,
    SearchResult,
    TrialRow,
)

THREE = (
    DimensionRow(key="distill.family", choices=("mobilenet_v1", "mobilenet_v2", "fused")),
    DimensionRow(key="distill.width_multiplier", low=0.25, high=1.5, step=0.25),
    DimensionRow(key="convert.precisions", choices=(["int8"], ["float32"])),
)
EIGHT = (
    *THREE,
    DimensionRow(key="dataset.size", choices=(28, 48, 64)),
    DimensionRow(key="bench.threads", choices=(1, 2, 4)),
    DimensionRow(key="distill.loss", choices=("kd", "dkd", "dist")),
    DimensionRow(key="distill.temperature", low=1.0, high=8.0, log=True),
    DimensionRow(key="teacher.temperature_of_a_long_name", low=1e-5, high=1.0, log=True),
)
P90 = LimitRow(figure="p90", most=5e6, text="p90 <= 5 ms")
SIZE = LimitRow(figure="size", most=500_000, text="size <= 500 kB")
LIMITS = (P90, SIZE)
COST = {"mobilenet_v1": 1.0, "mobilenet_v2": 1.3, "fused": 2.2}
TRAINING_S = 64.0


def trial(number: int, *, p90_ms: float = 3.0, kb: float = 300, top1: float | None = 0.9,
          devices: Sequence[str] = ("local",), **changes: object) -> TrialRow:  # fmt: skip
    """Trained, with an interval of two points; without `top1` over a limit."""
    found = figures(p90_ms, kb, devices)
    return TrialRow.model_validate(
        {
            "number": number,
            "values": {"distill.family": "fused", "distill.width_multiplier": number / 4},
            "state": "over_limit" if top1 is None else "trained",
            "reason": "" if top1 is not None else f"p90 {p90_ms:.2f} ms, limit p90 <= 5 ms",
            "untrained": found,
            "trained": None if top1 is None else found,
            "top1": top1,
            "top1_ci": None if top1 is None else (top1 - 0.01, top1 + 0.01),
            "epochs": 0 if top1 is None else 8,
            "measuring_s": 6.0,
            "training_s": 0.0 if top1 is None else TRAINING_S,
        }
        | changes
    )


def figures(
    p90_ms: float, kb: float, devices: Sequence[str] = ("local",), *, valid: bool = True
) -> Figures:
    """The first device is the slowest."""
    return Figures(
        sha256="0" * 64,
        size_bytes=round(1000 * kb),
        parameters=round(900 * kb),
        devices=tuple(
            DeviceFigures(
                device=name, median_ns=0.95 * ns, median_ci=(0.94 * ns, 0.96 * ns), p90_ns=ns,
                p90_upper_ns=1.02 * ns, valid=valid,
            )
            for name, ns in ((name, 1e6 * p90_ms / 1.6**n) for n, name in enumerate(devices))
        ),
    )  # fmt: skip


def search(
    trials: Sequence[TrialRow],
    *,
    space: Sequence[DimensionRow] = THREE,
    devices: Sequence[str] = ("local",),
    recommended: int | None = None,
    **changes: object,
) -> SearchResult:
    made = SearchResult(
        created_utc="2026-01-01T00:00:00+00:00",
        recipe="made-up",
        seed=0,
        finished=True,
        devices=tuple(devices),
        limits=LIMITS,
        space=tuple(space),
        validation_samples=5000,
        test_samples=10_000,
        trials=tuple(trials),
        front=front(trials),
        recommendation=None if recommended is None else recommendation(trials, recommended),
        cost=Cost(
            wall_s=1.1 * sum(row.measuring_s + row.training_s for row in trials) + 240,
            measuring_s=sum(row.measuring_s for row in trials),
            training_s=sum(row.training_s for row in trials),
            repeated=3,
        ),
        versions={"edge-distill": "0.9", "optuna": "5.0.0", "python": "3.11.7"},
    )
    return SearchResult.model_validate({**made.model_dump(by_alias=True), **changes})


def recommendation(
    trials: Sequence[TrialRow], number: int, *, p_value: float | None = 0.31
) -> Recommendation:
    (row,) = (one for one in trials if one.number == number)
    others = [one for one in trials if one.state == "trained" and one.number != number]
    best = max(others, key=lambda one: one.top1 or 0, default=None)
    assert row.trained is not None
    assert row.top1 is not None
    test = row.top1 - 0.004
    made = Recommendation(
        trial=number,
        figures=row.trained,
        next_best=None if best is None else best.number,
        p_value=None if best is None else p_value,
        separable=None if best is None or p_value is None else p_value < 0.05,
        test_top1=test,
        test_top1_ci=(test - 0.005, test + 0.005),
        sentence="",
    )
    return made.model_copy(update={"sentence": sentence(made, trials)})


def realistic(
    count: int = 40,
    *,
    space: Sequence[DimensionRow] = THREE,
    devices: Sequence[str] = ("local",),
    slower: float = 1.0,
    **changes: object,
) -> SearchResult:
    """Trials whose accuracy grows with their cost, some over a limit, stopped or failed."""
    source = random.Random(0)
    rows = [_drawn(source, number, space, devices, slower) for number in range(count)]
    trained = [row for row in rows if row.state == "trained"]
    best = max(trained, key=lambda row: row.top1 or 0, default=None)
    number = best.number if best is not None and changes.get("finished", True) else None
    return search(rows, space=space, devices=devices, recommended=number, **changes)


def _drawn(source: random.Random, number: int, space: Sequence[DimensionRow],
           devices: Sequence[str], slower: float) -> TrialRow:  # fmt: skip
    values = {dimension.key: _value(source, dimension) for dimension in space}
    if values["distill.family"] == "fused":
        values.pop("distill.temperature", None)  # a dimension that the family does not have
    width = float(str(values["distill.width_multiplier"]))
    cost = COST[str(values["distill.family"])] * width**1.6 * (slower + source.random() / 10)
    single = 1.6 if values["convert.precisions"] == ["float32"] else 1.0
    ms, kb = 2.2 * cost * single, 180 * cost * single**2
    reasons = [f"p90 {ms:.2f} ms, limit p90 <= 5 ms"] * (ms > 5)
    reasons += [f"size {kb:.1f} kB, limit size <= 500 kB"] * (kb > 500)
    if reasons:
        row = trial(number, p90_ms=ms, kb=kb, top1=None, reason="; ".join(reasons), devices=devices)
    elif number % 11 == 5:
        row = trial(number, p90_ms=ms, kb=kb, top1=0.7, state="stopped", trained=None, epochs=2,
                    reason="0.700 after 2 epochs, below the median of the others",
                    devices=devices, training_s=TRAINING_S / 4)  # fmt: skip
    else:
        top1 = 0.93 - 0.06 / (1 + 3 * cost) + source.gauss(0, 0.003)
        row = trial(number, p90_ms=ms, kb=kb, top1=top1, devices=devices)
    if number % 13 == 7:
        why = "distill: the loss is not finite in epoch 1. Lower the rate."
        row = TrialRow(number=number, values={}, state="failed", reason=why)
    return row.model_copy(update={"values": values})


def _value(source: random.Random, dimension: DimensionRow) -> JsonValue:
    if dimension.choices is not None:
        return source.choice(dimension.choices)
    assert dimension.low is not None
    assert dimension.high is not None
    if dimension.step is not None:
        steps = round((dimension.high - dimension.low) / dimension.step)
        return dimension.low + dimension.step * source.randint(0, steps)
    return float(dimension.low * (dimension.high / dimension.low) ** source.random())

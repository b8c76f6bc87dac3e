"""The variants and steps of an ablation as tables."""

from pipeline.reporting.findings.data import uneven
from pipeline.reporting.formatting import (
    p_value,
    percent,
    points,
    span,
    three_digits,
    worst_class,
)
from pipeline.reporting.schema.ablation import Ablation, Step, Variant
from pipeline.reporting.schema.report import DatasetUsed
from pipeline.reporting.tables.cells import Cells, Table, print_rows, tabulate
from targets.formats.input_kinds import Words

PAIRS = ["step", "seed", "became right", "became wrong", "gain, points", "95 % interval", "p"]


def variants(ablation: Ablation, dataset: DatasetUsed) -> Table:
    """Return the table of the variants, with means over seeds."""
    balanced = uneven(dataset)
    rows = [_cells(variant, dataset, balanced) for variant in ablation.variants]
    return tabulate(rows, optional=("balanced %", "macro F1 %"))


def _cells(variant: Variant, dataset: DatasetUsed, balanced: bool) -> Cells:
    return {
        "variant": variant.description,
        "seeds": str(len(variant.seeds)),
        "top-1 %": percent(variant.top1),
        "95 % interval": span(variant.top1_interval, percent),
        "balanced %": percent(variant.balanced_accuracy if balanced else None),
        "macro F1 %": percent(variant.macro_f1 if balanced else None),
        "agrees %": percent(variant.agreement_with_teacher),
        "KL": three_digits(variant.kl_to_teacher),
        "ECE": three_digits(variant.ece),
        "flips %": percent(variant.negative_flip_rate),
        "worst class": worst_class(variant.worst_class_change, dataset.classes),
        "corrupted %": percent(_corrupted(variant)),
    }


def _corrupted(variant: Variant) -> float | None:
    """Mean accuracy over all kinds and severities."""
    shares = [share for curve in variant.corrupted.values() for share in curve]
    return sum(shares) / len(shares) if shares else None


def steps(ablation: Ablation, words: Words) -> Table:
    gain = ["gain, points", "95 % interval"]
    header = ["step", *gain, "p, other seeds", f"p, other {words.many}", "separated"]
    return header, [
        [
            step.adds,
            points(step.gain),
            f"{span(step.interval, points)} over {_unit(step, words)}",
            p_value(step.p_seeds),
            p_value(step.p_images),
            "yes" if step.separated else "no",
        ]
        for step in ablation.steps
    ]


def _unit(step: Step, words: Words) -> str:
    return "seeds" if step.interval_over == "seeds" else words.many


def pairs(ablation: Ablation) -> Table:
    """McNemar's test per step and seed."""
    return PAIRS, [
        [
            step.adds,
            str(run.seed),
            str(run.c),
            str(run.b),
            points(run.gain),
            span(run.interval, points),
            p_value(run.p_value),
        ]
        for step in ablation.steps
        for run in step.runs
    ]


def print_ablation(ablation: Ablation, dataset: DatasetUsed) -> None:
    """The variants, then what each step shows."""
    print_rows(*variants(ablation, dataset))
    for note in ablation.notes:
        print(note)
    print()
    header = ["step", "gain in top-1, its 95 % interval, and what they show"]
    print_rows(header, [[step.adds, step.words] for step in ablation.steps], left=2)

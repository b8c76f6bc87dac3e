"""The parts of `report.html` about the data and its classes, as the templates take them."""

from pipeline.datasets.audit.schema import Audit
from pipeline.reporting.figures.confusion import matrix
from pipeline.reporting.findings import data
from pipeline.reporting.findings.per_class import most_confused
from pipeline.reporting.formatting import NOT_MEASURED, count, percent
from pipeline.reporting.pages import pictures
from pipeline.reporting.schema.flip import Flip, Prediction
from pipeline.reporting.schema.per_class import ClassRow, PerClass
from pipeline.reporting.schema.report import Report
from pipeline.reporting.tables.audit import classes

TURNED = {True: "right, then wrong", False: "wrong, then right"}
CONFUSED = 15
"""Pairs of classes in place of a matrix that would be too large."""


def audited(audit: Audit | None) -> dict[str, object] | None:
    if audit is None:
        return None
    return {
        "facts": data.facts(audit),
        "warnings": data.warnings(audit),
        "classes": classes(audit.classes),
        "folded": len(audit.classes) > pictures.FEW,
        "samples": pictures.samples(audit),
        "pairs": pictures.pairs(audit),
    }


def per_class(report: Report) -> list[dict[str, object]]:
    """The figures of each file; those after the first are folded."""
    names = report.dataset.classes
    few = len(names) <= pictures.FEW
    return [
        {
            "model": one.model,
            "rows": [_row(name, row) for name, row in zip(names, one.classes, strict=True)],
            "matrix": matrix(one, names) if few else None,
            "confused": [] if few else _confused(one, names),
        }
        for one in report.per_class
    ]


def _row(name: str, row: ClassRow) -> tuple[str, ...]:
    if not row.support:
        return (name, "0", *[NOT_MEASURED] * 3)
    return (name, count(row.support), percent(row.recall), percent(row.precision), percent(row.f1))


def _confused(one: PerClass, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [
        (row.label, row.found, count(row.samples), percent(row.share))
        for row in most_confused(one, names, count=CONFUSED)
    ]


def suspects(report: Report) -> dict[str, list[dict[str, str]]]:
    """By split: the key of the picture and its caption."""
    found: dict[str, list[dict[str, str]]] = {}
    for one in report.label_suspects:
        found.setdefault(one.split, []).append(
            {
                "key": pictures.key(one),
                "label": one.label,
                "predicted": one.predicted,
                "shares": f"{_whole(one.label_probability)} to "
                f"{_whole(one.predicted_probability)} %",
                "place": one.path or f"{one.split} sample {one.index}",
            }
        )
    return found


def flips(report: Report) -> list[dict[str, object]]:
    """By pair of networks and direction: a heading, and each picture's key and caption."""
    groups: dict[tuple[str, str, bool], list[Flip]] = {}
    for one in report.flips:
        groups.setdefault((one.before.model, one.after.model, one.lost), []).append(one)
    return [
        {
            "heading": f"{before} → {after}: {TURNED[lost]}",
            "pictures": [
                {
                    "key": pictures.key(one),
                    "caption": f"{one.label}: {_prediction(one.before)} → {_prediction(one.after)}",
                    "place": one.path or f"{one.split} sample {one.index}",
                }
                for one in several
            ],
        }
        for (before, after, lost), several in groups.items()
    ]


def _prediction(one: Prediction) -> str:
    sure = "" if one.confidence is None else f" {_whole(one.confidence)} %"
    return f"{one.predicted}{sure}"


def _whole(share: float) -> str:
    return f"{100 * share:.0f}"

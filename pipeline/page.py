"""`report.html`: one file that a person reads; the pictures are inline SVG, nothing is fetched."""

from importlib import resources
from typing import Any

from pipeline import plots, table

Row = dict[str, Any]


def render(report: Row) -> str:
    environment = templates()
    environment.filters |= {
        "percent": table.percent,
        "points": table.points,
        "us": table.microseconds,
        "times": table.times,
        "kb": table.kilobytes,
        "p_value": _p_value,
        "numbers": _numbers,
    }
    measured = [row for row in report["models"] if row["median_ns"] is not None]
    header, rows = table.models(report)
    page: str = environment.get_template("page.html.j2").render(
        report=report,
        measured=measured,
        headlines=[_headline(row, report["models"]) for row in measured if _is_deliverable(row)],
        plot=plots.latency(measured) if measured else None,
        bought=plots.bought(measured) if len(measured) > 1 else None,
        header=header,
        disturbed=table.disturbed(report),
        rows=rows,
        ablation=_ablation(report),
    )
    return page


def templates() -> Any:
    """Those of this package; what they are given is escaped."""
    from jinja2 import Environment, FunctionLoader

    return Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_template)
    )


def _template(name: str) -> str:
    return (resources.files("pipeline") / name).read_text(encoding="utf-8")


def _is_deliverable(row: Row) -> bool:
    return bool(row["precision"] == "int8" and row["role"] != "teacher")


def _headline(row: Row, rows: list[Row]) -> Row:
    """A file beside the teacher that its speed-up is over, or none."""
    teachers = [r for r in rows if r["role"] == "teacher"]
    runtime = row.get("teacher_runtime") or row["runtime"]
    teachers.sort(key=lambda t: (t["runtime"] != runtime, t["format"] != row["format"]))
    teacher = teachers[0] if teachers else None
    smaller = teacher["size_bytes"] / row["size_bytes"] if teacher else None
    return {"row": row, "teacher": teacher, "smaller": smaller}


def _ablation(report: Row) -> Row | None:
    found: Row | None = report.get("ablation")
    if found is None:
        return None
    header, rows = table.variants(found, report["dataset"]["classes"])
    corrupted = any(variant["corrupted"] for variant in found["variants"])
    return {
        **found,
        "header": header,
        "rows": rows,
        "gains": plots.gains(found["steps"]) if found["steps"] else None,
        "curves": plots.corruptions(found["variants"]) if corrupted else None,
    }


def _p_value(p: float | None) -> str:
    if p is None:
        return table.NOT_MEASURED
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _numbers(value: Any) -> str:
    """A number, or the range of many: the scales of a tensor's channels."""
    if value is None:
        return table.NOT_MEASURED
    if not isinstance(value, list | tuple):
        return f"{value:.6g}"
    ends = sorted({min(value), max(value)})
    return " to ".join(f"{end:.4g}" for end in ends)

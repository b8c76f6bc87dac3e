"""`report.html`: one file that a person reads; the pictures are inline SVG, nothing is fetched."""

import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

from pipeline.reporting import disturbances, headline, plots, table

Row = dict[str, Any]
Rows = list[Row]
Cells = list[Sequence[str]]


def render(report: Row) -> str:
    measured = [row for row in report["models"] if row["median_ns"] is not None]
    header, rows = table.models(report)
    page: str = (
        templates()
        .get_template("page.html.j2")
        .render(
            report=report,
            measured=measured,
            failed=report["environment"].get("failed_devices") or {},
            headlines=[
                {"name": _where(row, report), "sentences": headline.sentences(row, measured)}
                for row in measured
                if _is_deliverable(row)
            ],
            plots={device: plots.latency(rows) for device, rows in _by_device(measured).items()},
            bought=plots.bought(measured) if len(measured) > 1 else None,
            header=header,
            rows=rows,
            chance=table.chance(report),
            limits=disturbances.lines(report, "the table below"),
            disturbances_header=disturbances.HEADER,
            disturbances=_disturbances(report),
            parity=[_parity(row) for row in report["parity"]],
            processors=[_processor(row) for row in report.get("processors") or ()],
            scales=[_scale(row) for row in report.get("scales") or ()],
            stages=[_stage(step) for step in report["stages"]],
            ablation=_ablation(report),
        )
    )
    return page


def templates() -> Any:
    """Those of this package; what they are given is escaped."""
    from jinja2 import Environment, FunctionLoader

    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_template)
    )
    environment.filters |= {"cell": _cell, "name": _name}
    return environment


def _template(name: str) -> str:
    return (resources.files("pipeline.reporting") / "templates" / name).read_text(encoding="utf-8")


def _cell(text: str) -> str:
    """No line ends between a number and its unit."""
    return re.sub(r" (µs|ms|kB|MB|s)\b", "\u00a0\\1", text)


def _name(text: str) -> Any:
    """Escaped; a line may end at a dot of a name."""
    from markupsafe import Markup

    return Markup("<wbr>").join(re.split(r"(?<=[._/:])(?=[^\W\d])", _cell(text)))


def _is_deliverable(row: Row) -> bool:
    return bool(row["precision"] == "int8" and row["role"] != "teacher")


def _where(row: Row, report: Row) -> str:
    several = len(report["environment"]["devices"]) > 1
    return f"{row['name']} on {row['device']}" if several else str(row["name"])


def _by_device(rows: Rows) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for row in rows:
        found.setdefault(row.get("device") or "", []).append(row)
    return found


def _disturbances(report: Row) -> dict[str, Cells]:
    """By device."""
    found = {name: disturbances.rows(seen) for name, seen in disturbances.of_report(report).items()}
    return {name: list(rows) for name, rows in found.items() if rows}


def _parity(row: Row) -> Sequence[str]:
    return (
        row["name"],
        row["source"],
        str(row["int8_ops"]),
        str(row["float_ops"]),
        table.percent(row["agreement"]),
        f"{row['max_abs_diff']:.2g}",
        table.count(row["samples"]),
    )


def _processor(row: Row) -> Sequence[str]:
    return (
        row["processor"],
        row["how"],
        f"{row['tflite']}, {row['onnx']}",
        table.percent(row["agreement"]),
        f"{row['max_abs_diff']:.2g}",
        table.count(row["samples"]),
    )


def _scale(row: Row) -> Sequence[str]:
    return (
        row["tensor"] or table.NOT_MEASURED,
        row["kind"],
        table.count(row["channels"]),
        _numbers(row["tflite_scale"]),
        _numbers(row["tflite_zero_point"]),
        row["onnx_tensor"] or table.NOT_MEASURED,
        _numbers(row["onnx_scale"]),
        _numbers(row["onnx_zero_point"]),
        "yes" if row["equal"] else "no",
    )


def _stage(step: Row) -> Sequence[str]:
    made = table.NOT_MEASURED if step["wall_s"] is None else f"{step['wall_s']:.1f} s"
    return step["name"], "reused" if step["reused"] else made, step["reason"]


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
        "step_rows": [_step(step) for step in found["steps"]],
        "run_rows": [_run(step, run) for step in found["steps"] for run in step["runs"]],
        "gains": plots.gains(found["steps"]) if found["steps"] else None,
        "curves": plots.corruptions(found["variants"]) if corrupted else None,
    }


def _step(step: Row) -> Sequence[str]:
    return (
        step["adds"],
        table.points(step["gain"]),
        f"{table.span(step['interval'], table.points)} over {step['interval_over']}",
        _p_value(step["p_seeds"]),
        _p_value(step["p_images"]),
        "yes" if step["separated"] else "no",
    )


def _run(step: Row, run: Row) -> Sequence[str]:
    return (
        step["adds"],
        str(run["seed"]),
        str(run["c"]),
        str(run["b"]),
        table.points(run["gain"]),
        table.span(run["interval"], table.points),
        _p_value(run["p_value"]),
    )


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

"""`<device>.html` beside the document of `pipeline bench`: the same figures as a picture."""

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from pipeline import bench_table, plots
from pipeline.page import templates

if TYPE_CHECKING:
    from targets.bench.result import Document
    from targets.bench.summary import SummaryRow


def write(document: "Document", device: str, path: Path) -> None:
    header, rows = bench_table.rows(document)
    drawn = [_drawn(row, document) for row in document.summary if row.median_ns is not None]
    page = (
        templates()
        .get_template("bench.html.j2")
        .render(
            document=document,
            device=device,
            header=header,
            rows=rows,
            notes=bench_table.notes(document),
            plot=plots.processes(drawn) if drawn else None,
        )
    )
    path.write_text(page, encoding="utf-8")


def _drawn(row: "SummaryRow", document: "Document") -> dict[str, Any]:
    interval = row.median_ci
    return {
        "name": row.model,
        "median_ns": row.median_ns,
        "interval": None if interval is None else (interval.low, interval.high),
        "processes": [
            (median(block.samples_ns), block.valid)
            for block in document.blocks
            if block.model == row.model and block.samples_ns
        ],
    }

"""`bench.html` beside the documents of `pipeline bench`: the same figures as a picture."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from pipeline.reporting import bench_table, disturbances, plots
from pipeline.reporting.page import templates

if TYPE_CHECKING:
    from targets.bench.result import BenchResult
    from targets.bench.summary import SummaryRow


def write(documents: bench_table.Documents, dead: Mapping[str, str], path: Path) -> None:
    """`dead`: the devices without figures, and why."""
    header, rows = bench_table.rows(documents)
    drawn = [
        _drawn(row, document, f"{device}: " if len(documents) > 1 else "")
        for device, document in documents.items()
        for row in document.summary
        if row.median_ns is not None
    ]
    page = (
        templates()
        .get_template("bench.html.j2")
        .render(
            documents=documents,
            dead=dead,
            header=header,
            rows=rows,
            notes=bench_table.notes(documents, "the table below"),
            disturbances_header=disturbances.HEADER,
            disturbances=_disturbances(documents),
            plot=plots.processes(drawn) if drawn else None,
        )
    )
    path.write_text(page, encoding="utf-8")


def _disturbances(documents: bench_table.Documents) -> dict[str, list[tuple[str, ...]]]:
    """By device."""
    found = {
        name: disturbances.rows(disturbances.of_document(document))
        for name, document in documents.items()
    }
    return {name: rows for name, rows in found.items() if rows}


def _drawn(row: "SummaryRow", document: "BenchResult", of: str) -> dict[str, Any]:
    interval = row.median_ci
    return {
        "name": of + row.model,
        "median_ns": row.median_ns,
        "note": disturbances.note_of(row, emulated=document.device.emulated),
        "interval": None if interval is None else (interval.low, interval.high),
        "processes": [
            (median(block.samples_ns), block.valid)
            for block in document.blocks
            if block.model == row.model and block.samples_ns
        ],
    }

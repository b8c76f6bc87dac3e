"""`bench.html` beside the documents of `pipeline bench`: the same figures as a picture."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.reporting.figures.bench import processes
from pipeline.reporting.figures.distributions import quantiles
from pipeline.reporting.findings import disturbances
from pipeline.reporting.pages import templates
from pipeline.reporting.tables import bench as table


def write(documents: table.Documents, failed: Mapping[str, str], path: Path) -> None:
    """Write the page; `failed` maps each device without figures to the reason."""
    header, rows = table.rows(documents)
    timings = {name: disturbances.of_document(document) for name, document in documents.items()}
    page = templates.render(
        "bench.html.j2",
        documents=documents,
        failed=failed,
        header=header,
        rows=rows,
        notes=table.notes(documents, "the table below"),
        disturbances_header=disturbances.HEADER,
        disturbances=templates.disturbance_rows(timings),
        plot=processes(documents),
        latencies={
            name: plot
            for name, document in documents.items()
            if (plot := quantiles(name, document)) is not None
        },
    )
    path.write_text(page, encoding="utf-8")

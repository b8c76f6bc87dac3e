"""The section of the page about words in a long sound."""

from pipeline.reporting.figures import streaming as figures
from pipeline.reporting.findings import streaming as findings
from pipeline.reporting.schema.report import Report
from pipeline.reporting.tables.streaming import streaming


def section(report: Report) -> dict[str, object] | None:
    """What the template needs; None where no stream was evaluated."""
    found = report.streaming
    if found is None:
        return None
    return {
        "headline": findings.headline(found),
        "sentences": [*findings.sentences(found, report.dataset.classes)],
        "curve": figures.curve(found),
        "table": streaming(found),
        "found": found,
    }

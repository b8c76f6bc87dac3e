"""`search.html` beside `search.json`: the decision, the front, and every trial with its reason."""

from pathlib import Path

from pipeline.reporting.figures import search as figures
from pipeline.reporting.findings.search import decision, trained
from pipeline.reporting.findings.search_course import cost, disturbed, untrained
from pipeline.reporting.formatting import NOT_MEASURED, approximate, duration, megabytes, span
from pipeline.reporting.pages import templates
from pipeline.reporting.schema.search import DeviceFigures, SearchResult
from pipeline.reporting.tables import search as tables
from pipeline.reporting.tables.cells import Table, tabulate
from targets.errors import listed, printable
from targets.files.published import published

FILE = "search.html"
CLASSES = {True: "ship", False: "hold", None: ""}
"""Of the decision, by what it found."""


def write(result: SearchResult, path: Path) -> None:
    with published(path, remedy="Choose another folder.") as part:
        part.write_text(render(result), "utf-8")


def render(result: SearchResult) -> str:
    found = decision(result)
    verdict, _, reason = found.text.partition(": ")
    any_trained = bool(trained(result.trials))
    drawn = [figures.latency(result), figures.size(result)] if any_trained else []
    return templates.render(
        "search.html.j2",
        result=result,
        verdict=verdict,
        reason=reason,
        kind=CLASSES[found.found],
        course_lines=[*untrained(result), *disturbed(result)],
        figures=[svg for svg in drawn or [figures.costs(result)] if svg],
        any_trained=any_trained,
        course=figures.course(result),
        recommended=_recommended(result),
        values=_values(result),
        trials=tables.trials(result),
        limits=tables.limits(result),
        space=tables.space(result),
        cost=list(cost(result)),
    )


def _recommended(result: SearchResult) -> Table | None:
    """The recommended student on each device, as it was measured at last."""
    if result.recommendation is None:
        return None
    return tabulate([_device(one) for one in result.recommendation.figures.devices])


def _device(one: DeviceFigures) -> dict[str, str]:
    note = None if one.valid else "disturbed"
    return {
        "device": printable(one.device),
        "median": approximate(duration(one.median_ns), note),
        "95 % interval": span(one.median_ci if one.valid else None, duration),
        "p90": approximate(duration(one.p90_ns), note),
        "99 % bound of p90": duration(one.p90_upper_ns if one.valid else None),
        "peak memory": megabytes(one.peak_memory_bytes),
        "disturbed by": listed(one.invalid_reasons, most=2, separator="; ") or NOT_MEASURED,
    }


def _values(result: SearchResult) -> list[list[str]]:
    """The recommended trial's values, which `best.toml` has."""
    one = result.recommendation
    return [
        [printable(key), tables.shown(value)]
        for row in result.trials
        if one is not None and row.number == one.trial
        for key, value in row.values.items()
    ]

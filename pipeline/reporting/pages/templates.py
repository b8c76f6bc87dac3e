"""The templates of the pages: HTML with inline SVG, nothing is fetched, every value is escaped."""

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

from pipeline.reporting.findings import disturbances
from pipeline.reporting.findings.disturbances import Timing


def render(template: str, **values: object) -> str:
    from jinja2 import Environment, FunctionLoader

    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_template)
    )
    environment.filters |= {"cell": _cell, "name": _name}
    return environment.get_template(template).render(values)


def _template(name: str) -> str:
    return (resources.files("pipeline.reporting") / "templates" / name).read_text(encoding="utf-8")


def _cell(text: str) -> str:
    """Keep a number and its unit on one line."""
    return re.sub(r" (µs|ms|kB|MB|s)\b", "\u00a0\\1", text)


def _name(text: str) -> "Markup":
    """Escape a name; a line may end at a dot in it."""
    from markupsafe import Markup

    return Markup("<wbr>").join(re.split(r"(?<=[._/:])(?=[^\W\d])", _cell(text)))


def disturbance_rows(
    timings: Mapping[str, Sequence[Timing]],
) -> dict[str, list[tuple[str, ...]]]:
    """Return the cells by device, for the devices that were disturbed."""
    rows = {device: disturbances.rows(models) for device, models in timings.items()}
    return {device: cells for device, cells in rows.items() if cells}

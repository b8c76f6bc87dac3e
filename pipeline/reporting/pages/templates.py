"""The templates of the pages: HTML with inline SVG, nothing is fetched, every value is escaped."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

from pipeline.reporting.findings import disturbances
from pipeline.reporting.findings.disturbances import Timing

CONTENTS = "<!-- contents -->"
SECTION = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)


def render(template: str, **values: object) -> str:
    from jinja2 import Environment, FunctionLoader
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_template)
    )
    environment.filters |= {"cell": _cell, "name": _name}
    script = _template("page.js")
    values |= {
        "policy": _policy(script),
        "script": Markup(script),
        "contents": Markup(CONTENTS),
    }
    return _with_contents(environment.get_template(template).render(values))


def _template(name: str) -> str:
    return (resources.files("pipeline.reporting") / "templates" / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """What a browser lets the page do: nothing but this script, its styles and its pictures."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _with_contents(page: str) -> str:
    """Number the sections, and list them where there are several."""
    titles = [_plain(title) for title in SECTION.findall(page)]
    links = [f'<li><a href="#s{n}">{title}</a></li>' for n, title in enumerate(titles, 1)]
    listed = f'<nav aria-label="Contents"><ul>{"".join(links)}</ul></nav>'
    numbers = iter(range(1, len(titles) + 1))
    page = SECTION.sub(lambda found: f'<h2 id="s{next(numbers)}">{found[1]}</h2>', page)
    return page.replace(CONTENTS, listed if len(titles) > 1 else "", 1)


def _plain(title: str) -> str:
    """What stands before a colon, which a figure may follow, without tags."""
    return re.sub(r"<[^>]*>", "", title).partition(":")[0].strip()


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

"""Templates of a bundle's texts, and names of classes as literals of each language.

A class can have any name: every value goes through the filter of the language that it stands in.
"""

import json
import re
from importlib import resources

from targets.bundle.facts import Table
from targets.errors import printable


def render(template: str, **values: object) -> str:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_template),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": md, "yaml": yaml, "table": table, "kotlin": kotlin, "cpp": cpp}
    return environment.get_template(template).render(values)


def _template(name: str) -> str:
    return (resources.files("targets.bundle") / "templates" / name).read_text(encoding="utf-8")


def md(text: str) -> str:
    """Text on one line of Markdown, without links, HTML or ends of a table's cell."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", printable(text))


def table(found: Table) -> str:
    rows = (found.header, ("---",) * len(found.header), *(map(md, row) for row in found.rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def yaml(text: str) -> str:
    """A double-quoted scalar; JSON's would leave characters that YAML forbids."""
    return json.dumps(printable(text), ensure_ascii=False)


def kotlin(text: str) -> str:
    """A string literal in ASCII, of UTF-16 code units as Kotlin's `\\u` takes them."""
    units = text.encode("utf-16-be", "surrogatepass")
    chars = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return '"' + "".join(_plain(char) or f"\\u{char:04x}" for char in chars) + '"'


def cpp(text: str) -> str:
    """A string literal in ASCII, of UTF-8 as octal escapes: those end after three digits."""
    content = text.encode("utf-8", "surrogateescape")
    return '"' + "".join(_plain(byte) or f"\\{byte:03o}" for byte in content) + '"'


def _plain(char: int) -> str:
    """The character where it means itself in every literal: no quote, `$`, `?` of a trigraph."""
    return chr(char) if char < 128 and (chr(char).isalnum() or chr(char) in " -_.,:;()/+") else ""

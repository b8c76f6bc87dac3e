"""A picture as inline SVG: the same numbers give the same bytes."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

SHOWN, NOT_SHOWN, HEADLINE = "#1c2024", "#8b8d98", "#d9730d"
"""Colours of what the data show, of what they do not show, and of a headline figure."""
ACCURACY = "top-1 on the test split, %"
LABEL = 26
"""Characters of a name on one line beside the axes."""
WIDTH = 5.2
"""Inches: small enough for its text to be legible on a phone."""
WIDE = 300
"""Ratio of the ends of an axis from which the numbers of 1, 2 and 5 would overlap."""
ROW = 0.42
"""Inches of height per row of a picture that has one row per name."""


class Picture:
    """Axes to draw on, and the SVG once they are drawn."""

    svg: str
    figure: "Figure"
    axes: "Axes"
    says: str = ""
    """What one sees, for those who do not."""


@contextmanager
def picture(name: str, height: float, columns: int = 1) -> Iterator[Picture]:
    """Open a picture; `name` is unique on the page, as the ids in the SVG are derived from it."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    # Fixed ids and no date.
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 9}):
        drawn = Picture()
        drawn.figure, drawn.axes = plt.subplots(
            1, columns, figsize=(WIDTH, height), sharey=True, layout="constrained"
        )
        for axes in drawn.figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(visible=True, which="both", alpha=0.2)
        yield drawn
        text = io.StringIO()
        drawn.figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
        plt.close(drawn.figure)
    drawn.svg = _inline(text.getvalue(), drawn.says or name)


def _inline(svg: str, says: str) -> str:
    """The picture as a part of a page: in its width, its colours, and with no id of its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r' width="[^"]*" height="[^"]*"', "", svg, count=1)
    # The groups of every picture have the same ids, which a page may have once.
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)
    # Black follows the page's text colour, which is light on a dark page.
    svg = re.sub(f"#000000|{SHOWN}", "currentColor", svg)
    label = f'role="img" aria-label="{escape(says)}" fill="currentColor"'
    return svg.replace("<svg ", f"<svg {label} ", 1)


def time_axis(axes: "Axes", label: str) -> None:
    """A log scale with plain numbers, for what is drawn; over `WIDE` only powers of ten fit."""
    axes.set_xscale("log")
    plain_numbers(axes.xaxis, axes.get_xlim())
    axes.set_xlabel(label)


def plain_numbers(axis: "Axis", ends: tuple[float, float]) -> None:
    from matplotlib import ticker

    low, high = ends
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if high / low < WIDE else (1,)))
    axis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def name_axis(axes: "Axes", names: list[str]) -> None:
    """One row per name, the first on top."""
    axes.set_yticks(range(len(names)), [_two_lines(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def legend(
    figure: "Figure", handles: Sequence["Artist"], names: Sequence[str], *, columns: int
) -> "Legend":
    """Draw a legend below the axes."""
    return figure.legend(
        handles, names, loc="outside lower center", ncols=columns, fontsize=8, frameon=False
    )


def _two_lines(name: str) -> str:
    """A long name is broken: names share the width with the axes."""
    if len(name) <= LABEL:
        return name
    ends = [i + 1 for i, letter in enumerate(name) if letter in " .:_-/"] or [len(name) // 2]
    middle = min(ends, key=lambda end: abs(end - len(name) / 2))
    return f"{name[:middle]}\n{name[middle:]}"

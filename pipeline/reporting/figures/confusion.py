"""A confusion matrix as inline SVG: a row per class, a column per predicted class."""

from collections.abc import Iterator, Sequence
from html import escape

from pipeline.reporting.schema.per_class import PerClass

CELL, TOP, RIGHT, WRONG = 30, 12, "#1f77b4", "#d9730d"
LETTER = 6.2
"""Width of a letter of a name, in units of the picture."""
LARGEST = 1.5
"""Times the units of the picture, in pixels of the page."""
LONGEST = 18
"""Letters of a name that are shown."""


def matrix(one: PerClass, classes: Sequence[str]) -> str:
    """Samples in each cell, shaded by their share of the class: right ones blue, others orange."""
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in classes]
    edge = LETTER * max(map(len, names)) + 8
    side = edge + CELL * len(names) + TOP
    cells = "".join([*_names(names, edge), *_cells(one, classes, edge)])
    return (
        f'<svg viewBox="0 0 {side:.0f} {side:.0f}" style="max-width: {LARGEST * side:.0f}px" '
        f'fill="currentColor" font-size="11" role="img" '
        f'aria-label="Confusion matrix of {escape(one.model)}: {_says(one, classes)}">{cells}</svg>'
    )


def _says(one: PerClass, classes: Sequence[str]) -> str:
    """The most frequent errors; all are in the table of classes."""
    wrong = sorted((cell for cell in one.confusion if cell[0] != cell[1]), key=lambda c: -c[2])
    named = [f"{classes[a]} predicted as {classes[b]} {count} times" for a, b, count in wrong[:3]]
    return escape("; ".join(named) or "no errors")


def _names(names: Sequence[str], edge: float) -> Iterator[str]:
    for place, name in enumerate(names):
        middle = edge + CELL * (place + 0.5)
        text = escape(name)
        yield f'<text x="{edge - 5:.1f}" y="{middle + 4:.1f}" text-anchor="end">{text}</text>'
        turned = f'transform="translate({middle + 4:.1f} {edge - 5:.1f}) rotate(-90)"'
        yield f"<text {turned}>{text}</text>"


def _cells(one: PerClass, classes: Sequence[str], edge: float) -> Iterator[str]:
    for label, found, samples in one.confusion:
        x, y = edge + CELL * found, edge + CELL * label
        share = samples / one.classes[label].support
        title = escape(f"{classes[label]}, predicted {classes[found]}: {samples}")
        yield (
            f'<g><title>{title}</title><rect x="{x:.1f}" y="{y:.1f}" '
            f'width="{CELL - 1}" height="{CELL - 1}" fill="{RIGHT if label == found else WRONG}" '
            f'fill-opacity="{0.08 + 0.62 * share:.2f}"/>'
            f'<text x="{x + CELL / 2:.1f}" y="{y + CELL / 2 + 4:.1f}" text-anchor="middle">'
            f"{samples}</text></g>"
        )

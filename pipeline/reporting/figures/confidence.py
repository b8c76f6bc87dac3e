"""The figures of a file's confidence: reliability before and after, and risk over coverage."""

from typing import TYPE_CHECKING

from pipeline.reporting.figures.drawing import HEADLINE, NOT_SHOWN, picture
from pipeline.reporting.schema.confidence import Calibration, ConfidenceRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AFTER = "#1f77b4"
SMALLEST, LARGEST = 12, 160
"""Areas of marks, in square points."""


def reliability(row: ConfidenceRow) -> str:
    """Accuracy over confidence, in 15 parts, with the samples in each."""
    with picture(f"reliability {row.model}", 3.4) as drawn:
        axes = drawn.axes
        axes.plot([0, 100], [0, 100], color=NOT_SHOWN, lw=1, ls="--")
        before, after = "softmax of the logits", "with the temperature"
        _bins(axes, row.before, marker="s", colour=HEADLINE, name=before, aside=(-4, -10))
        _bins(axes, row.after, marker="o", colour=AFTER, name=after, aside=(-4, 5))
        axes.set_xlabel("mean confidence, %")
        axes.set_ylabel("accuracy, %")
        axes.set_xlim(0, 103)
        axes.set_ylim(-3, 106)
        axes.legend(fontsize=8, frameon=False, loc="upper left")
        drawn.says = (
            f"Reliability diagram of {row.model}: calibration error {100 * row.before.ece:.2f} % "
            f"before and {100 * row.after.ece:.2f} % with the temperature."
        )
    return drawn.svg


def _bins(
    axes: "Axes",
    found: Calibration,
    *,
    marker: str,
    colour: str,
    name: str,
    aside: tuple[float, float],
) -> None:
    """`aside`: the place of a number of samples from its mark, in points."""
    x = [100 * one.confidence for one in found.reliability]
    y = [100 * one.accuracy for one in found.reliability]
    counts = [one.samples for one in found.reliability]
    areas = [SMALLEST + LARGEST * count / sum(counts) for count in counts]
    label = f"{name}: ECE {100 * found.ece:.2f} %"
    for count, left, up in zip(counts, x, y, strict=True):
        axes.annotate(
            f"{count:,}", (left, up), aside, textcoords="offset points", size=7, color=colour
        )
    axes.plot(x, y, color=colour, lw=1, alpha=0.6)
    axes.scatter(x, y, s=areas, c=colour, marker=marker, alpha=0.75, edgecolors="none", label=label)


def risk(row: ConfidenceRow) -> str:
    """Share of wrong ones among the most confident predictions, over their share of all."""
    with picture(f"risk {row.model}", 2.6) as drawn:
        axes = drawn.axes
        shares, wrong = zip(*row.curve, strict=True)
        axes.plot([100 * s for s in shares], [100 * w for w in wrong], color=AFTER, lw=1.4)
        axes.axhline(100 * (1 - row.precision), color=NOT_SHOWN, lw=1, ls="--")
        if row.selection is not None and row.selection.precision is not None:
            x, y = 100 * row.selection.coverage, 100 * (1 - row.selection.precision)
            axes.scatter([x], [y], color=HEADLINE, zorder=3, label="at the threshold")
            axes.legend(fontsize=8, frameon=False, loc="center left")
        axes.set_xlabel("coverage, % of the test samples")
        axes.set_ylabel("wrong, %")
        axes.set_xlim(0, 103)
        axes.set_ylim(bottom=0)
        drawn.says = (
            f"Share of wrong predictions of {row.model}, from {100 * wrong[0]:.2f} % of the most "
            f"confident to {100 * wrong[-1]:.2f} % of all test samples."
        )
    return drawn.svg

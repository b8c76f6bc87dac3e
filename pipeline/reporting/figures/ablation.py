"""The figures of an ablation: the gain of each step, and accuracy on corrupted images."""

from collections.abc import Sequence

from pipeline.reporting.figures.drawing import NOT_SHOWN, ROW, SHOWN, legend, name_axis, picture
from pipeline.reporting.schema.ablation import Step, Variant

VARIANTS = {
    "teacher": ("#8c564b", ":"),
    "student_scratch": ("#7f7f7f", "-"),
    "student_random": ("#17becf", "-"),
    "student_kd": ("#1f77b4", "-"),
    "kd_ptq": ("#d9730d", "--"),
    "kd_qat": ("#2ca02c", "--"),
    "kd_qat_hard": ("#9467bd", "--"),
}
"""Colour and line of each variant; int8 is dashed."""


def gains(steps: Sequence[Step]) -> str:
    """Gain per step with its interval; hollow where the tests do not separate it from none."""
    with picture("gains", 0.9 + ROW * len(steps)) as drawn:
        axes = drawn.axes
        for place, step in enumerate(steps):
            low, high = (100 * end for end in step.interval)
            colour = SHOWN if step.separated else NOT_SHOWN
            axes.plot([low, high], [place, place], color=colour, linewidth=1.5)
            face = colour if step.separated else "none"
            axes.plot(100 * step.gain, place, "o", markersize=7, color=colour, markerfacecolor=face)
        axes.axvline(0, color=SHOWN, linewidth=0.8)
        name_axis(axes, [step.adds for step in steps])
        axes.set_xlabel("gain in top-1, percentage points")
        each = "; ".join(f"{step.adds}: {step.words}" for step in steps)
        drawn.says = f"Gain in top-1 of each step, with its interval. {each}."
    return drawn.svg


def corruptions(variants: Sequence[Variant]) -> str:
    """Accuracy by severity, a panel per kind of corruption; severity 0 is the test split itself."""
    corrupted = [variant for variant in variants if variant.corrupted]
    kinds = list(corrupted[0].corrupted)
    with picture("corruptions", 3.2, columns=len(kinds)) as drawn:
        first, *_ = panels = drawn.figure.axes
        for axes, kind in zip(panels, kinds, strict=True):
            for variant in corrupted:
                colour, line = VARIANTS[variant.name]
                curve = [100 * top1 for top1 in (variant.top1, *variant.corrupted[kind])]
                axes.plot(curve, line, color=colour, linewidth=1.3, label=variant.description)
            axes.set_title(kind, fontsize=10)
            axes.set_xticks(range(6))
            axes.set_xlabel("severity", fontsize=9)
        first.set_ylabel("top-1, %")
        handles, names = first.get_legend_handles_labels()
        legend(drawn.figure, handles, names, columns=2)
        drawn.says = f"Accuracy at severities 0 to 5 of {', '.join(kinds)}: {'; '.join(names)}."
    return drawn.svg

"""The pictures of `report.html`, as inline SVG: the same numbers give the same bytes."""

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.reporting import disturbances, table

Row = dict[str, Any]

ROLES = {"teacher": "#8c564b", "student": "#1f77b4", "student_qat": "#2ca02c"}
MARKERS = {"tflite": "o", "onnx": "s"}
VARIANTS = {
    "teacher": ("#8c564b", ":"),
    "student_scratch": ("#7f7f7f", "-"),
    "student_kd": ("#1f77b4", "-"),
    "kd_ptq": ("#d9730d", "--"),
    "kd_qat": ("#2ca02c", "--"),
    "kd_qat_hard": ("#9467bd", "--"),
}
"""Colour and line of an ablation's variants: what is int8 is dashed."""
SHOWN, NOT_SHOWN, HEADLINE = "#1c2024", "#8b8d98", "#d9730d"
LABEL = 26
"""Characters of a name on one line beside the axes."""
LEGEND = 72
"""Characters of a legend's line."""
WIDTH = 5.2
"""Inches: small enough for its text to be read on a phone."""


class Picture:
    """Axes to draw on, and the SVG once they are drawn."""

    svg: str
    figure: Any
    axes: Any


@contextmanager
def _picture(name: str, height: float, columns: int = 1) -> Iterator[Picture]:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    # Fixed ids, apart for each picture of the page, and no date.
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 9}):
        picture = Picture()
        picture.figure, picture.axes = plt.subplots(
            1, columns, figsize=(WIDTH, height), sharey=True, layout="constrained"
        )
        for axes in picture.figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(visible=True, which="both", alpha=0.2)
        yield picture
        text = io.StringIO()
        picture.figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
        plt.close(picture.figure)
    svg = text.getvalue()
    svg = re.sub(r' width="[^"]*" height="[^"]*"', "", svg[svg.index("<svg") :], count=1)
    # Black follows the page's text colour, which is light on a dark page.
    svg = re.sub(f"#000000|{SHOWN}", "currentColor", svg)
    picture.svg = svg.replace("<svg ", '<svg fill="currentColor" ', 1)


def latency(rows: Sequence[Row]) -> str:
    """Top-1 against median latency on one device, each with its interval; the area of a mark is the
    file size.

    A latency that cannot be relied on is a hollow grey mark without an interval.
    """
    from matplotlib import ticker

    with _picture(f"latency {rows[0].get('device')}", 4.2) as picture:
        axes = picture.axes
        for row in rows:
            _mark(axes, row)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.set_xlabel("median latency, µs (one query, log scale)")
        axes.set_ylabel("top-1 on the test split, %")
        longest = max(len(name) for name in axes.get_legend_handles_labels()[1])
        legend = picture.figure.legend(
            loc="outside lower center",
            ncols=2 if longest <= LEGEND // 2 else 1,
            fontsize=8,
            frameon=False,
        )
        for handle in legend.legend_handles:
            handle.set_sizes([40])  # the marks' own sizes would cover one another
        axes.margins(x=0.2, y=0.15)
    return picture.svg


def _mark(axes: Any, row: Row) -> None:
    x, y = row["median_ns"] / 1000, 100 * row["top1"]
    note = table.latency_note(row)
    reliable = disturbances.relied_on(note)
    colour = ROLES.get(row["role"], "#555555") if reliable else NOT_SHOWN
    low, high = (row["median_ci"] if reliable else None) or (row["median_ns"],) * 2
    floor, ceiling = row["top1_ci"]
    about = ", ".join(filter(None, [table.kilobytes(row["size_bytes"]), note]))
    axes.errorbar(
        x,
        y,
        xerr=[[x - low / 1000], [high / 1000 - x]],
        yerr=[[y - 100 * floor], [100 * ceiling - y]],
        color=colour,
        alpha=0.5,
        linewidth=1,
    )
    axes.scatter(
        x,
        y,
        s=30 + row["size_bytes"] / 5000,
        marker=MARKERS.get(row["format"], "D"),
        facecolors=colour if reliable else "none",
        alpha=0.75,
        edgecolors="none" if reliable else colour,
        label=textwrap.fill(f"{row['name']} ({about})", LEGEND),
    )


def bought(rows: Sequence[Row]) -> str:
    """Top-1 of each network from the teacher on, with Wilson's interval, a line per format.

    Of the first device, where there are several.
    """
    rows = list({(row["format"], _network(row)): row for row in reversed(rows)}.values())[::-1]
    networks = list(dict.fromkeys(_network(row) for row in rows))
    formats = list(dict.fromkeys(row["format"] for row in rows))
    with _picture("bought", 3) as picture:
        axes = picture.axes
        for number, name in enumerate(formats):
            seen = [row for row in rows if row["format"] == name]
            aside = 0.16 * (number - (len(formats) - 1) / 2)
            _steps(axes, name, seen, [networks.index(_network(row)) + aside for row in seen], aside)
        axes.set_xticks(range(len(networks)), networks)
        axes.set_xlim(-0.5, len(networks) - 0.3)
        axes.set_ylabel("top-1 on the test split, %")
        axes.margins(y=0.15)
        axes.legend(fontsize=8, frameon=False)
    return picture.svg


def _network(row: Row) -> str:
    return f"{row['role'].removesuffix('_qat')}\n{row['precision']}"


def _steps(axes: Any, name: str, rows: Sequence[Row], x: Sequence[float], aside: float) -> None:
    top1 = [100 * row["top1"] for row in rows]
    reach = [
        [y - 100 * row["top1_ci"][0] for y, row in zip(top1, rows, strict=True)],
        [100 * row["top1_ci"][1] - y for y, row in zip(top1, rows, strict=True)],
    ]
    marker, colour = MARKERS.get(name, "D"), "#1f77b4" if name == "tflite" else "#d9730d"
    line = dict(color=colour, linewidth=1, alpha=0.8)
    axes.errorbar(x, top1, yerr=reach, marker=marker, markersize=5, label=name, **line)
    away = dict(xytext=(-5, 4), ha="right") if aside < 0 else dict(xytext=(5, 4), ha="left")
    for place, y in zip(x, top1, strict=True):
        axes.annotate(
            f"{y:.2f}", (place, y), textcoords="offset points", fontsize=8, color=colour, **away
        )


def gains(steps: Sequence[Row]) -> str:
    """Gain per step with its interval; hollow where the tests do not separate it from none."""
    with _picture("gains", 0.9 + 0.42 * len(steps)) as picture:
        axes = picture.axes
        for place, step in enumerate(steps):
            low, high = (100 * end for end in step["interval"])
            colour = SHOWN if step["separated"] else NOT_SHOWN
            axes.plot([low, high], [place, place], color=colour, linewidth=1.5)
            face = colour if step["separated"] else "none"
            mark = dict(marker="o", markersize=7, color=colour, markerfacecolor=face)
            axes.plot(100 * step["gain"], place, **mark)
        axes.axvline(0, color="#1c2024", linewidth=0.8)
        axes.set_yticks(range(len(steps)), [_label(step["adds"]) for step in steps])
        axes.set_ylim(len(steps) - 0.5, -0.5)
        axes.set_xlabel("gain in top-1, percentage points")
    return picture.svg


def processes(models: Sequence[Row]) -> str:
    """The median of every process, hollow where it was disturbed, and the interval of the headline.

    A row per model: `name`, `median_ns`, `interval` or None, `processes` as (ns, valid), and
    `note`: why the headline cannot be relied on, or None.
    """
    from matplotlib import ticker

    with _picture("processes", 0.9 + 0.42 * len(models)) as picture:
        axes = picture.axes
        for place, model in enumerate(models):
            _processes(axes, place, model)
        _process_legend(picture.figure)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.set_yticks(range(len(models)), [_label(model["name"]) for model in models])
        axes.set_ylim(len(models) - 0.5, -0.5)
        axes.set_xlabel("median of a process, µs (log scale)")
    return picture.svg


def _processes(axes: Any, place: int, model: Row) -> None:
    reliable = disturbances.relied_on(model["note"])
    if model["interval"] and reliable:
        low, high = (end / 1e3 for end in model["interval"])
        axes.plot([low, high], [place] * 2, color=SHOWN, linewidth=5, alpha=0.25)
    for ns, valid in model["processes"]:
        quiet = valid and model["note"] != "emulated"
        face, edge = (SHOWN, SHOWN) if quiet else ("none", NOT_SHOWN)
        axes.plot(ns / 1e3, place, "o", markersize=5, color=edge, markerfacecolor=face)
    colour = HEADLINE if reliable else NOT_SHOWN
    axes.plot(model["median_ns"] / 1e3, place, "|", markersize=18, color=colour)


def _process_legend(figure: Any) -> None:
    from matplotlib.lines import Line2D

    marks: dict[str, dict[str, Any]] = {
        "one process": dict(color=SHOWN, marker="o", markersize=5),
        "not valid": dict(color=NOT_SHOWN, marker="o", markersize=5, mfc="none"),
        "median over processes": dict(color=HEADLINE, marker="|", markersize=12),
    }
    handles = [Line2D([], [], linestyle="none", label=name, **mark) for name, mark in marks.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)


def _label(name: str) -> str:
    """A long name on two lines: names share the width with the axes."""
    if len(name) <= LABEL:
        return name
    ends = [i + 1 for i, letter in enumerate(name) if letter in " .:_-/"] or [len(name) // 2]
    middle = min(ends, key=lambda end: abs(end - len(name) / 2))
    return f"{name[:middle]}\n{name[middle:]}"


def corruptions(variants: Sequence[Row]) -> str:
    """Accuracy by severity, a panel per kind of corruption; severity 0 is the test split itself."""
    shown = [variant for variant in variants if variant["corrupted"]]
    kinds = list(shown[0]["corrupted"])
    with _picture("corruptions", 3.2, columns=len(kinds)) as picture:
        for axes, kind in zip(picture.figure.axes, kinds, strict=True):
            for variant in shown:
                colour, line = VARIANTS[variant["name"]]
                curve = [100 * top1 for top1 in (variant["top1"], *variant["corrupted"][kind])]
                axes.plot(curve, line, color=colour, linewidth=1.3, label=variant["is"])
            axes.set_title(kind, fontsize=10)
            axes.set_xticks(range(6))
            axes.set_xlabel("severity", fontsize=9)
        picture.figure.axes[0].set_ylabel("top-1, %")
        handles, names = picture.figure.axes[0].get_legend_handles_labels()
        picture.figure.legend(
            handles, names, loc="outside lower center", ncols=2, fontsize=8, frameon=False
        )
    return picture.svg

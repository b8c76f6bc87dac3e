"""Figures as text, with the same units, digits and signs in tables, pages and sentences."""

from collections.abc import Callable, Sequence

NOT_MEASURED = "-"


def points(share: float) -> str:
    """A difference of shares as percentage points, with its sign; a plain 0.00 has none."""
    text = f"{100 * share:+.2f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def percent(share: float | None) -> str:
    return NOT_MEASURED if share is None else f"{100 * share:.2f}"


def microseconds(ns: float | None) -> str:
    return NOT_MEASURED if ns is None else f"{ns / 1000:,.1f} µs"


def duration(ns: float | None) -> str:
    """Format a time with three or four digits, in µs or ms."""
    if ns is None:
        return NOT_MEASURED
    us = ns / 1000
    return f"{us:.1f} µs" if us < 1000 else f"{us / 1000:.2f} ms"


def elapsed(seconds: float) -> str:
    """A time that a person waited, in two units at most."""
    if seconds < 60:
        return f"{seconds:.2g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def approximate(text: str, note: str | None) -> str:
    """Mark a figure with `~` where a note limits what it says."""
    return f"~{text}" if note and text != NOT_MEASURED else text


def times(ratio: float | None) -> str:
    return NOT_MEASURED if ratio is None else f"{ratio:.2f}x"


def count(number: int | None) -> str:
    return NOT_MEASURED if number is None else f"{number:,}"


def three_digits(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.3f}"


def kilobytes(size: int) -> str:
    return f"{size / 1000:,.1f} kB"


def megabytes(size: int | None) -> str:
    return NOT_MEASURED if size is None else f"{size / 1e6:,.1f} MB"


def span(ends: Sequence[float] | None, show: Callable[[float], str]) -> str:
    return NOT_MEASURED if ends is None else f"{show(ends[0])} to {show(ends[1])}"


def p_value(p: float | None) -> str:
    if p is None:
        return NOT_MEASURED
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def worst_class(change: tuple[float, int] | None, classes: Sequence[str]) -> str:
    """Format the worst class, given as (change of its accuracy, index of the class)."""
    return NOT_MEASURED if change is None else f"{points(change[0])} ({classes[change[1]]})"

"""Every failure a person can cause or meet, with the exit code it ends the command with.

A message is one paragraph: the thing, the place, the remedy.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class EdgeDistillError(Exception):
    """Base of the failures that a user can act on; shown without a traceback."""

    exit_code = 1


class ProofError(EdgeDistillError):
    """An export could not be shown to be what was asked for. Nothing of it is published."""


class ConversionError(ProofError):
    """The format has no form for the network."""


class VerificationError(EdgeDistillError):
    """A bundle is not what its maker packed, signed or recorded."""


class InputError(EdgeDistillError):
    """Wrong input, usage or data, or a package or data set that is not there."""

    exit_code = 2


class DeviceError(EdgeDistillError):
    """A device or a runtime on it failed."""

    exit_code = 3


class UnreadableError(Exception):
    """Why a picture, a sound or a text cannot be read, in a few words without its name: one of many
    may be left out."""


def unknown(kind: str, name: str, known: Iterable[str], *, place: str = "") -> InputError:
    """The error for a name that is not registered: what is known, and the nearest spelling."""
    names = sorted(known)
    where = f"{place}: " if place else ""
    return InputError(
        f"{where}unknown {kind} '{name}'{did_you_mean(name, names)} Known: {', '.join(names)}."
    )


def did_you_mean(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """`; did you mean 'prefix.nearest'?`, or a full stop where no known name is near."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{prefix}{close[0]}'?" if close else "."


def printable(text: str) -> str:
    """On one line of a terminal; line breaks, control characters and undecodable bytes escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def listed(
    items: Sequence[str], *, most: int = 20, of: int | None = None, separator: str = ", "
) -> str:
    """The first `most` items, printable, and how many more there are of all `of`."""
    more = (len(items) if of is None else of) - most
    text = separator.join(map(printable, items[:most]))
    return f"{text} and {more:,} more" if more > 0 else text


def missing_package(package: str, *, needed_for: str) -> InputError:
    """The error for a library that is not installed."""
    return InputError(
        f"{needed_for} needs the package '{package}', which is not installed: "
        f"python -m pip install '{package}'."
    )

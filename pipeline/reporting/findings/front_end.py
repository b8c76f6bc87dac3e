"""What of the int8 files is a front end, in words."""

from collections.abc import Sequence

from targets.formats.record import Parity


def note(parity: Sequence[Parity]) -> str | None:
    """A paragraph for the console and the page; None for files without a front end."""
    files: dict[str, list[str]] = {}
    for row in parity:
        if row.front_ops and row.int8_ops and row.name not in files.get(_is(row), []):
            files.setdefault(_is(row), []).append(row.name)
    return " ".join(f"{', '.join(names)}: {what}." for what, names in files.items()) or None


def _is(row: Parity) -> str:
    front = f"front end in float, {row.front_ops} operators"
    return front if row.float_ops else f"{front}; network int8 from end to end"

"""What of the int8 files is a front end, and what it costs, in words."""

from collections.abc import Iterator, Sequence

from pipeline.reporting.formatting import approximate, microseconds
from pipeline.reporting.schema.parts import PartsRow
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


def costs(rows: Sequence[PartsRow]) -> Iterator[str]:
    """A sentence per file and device: the latency of the front end, of the network and of both."""
    for row in rows:
        times = row.front_end_ns, row.network_ns, row.whole_ns
        if row.latency_note != "emulated" and None not in times:
            front, network, whole = (
                approximate(microseconds(ns), row.latency_note) for ns in times
            )
            yield (
                f"{row.whole} on {row.device}: the front end by itself takes {front} and the "
                f"network by itself {network}, of {whole} for the whole file."
            )

"""The rows of the files that are also there as front end and network."""

from collections.abc import Mapping

from pipeline.engine.artifacts import Exports
from pipeline.reporting.findings.disturbances import note_of
from pipeline.reporting.schema.parts import PartsRow
from targets.bench.result import BenchResult
from targets.formats.record import TakenApart


def parts_rows(
    exports: Exports, documents: Mapping[str, BenchResult] | None = None
) -> tuple[PartsRow, ...]:
    """A row per file and device of `documents`; without any, a row per file without latencies."""
    if not documents:
        return tuple(_row(parts) for parts in exports.parts)
    return tuple(
        _measured(parts, device, document)
        for device, document in documents.items()
        for parts in exports.parts
    )


def _row(parts: TakenApart, **measured: object) -> PartsRow:
    return PartsRow.model_validate(
        {
            "whole": parts.whole,
            "front_end": parts.front_end.file,
            "front_end_bytes": parts.front_end.size_bytes,
            "network": parts.network.file,
            "network_bytes": parts.network.size_bytes,
            "samples": parts.samples,
            "agreement": parts.agreement,
            "max_steps": parts.max_steps,
            **measured,
        }
    )


def _measured(parts: TakenApart, device: str, document: BenchResult) -> PartsRow:
    rows = {row.model: row for row in document.summary}
    names = {
        "whole_ns": parts.whole,
        "front_end_ns": parts.front_end.name,
        "network_ns": parts.network.name,
    }
    emulated = document.device.emulated
    notes = [note_of(rows[name], emulated=emulated) for name in names.values()]
    return _row(
        parts,
        device=device,
        latency_note=next(filter(None, notes), None),
        **{key: rows[name].median_ns for key, name in names.items()},
    )

"""The runs that rely on stored results: those noted in the store, and results folders in OUT."""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from pipeline.engine.delivery import PROVENANCE
from pipeline.engine.manifest import Manifest
from pipeline.engine.references import Record, records
from pipeline.reporting.schema.search import FILE as SEARCH
from targets.errors import InputError, printable


@dataclass(frozen=True, kw_only=True)
class Run:
    results: Path
    delivered: frozenset[str]
    """Names of the stored folders that its results folder was made from."""
    going_on: frozenset[str] = frozenset()
    """Names that a run has noted which has not ended, or was interrupted."""
    noted: float = 0.0
    """When, in seconds since 1970."""

    def refers_to(self, *, since: float) -> frozenset[str]:
        """The notes of a run that was interrupted count from the time `since` on."""
        return self.delivered | (self.going_on if self.noted >= since else frozenset())


def runs(store: Path, out: Path) -> list[Run]:
    found = {record.results: _noted(record) for record in records(store)}
    for provenance in sorted(out.absolute().glob(f"*/{PROVENANCE}")):
        results = provenance.parent
        found.setdefault(results, Run(results=results, delivered=_delivered(results)))
    return list(found.values())


def _noted(record: Record) -> Run:
    delivered = _delivered(record.results)
    if record.finished:  # with the variants of an ablation, while its results are there
        there = delivered or (record.results / SEARCH).is_file()
        kept = delivered | record.stored if there else delivered
        return Run(results=record.results, delivered=kept)
    return Run(
        results=record.results,
        delivered=delivered,
        going_on=record.stored,
        noted=record.file.stat().st_mtime,
    )


class _Provenance(BaseModel):
    stages: dict[str, Manifest]


def _delivered(results: Path) -> frozenset[str]:
    """Empty where there is no results folder."""
    place = results / PROVENANCE
    try:
        found = _Provenance.model_validate(json.loads(place.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except (ValidationError, ValueError) as error:
        raise InputError(
            f"{printable(str(place))}: not the provenance of a run, so that it is not known which "
            "stored results its folder was made from. Remove the folder, or run its recipe again."
        ) from error
    return frozenset(manifest.folder for manifest in found.stages.values())

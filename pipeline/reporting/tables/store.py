"""The output of `pipeline store`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click
from typing_extensions import TypedDict

from pipeline.datasets.files.storage import cache_folder
from pipeline.datasets.folder.pictures import PICTURES
from pipeline.datasets.sounds.clips import SOUNDS
from pipeline.engine.remote.contents import Amount, Contents
from pipeline.engine.upkeep import contents, decoded
from pipeline.engine.upkeep.cleaning import Removal
from pipeline.engine.upkeep.contents import Entry
from pipeline.engine.upkeep.runs import runs
from pipeline.engine.upkeep.verification import Fault
from pipeline.reporting.formatting import kilobytes, megabytes
from pipeline.reporting.tables.cells import print_rows
from targets.errors import printable

MEGABYTE = 1_000_000


class RunAmount(Amount):
    results: str
    interrupted: bool
    """Whether a run of this folder goes on, or was interrupted."""


class Sizes(TypedDict):
    schema: str
    store: str
    stages: dict[str, Amount]
    unfinished: Amount
    leftovers: Amount
    total: Amount
    """Of the three above."""
    runs: list[RunAmount]
    """What several refer to is in each."""
    unreferenced: Amount
    pictures: Amount
    cache: str
    """Of pictures."""
    sounds: Amount
    sounds_cache: str


def sizes(root: Path, out: Path) -> Sizes:
    """The document of `pipeline store size`."""
    stored, work = contents.results(root), contents.unfinished(root)
    left = contents.leftovers(root, out)
    found = [(run, run.refers_to(since=0)) for run in runs(root, out)]
    referred = frozenset[str]().union(*(names for _, names in found))
    stages = dict.fromkeys(one.stage for one in stored)
    return {
        "schema": "store-size/1",
        "store": str(root),
        "stages": {stage: _amount(one for one in stored if one.stage == stage) for stage in stages},
        "unfinished": _amount(work),
        "leftovers": _amount(left),
        "total": _amount([*stored, *work, *left]),
        "runs": [
            {
                "results": str(run.results),
                "interrupted": bool(run.going_on),
                **_amount(one for one in stored if one.path.name in names),
            }
            for run, names in found
            if names
        ],
        "unreferenced": _amount(one for one in stored if one.path.name not in referred),
        "pictures": _amount(decoded.copies(PICTURES)),
        "cache": str(cache_folder(PICTURES.cache)),
        "sounds": _amount(decoded.copies(SOUNDS)),
        "sounds_cache": str(cache_folder(SOUNDS.cache)),
    }


def _amount(entries: Iterable[Entry]) -> Amount:
    listed = list(entries)
    return {"count": len(listed), "size_bytes": sum(one.size_bytes for one in listed)}


def print_size(found: Sizes) -> None:
    stages: Mapping[str, Amount] = {
        **found["stages"],
        "unfinished work": found["unfinished"],
        "left by kills": found["leftovers"],
        "total": found["total"],
    }
    print_rows(["stage", "folders", "size"], [_row(name, one) for name, one in stages.items()])
    rows = [
        _row(printable(run["results"]) + (" (interrupted)" if run["interrupted"] else ""), run)
        for run in found["runs"]
    ]
    click.echo("")
    print_rows(
        ["results folder", "folders", "size"],
        [*rows, _row("nothing refers to", found["unreferenced"])],
    )
    click.echo("")
    caches = {
        f"decoded pictures in {printable(found['cache'])}": found["pictures"],
        f"decoded sounds in {printable(found['sounds_cache'])}": found["sounds"],
    }
    print_rows(["cache", "folders", "size"], [_row(name, one) for name, one in caches.items()])


def print_contents(found: Contents) -> None:
    stages = {**found["stages"], "unfinished work": found["unfinished"], "total": found["total"]}
    print_rows(["stage", "results", "size"], [_row(name, one) for name, one in stages.items()])


def _row(name: str, amount: Amount) -> list[str]:
    return [name, f"{amount['count']:,}", _size(amount["size_bytes"])]


def _size(size_bytes: int) -> str:
    return kilobytes(size_bytes) if size_bytes < MEGABYTE else megabytes(size_bytes)


def print_removals(removed: Sequence[Removal], *, done: bool) -> None:
    rows = [
        [printable(one.entry.path.name), one.reason, _size(one.entry.size_bytes)] for one in removed
    ]
    if rows:
        print_rows(["folder", "reason", "size"], rows, left=2)
    size = _size(sum(one.entry.size_bytes for one in removed))
    if done:
        click.echo(f"{len(rows):,} folders removed, {size}")
    else:
        remedy = "; --yes removes them" if rows else ""
        click.echo(f"{len(rows):,} folders may go, {size}{remedy}")


def fault_lines(found: Sequence[Fault], count: int, *, removed: bool) -> Iterator[str]:
    for fault in found:
        what = "belongs to no result" if fault.extra else "is missing or has other contents"
        yield f"{printable(str(fault.folder / fault.file))} {what}"
    if not found:
        yield f"{count:,} results are whole"
    elif removed:
        yield "All of that is removed: a run that needs one of these results makes it again."
    else:
        yield (
            "A run that needs one of these results makes it again, and ignores files that belong "
            "to none. --remove removes them now."
        )

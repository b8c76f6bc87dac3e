"""Whether the stored results are those of their manifests, byte by byte."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.engine.manifest import FILE as MANIFEST
from pipeline.engine.store import Damaged, verified
from pipeline.engine.upkeep.cleaning import remove
from pipeline.engine.upkeep.contents import results


@dataclass(frozen=True, kw_only=True)
class Fault:
    folder: Path
    file: str
    extra: bool = False
    """A file that the manifest does not name: no run reads it. Else the result is damaged, and the
    next run that needs it makes it again."""


def faults(root: Path) -> Iterator[Fault]:
    """Reads every stored file; the first that is missing or has other contents of each result."""
    for entry in results(root):
        try:
            found = verified(entry.path)
        except FileNotFoundError:
            if entry.path.exists():  # else a run replaces it now
                yield Fault(folder=entry.path, file=MANIFEST)
            continue
        if isinstance(found, Damaged):
            yield Fault(folder=entry.path, file=found.what)
            continue
        named = {*found.manifest.files, MANIFEST}
        for name in sorted(_files(entry.path) - named):
            yield Fault(folder=entry.path, file=name, extra=True)


def _files(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in paths}


def repair(found: Sequence[Fault]) -> None:
    """Remove damaged results, and the files that belong to none. Inside `cleaning.alone`."""
    for fault in found:
        if fault.extra:
            (fault.folder / fault.file).unlink()
        else:
            remove(fault.folder)

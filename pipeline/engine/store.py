"""Content-addressed results: `<stage>-<hash>/`, complete exactly when its manifest is there.

A stage works in a scratch folder and is published by one rename, so that a crash leaves no half
result. One lock per result lets two runs share a store: the second waits and finds it there. What
is read is verified against the manifest's digests first.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.engine.artifacts import FILE as ARTIFACT
from pipeline.engine.fingerprint import Document
from pipeline.engine.progress import Console
from targets.file_lock import waiting_lock

MANIFEST = "manifest.json"


class Manifest(BaseModel):
    """What a published folder holds, from what it was made, and how long that took."""

    model_config = ConfigDict(frozen=True)

    files: dict[str, str]
    """Path in the folder -> sha256."""
    made_from: Document
    created_utc: str
    wall_s: float

    @property
    def digest(self) -> str:
        """Of the contents alone: equal results have equal digests, whenever they were made."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Stored:
    folder: Path
    manifest: Manifest


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A published folder that is not what its manifest says."""

    what: str


@dataclass(frozen=True)
class Store:
    root: Path

    def folder(self, stage: str, key: str) -> Path:
        return self.root / f"{stage}-{key[:16]}"

    def find(self, stage: str, key: str) -> Stored | Damaged | None:
        """The verified result, what is wrong with it, or None where there is none."""
        folder = self.folder(stage, key)
        try:
            manifest = _read_manifest(folder)
            wrong = _first_wrong(folder, manifest) if manifest else MANIFEST
        except FileNotFoundError:
            # Not there, or just being replaced by another run, which the lock will wait for.
            return None
        if manifest is None or wrong is not None:
            return Damaged(what=wrong or MANIFEST)
        return Stored(folder=folder, manifest=manifest)

    def latest(self, stage: str) -> Manifest | None:
        """The newest readable result of `stage`, whatever it was made from."""
        manifests = []
        for path in self.root.glob(f"{stage}-*"):
            try:
                manifests.append(_read_manifest(path))
            except FileNotFoundError:
                continue
        # What is damaged is said by `find`, when it is asked for.
        return max(filter(None, manifests), key=lambda m: m.created_utc, default=None)

    @contextmanager
    def scratch(self, stage: str, key: str, console: Console) -> Iterator[Path]:
        """An exclusive work folder, kept when the work is interrupted, so that it can go on."""
        folder = self.root / "work" / f"{stage}-{key[:16]}"

        def on_wait() -> None:
            console.say(f"{stage:<9} another run is making this; waiting for it")

        with waiting_lock(folder.with_name(f"{folder.name}.lock"), on_wait=on_wait):
            folder.mkdir(parents=True, exist_ok=True)
            yield folder

    def publish(self, out: Path, *, stage: str, key: str, manifest: Manifest) -> Stored:
        """Make the folder `out` the result, by one rename; a reader may hold the one before."""
        before = self.find(stage, key)
        if isinstance(before, Stored) and before.manifest.digest == manifest.digest:
            return before  # the same bytes: nothing to replace under a reader's hands
        (out / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        folder = self.folder(stage, key)
        replace_folder(out, folder)
        return Stored(folder=folder, manifest=manifest)

    def clear(self, scratch: Path) -> None:
        shutil.rmtree(scratch, ignore_errors=True)


def replace_folder(new: Path, old: Path) -> None:
    """Put `new` in the place of `old`: whole or not there, never half.

    A folder cannot be renamed onto a full one, so the old one goes aside first. An error or Ctrl-C
    between the two renames puts it back; a kill leaves it there, under a dotted name.
    """
    if not old.exists():
        os.replace(new, old)
        return
    aside = Path(mkdtemp(prefix=f".{old.name}.", suffix=".old", dir=old.parent))
    try:
        os.replace(old, aside / "old")
        os.replace(new, old)
    except BaseException:
        if not old.exists():
            os.replace(aside / "old", old)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _read_manifest(folder: Path) -> "Manifest | None":
    """The manifest of a folder, or None where it cannot be one; FileNotFoundError without one."""
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        manifest = Manifest.model_validate_json(text)
    except (ValidationError, UnicodeDecodeError, IsADirectoryError):
        return None
    return manifest if ARTIFACT in manifest.files else None


def _first_wrong(folder: Path, manifest: "Manifest") -> str | None:
    """The first file of the manifest that is missing or has other contents."""
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file() or sha256(path) != expected:
            return name
    return None


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file in `folder`, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

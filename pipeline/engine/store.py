"""Content-addressed results: a folder `<stage>-<hash>`, complete exactly if it has a manifest.

A stage works in a scratch folder and is published by one rename, so that a crash leaves no partial
result. One lock per result lets two runs share a store: the second waits, and finds the result. A
result is verified against the digests of its manifest whenever it is read.
"""

import glob
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from filelock import FileLock

from pipeline.engine.manifest import FILE as MANIFEST
from pipeline.engine.manifest import Manifest, folder_name, key_digest, parsed
from pipeline.engine.progress import Console
from targets.files.digest import file_sha256
from targets.files.file_lock import free_lock, shared_lock, waiting_lock

WORK = "work"
"""The folder of unfinished work, in the store."""
LOCK = ".lock"
"""In the store: shared by the runs that use it. In a folder that is being made: held by its run."""
NEW, OLD, RANDOM = ".new", ".old", "?" * 8
"""Parts of the name of a hidden folder: what is being made, what is replaced, and `mkdtemp`'s."""
REPLACED = "old"
"""In a hidden folder: what was replaced, or removed."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    folder: Path
    manifest: Manifest


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A published folder whose files are not those of its manifest, or that has another's name."""

    what: str
    """The first file that is missing or has other contents."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A result that is not in the folder, and can be fetched into it."""

    manifest: Manifest
    place: str
    """For a person: a URL."""
    download: Callable[[Path], str | None]
    """Downloads the files into a folder; the first that is missing or has other contents."""


@dataclass(frozen=True)
class Store:
    """The folder. What an object store behind it adds is `remote.shared_store.SharedStore`."""

    root: Path

    def folder(self, stage: str, key: str) -> Path:
        return self.root / folder_name(stage, key)

    def find(self, stage: str, key: str) -> Stored | Damaged | None:
        """The verified result, `Damaged`, or None if there is none."""
        try:
            return verified(self.folder(stage, key))
        except FileNotFoundError:
            # Or it is being replaced by another run: the caller will wait for the lock.
            return None

    def latest(self, stage: str) -> Manifest | None:
        """The newest readable result of `stage`, whatever it was made from."""
        manifests = []
        for path in self.root.glob(f"{stage}-*"):
            try:
                manifests.append(_read_manifest(path))
            except FileNotFoundError:
                continue
        # A damaged one is left out: `find` reports it.
        return max(filter(None, manifests), key=lambda m: m.created_utc, default=None)

    @contextmanager
    def used(self, console: Console) -> Iterator[None]:
        """Nothing is removed from the store inside the block: see `pipeline.engine.upkeep`."""

        def on_wait() -> None:
            console.say(f"{self.root} is being cleaned; waiting for it")

        with shared_lock(self.root / LOCK, on_wait=on_wait):
            yield

    @contextmanager
    def scratch(self, stage: str, key: str, console: Console) -> Iterator[Path]:
        """An exclusive work folder, kept when the work is interrupted, so that it can go on."""
        folder = self.root / WORK / folder_name(stage, key)

        def on_wait() -> None:
            console.say(f"{stage:<9} another run is making this; waiting for it")

        with waiting_lock(folder.with_name(f"{folder.name}.lock"), on_wait=on_wait):
            folder.mkdir(parents=True, exist_ok=True)
            yield folder

    def publish(self, out: Path, *, stage: str, key: str, manifest: Manifest) -> Stored:
        """Make the folder `out` the result by one rename; others may be reading the old one."""
        before = self.find(stage, key)
        if isinstance(before, Stored) and before.manifest.digest == manifest.digest:
            return before  # the same bytes: a reader keeps its files
        (out / MANIFEST).write_text(manifest.written(), encoding="utf-8")
        folder = self.folder(stage, key)
        replace_folder(out, folder)
        return Stored(folder=folder, manifest=manifest)

    def clear(self, scratch: Path) -> None:
        shutil.rmtree(scratch, ignore_errors=True)

    def fetch(self, there: Elsewhere, scratch: Path) -> Stored | Damaged:
        """Publish a result of elsewhere here, if it is whole."""
        out, made_from = scratch / "fetched", there.manifest.made_from
        try:
            out.mkdir()
            wrong = there.download(out)
            if wrong is not None:
                return Damaged(what=wrong)
            key = key_digest(made_from)
            return self.publish(out, stage=made_from["stage"], key=key, manifest=there.manifest)
        finally:
            shutil.rmtree(out, ignore_errors=True)

    # A folder alone has nothing to do for these.

    def require(self) -> None:
        """Raise `InputError` where other machines could not have the results."""

    def elsewhere(self, stage: str, key: str) -> Elsewhere | Damaged | None:
        """The result of another machine."""
        return None

    def share(self, stored: Stored, *, made: bool) -> bool:
        """Let other machines have a result, which was `made` now or is reused; whether it was
        sent."""
        return False

    def going_on(self, scratch: Path, console: Console) -> Console:
        """The console for a stage whose training another machine can go on with."""
        return console

    def forget(self, scratch: Path) -> None:
        """That training is over."""


@contextmanager
def folder_beside(place: Path) -> Iterator[Path]:
    """A hidden folder beside `place`, from which one rename publishes it; removed at the end.

    What a kill left beside `place` is cleared away first.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if abandoned(place.parent, place.name):
        clear_abandoned(place)
    with ExitStack() as stack:
        made = Path(mkdtemp(prefix=f".{place.name}.", dir=place.parent))
        work = made.with_name(f"{made.name}{NEW}")
        for name in (made, work):
            stack.callback(shutil.rmtree, name, ignore_errors=True)
        stack.enter_context(FileLock(made / LOCK))
        os.replace(made, work)  # it has its lock before `abandoned` can see it
        yield work


def publish_folder(new: Path, place: Path) -> None:
    """Put `new` in the place of what another process may be publishing there too."""
    with FileLock(_lock_of(place)):
        replace_folder(new, place)


def abandoned(folder: Path, name: str) -> list[Path]:
    """What kills left beside the folder `name` of `folder`; `*` for all folders there.

    A hidden folder that a process still works in is locked. The rest of a replacement is not: hold
    the lock of what is replaced.
    """
    pattern = "*" if name == "*" else glob.escape(name)
    found = []
    for work in folder.glob(f".{pattern}.{RANDOM}{NEW}"):
        if not _holds(work, LOCK):
            continue
        with free_lock(work / LOCK) as free:
            found += [work] if free else []
    replaced = folder.glob(f".{pattern}.{RANDOM}{OLD}")
    return sorted([*found, *(one for one in replaced if _holds(one, REPLACED))])


def _holds(hidden: Path, name: str) -> bool:
    """Whether a hidden folder is ours: the user's own may have such a name, too."""
    if hidden.is_symlink() or not hidden.is_dir():
        return False
    return os.path.lexists(hidden / name) or not any(hidden.iterdir())


def clear_abandoned(place: Path) -> None:
    """Remove what kills left beside `place`, and move back what one has left aside."""
    with FileLock(_lock_of(place)):
        for left in abandoned(place.parent, place.name):
            if (left / REPLACED).exists() and not os.path.lexists(place):
                os.replace(left / REPLACED, place)  # the kill was between the two renames
            shutil.rmtree(left, ignore_errors=True)


def _lock_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.lock")


def replace_folder(new: Path, old: Path) -> None:
    """Put `new` in the place of `old`, which a reader finds complete or not at all.

    A folder cannot be renamed onto one with files, so the old one is moved aside first. An error or
    Ctrl-C between the two renames moves it back; a kill leaves it aside, under a dotted name.
    """
    if not os.path.lexists(old):  # a link to nothing is in the way too
        os.replace(new, old)
        return
    aside = Path(mkdtemp(prefix=f".{old.name}.", suffix=OLD, dir=old.parent))
    try:
        os.replace(old, aside / REPLACED)
        os.replace(new, old)
    except BaseException:
        if not os.path.lexists(old):
            os.replace(aside / REPLACED, old)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def verified(folder: Path) -> Stored | Damaged:
    """A published folder, read completely. Raises `FileNotFoundError` without a manifest.

    Files that the manifest does not name are left alone, and handed to nobody.
    """
    manifest = _read_manifest(folder)
    wrong = MANIFEST if manifest is None else _first_wrong(folder, manifest)
    if manifest is None or wrong is not None:
        return Damaged(what=wrong or MANIFEST)
    return Stored(folder=folder, manifest=manifest)


def _read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, or None if it is damaged. Raises `FileNotFoundError`."""
    try:
        return parsed((folder / MANIFEST).read_bytes(), folder=folder.name)
    except (IsADirectoryError, NotADirectoryError):
        return None


def _first_wrong(folder: Path, manifest: Manifest) -> str | None:
    """The first file of the manifest that is missing or has other contents."""
    for name, expected in manifest.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file() or file_sha256(path) != expected:
            return name
    return None


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file in `folder`, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}

"""The files of a bundle's folder, and their digests as `sha256sum` writes and checks them."""

import stat
from collections.abc import Iterable
from pathlib import Path

from targets.bundle import names
from targets.bundle.schema import SIGNATURE, SUMS
from targets.errors import EdgeDistillError, InputError, listed, printable
from targets.files.digest import file_sha256

MOST_FILES = 10_000
MOST_BYTES = 2**32 - 2**24
"""Of a bundle: what fits a zip without its 64-bit extension, whose readers disagree."""


def files_of(folder: Path, *, error: type[EdgeDistillError]) -> dict[str, Path]:
    """Path in the bundle -> file, sorted. Raises `error` for what is no plain file or folder, and
    for names that some receiver would refuse."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):  # follows no link
        kind = path.lstat().st_mode
        if stat.S_ISREG(kind):
            found[path.relative_to(folder).as_posix()] = path
        elif not stat.S_ISDIR(kind):
            name = printable(str(path.relative_to(folder)))
            raise error(f"{name}: is a link or a special file; a bundle has plain files only.")
    require(
        ((name, path.lstat().st_size) for name, path in found.items()), place=folder, error=error
    )
    return dict(sorted(found.items()))


def require(
    entries: Iterable[tuple[str, int]], *, place: Path, error: type[EdgeDistillError]
) -> None:
    """Raise `error` unless (name, size) of all files can be those of a bundle."""
    known = list(entries)
    for name, _ in known:
        if why := names.problem(name):
            raise error(f"{printable(name)}: the name {why}, which some system refuses.")
    if pair := names.clash(name for name, _ in known):
        raise error(f"{printable(' and '.join(pair))}: are one name on some systems.")
    total = sum(size for _, size in known)
    if not known or len(known) > MOST_FILES or total > MOST_BYTES:
        raise error(
            f"{place}: has {len(known):,} files of {total:,} bytes; a bundle has 1 to "
            f"{MOST_FILES:,} files and at most {MOST_BYTES:,} bytes."
        )


def write_sums(folder: Path) -> None:
    """Write `SHA256SUMS`, of all files but itself and the signature."""
    (folder / SUMS).write_text(_text(_digests(files_of(folder, error=InputError))), "utf-8")


def check_sums(files: dict[str, Path], *, error: type[EdgeDistillError]) -> None:
    """Raise `error` unless `SHA256SUMS` is what `write_sums` writes of these files."""
    if SUMS not in files:
        raise error(f"{SUMS}: is missing, so that nothing says what the bundle holds.")
    have = _digests(files)
    content = files[SUMS].read_bytes()
    if content == _text(have).encode():
        return
    lines = content.decode("utf-8", "replace").splitlines()
    want = {line[66:]: line[:64] for line in lines if line[64:66] == "  "}
    ways = {
        "changed": [name for name in have if name in want and have[name] != want[name]],
        "missing": [name for name in want if name not in have],
        "not in the list": [name for name in have if name not in want],
    }
    wrong = "; ".join(f"{way}: {listed(found)}" for way, found in ways.items() if found)
    raise error(f"{SUMS}: does not describe the files: {wrong or 'the list itself is damaged'}.")


def _digests(files: dict[str, Path]) -> dict[str, str]:
    return {n: file_sha256(path) for n, path in files.items() if n not in (SUMS, SIGNATURE)}


def _text(digests: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items())

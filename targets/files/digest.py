"""The SHA-256 of a file or folder, as hexadecimal text."""

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Return the digest of a file's contents, or of the names and contents of a folder's files."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    parts = [f"{file.relative_to(path).as_posix()} {file_sha256(file)}" for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()

"""A folder as one file: the same content gives the same bytes, so that its hash names it."""

import tarfile
from pathlib import Path


def archived(folder: Path, scratch: Path) -> Path:
    """A tar file in `scratch` of the regular files below `folder`."""
    packed = scratch / "folder.tar"
    with tarfile.open(packed, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = tarfile.TarInfo(str(path.relative_to(folder)))
                entry.size = path.stat().st_size
                entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                with path.open("rb") as content:
                    tar.addfile(entry, content)
    return packed

"""A bundle's folder as one file. The same folder gives the same bytes."""

from pathlib import Path

from targets.bundle import container
from targets.bundle.files import files_of, write_sums
from targets.errors import InputError
from targets.files.digest import file_sha256
from targets.files.published import published


def write(folder: Path, out: Path) -> str:
    """Write `SHA256SUMS` into `folder`, and all of its files to the zip `out`, whose sha256 is
    returned. Raises `InputError` for links and for names that some receiver would refuse."""
    write_sums(folder)
    files = files_of(folder, error=InputError)
    with (
        published(out, remedy="Give another folder with --out.") as part,
        part.open("wb") as file,
    ):
        container.write(file, files)
    return file_sha256(out)

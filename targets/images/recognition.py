"""Which files of a folder are taken for pictures, before any of them is opened as one."""

import re
from pathlib import Path

_JPEG = ("jpg", "jpeg", "jpe", "jfif")
EXTENSIONS = {
    "AVIF": ("avif", "avifs"),
    "BMP": ("bmp", "dib"),
    "GIF": ("gif",),
    "JPEG": _JPEG,
    "MPO": (*_JPEG, "mpo"),
    "PNG": ("png", "apng"),
    "PPM": ("ppm", "pgm", "pbm", "pnm"),
    "TIFF": ("tif", "tiff"),
    "WEBP": ("webp",),
}
"""Pillow's name of a format -> the extensions of its files."""

SUFFIXES = {f".{name}" for names in EXTENSIONS.values() for name in names} | {".heic", ".heif"}
"""Names that promise a picture: such a file that cannot be read is an error."""

OTHERS = {
    ".csv", ".tsv", ".parquet", ".txt", ".json", ".jsonl", ".xml", ".md", ".html", ".htm", ".yaml",
    ".yml", ".toml", ".ini", ".log", ".py", ".ipynb", ".npy", ".npz", ".pkl", ".h5", ".pdf", ".zip",
    ".gz", ".tar", ".mp4", ".mov", ".avi", ".wav", ".mp3", ".db", ".sh", ".cfg", ".doc", ".docx",
    ".xls", ".xlsx",
}  # fmt: skip
"""Suffixes of files that are not opened to see whether they are pictures."""

MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8|II[*+]\0|MM\0[*+]|RIFF.{4}WEBP|.{4}ftyp(?:avi[fs]|hei[cx]|mif1)"
    rb"|BM.{4}\0{4}|P[1-6]\s+[\d#]",
    re.DOTALL,
)
"""The first bytes of a picture."""


def may_be_picture(path: Path) -> bool:
    """By the suffix, or by the first bytes of a file whose suffix is not known.

    A link to nothing may be one, so that its reader reports it.
    """
    if not path.is_file() and path.exists():  # a pipe would never end
        return False
    suffix = path.suffix.lower()
    return suffix in SUFFIXES or (suffix not in OTHERS and begins_as_picture(path))


def begins_as_picture(path: Path) -> bool:
    """By the first bytes, whatever its name is."""
    try:
        with path.open("rb") as file:
            return MAGIC.match(file.read(16)) is not None
    except OSError:
        return False

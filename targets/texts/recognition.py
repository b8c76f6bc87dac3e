"""Which files are taken for texts, by their names."""

from pathlib import Path

JSON_LINES = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv", *JSON_LINES)
SUFFIXES = (*TABLES, ".txt")


def may_be_texts(path: Path) -> bool:
    """A link to nothing may be some, so that its reader reports it."""
    if not path.is_file() and path.exists():  # a pipe would never end
        return False
    return path.suffix.lower() in SUFFIXES

"""From the bytes of a file to text, or what to do about a wrong encoding."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.texts.wording import RECIPE, Wording
from targets.errors import InputError, printable

SHOWN = 20
"""Letters on each side of a byte that a message shows."""
ARCHIVE = b"PK\x03\x04"


def decoded(content: bytes, path: Path, encoding: str, wording: Wording = RECIPE) -> str:
    """Without a byte order mark; line ends as they are."""
    if content.startswith(ARCHIVE):
        raise InputError(
            f"{wording.place}{path} is a ZIP archive, as the files of spreadsheets are. Save the "
            "table as .csv, in UTF-8, or unpack the archive."
        )
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        raise InputError(_wrong(content, path, encoding, start, wording)) from error
    if text.count("\0") > len(text) // 4:
        raise InputError(
            f"{wording.place}{path} is full of NUL characters when it is read as {encoding}, as a "
            "UTF-16 file without a byte order mark would be: "
            f"{wording.set_to('encoding', 'utf-16-le')}, or the same with utf-16-be."
        )
    return text.removeprefix("\ufeff")


def encoding_notes(content: bytes, path: Path, encoding: str) -> Iterator[str]:
    """Bytes that are valid UTF-8, which is hardly chance, but are read as something else."""
    if codecs.lookup(encoding).name == "utf-8":
        return
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return
    place = next((at for at, letter in enumerate(text) if letter > "\x7f"), None)
    if place is not None:
        yield (
            f"{path.name} is read as {encoding}, but is valid UTF-8 too: line "
            f"{text.count(chr(10), 0, place) + 1} would be {_around(text, place)}."
        )


def _wrong(content: bytes, path: Path, encoding: str, start: int, wording: Wording) -> str:
    line = content[:start].decode(encoding, "ignore").count("\n") + 1
    return (
        f"{wording.place}{path} is not in {encoding}: line {line} holds the byte "
        f"0x{content[start]:02X}, which that encoding has not there. "
        f"{_instead(content, start, wording)}"
    )


def guessed(content: bytes) -> str:
    """UTF-8 if the bytes are that, which is hardly chance; what else is one guess of several."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return next((name for name in ("utf-8", "cp1252") if _can_be(name, content)), "latin-1")


def _instead(content: bytes, start: int, wording: Wording) -> str:
    """A proposal, and what the place would read as."""
    name = guessed(content)
    if name.startswith("utf"):
        return f"It looks like {name.upper()}: {wording.set_to('encoding', name)}."
    place = len(content[:start].decode(name))
    return (
        f"As {name}, usual in Western Europe, it would read {_around(content.decode(name), place)}:"
        f" if that is right, {wording.set_to('encoding', name)}; if not, name the encoding that it "
        "was saved in, as cp1251 (Cyrillic), cp932 (Japanese) or gb18030 (Chinese)."
    )


def _can_be(encoding: str, content: bytes) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _around(text: str, place: int) -> str:
    """The line around a letter, in quotation marks."""
    begin, end = max(0, place - SHOWN), place + SHOWN
    line = text[begin:place].rpartition("\n")[2] + text[place:end].partition("\n")[0]
    return f"'{printable(line.strip())}'"

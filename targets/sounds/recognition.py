"""Which files are taken for sounds, before any is opened as one, and what their first bytes say."""

import re
from pathlib import Path

SUFFIXES = {
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au",
    ".snd", ".sph", ".caf", ".m4a", ".aac", ".wma", ".amr", ".3gp",
}  # fmt: skip
"""Names that promise a sound: such a file that cannot be read is an error."""

WAVE = re.compile(rb"(?:RIFF|RIFX|RF64).{4}WAVE", re.DOTALL)

BY_SOUNDFILE = {
    "FLAC": re.compile(rb"fLaC"),
    "Ogg": re.compile(rb"OggS"),
    "MP3": re.compile(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"),
    "AIFF": re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL),
    "NIST SPHERE": re.compile(rb"NIST_1A"),
}
"""Format -> the first bytes of its files, which the package soundfile reads."""

UNREAD = {
    "MPEG-4": re.compile(rb".{4}ftyp", re.DOTALL),
    "AMR": re.compile(rb"#!AMR"),
    "Windows Media": re.compile(rb"\x30\x26\xb2\x75"),
    "CAF": re.compile(rb"caff"),
    "AU": re.compile(rb"\.snd"),
}
"""Formats that are known by name only."""

BEGINNING = 12
"""Bytes that the patterns look at."""


def may_be_sound(path: Path) -> bool:
    """By the suffix, or by the first bytes of a file without one.

    A link to nothing may be one, so that its reader reports it.
    """
    if not path.is_file() and path.exists():  # a pipe would never end
        return False
    suffix = path.suffix.lower()
    return suffix in SUFFIXES or (not suffix and begins_as_sound(path))


def format_of(beginning: bytes) -> str | None:
    """Name of the format of a file with these first bytes; None for no sound."""
    if WAVE.match(beginning):
        return "WAV"
    every = {**BY_SOUNDFILE, **UNREAD}
    return next((name for name, pattern in every.items() if pattern.match(beginning)), None)


def begins_as_sound(path: Path) -> bool:
    """By the first bytes, whatever its name is."""
    try:
        with path.open("rb") as file:
            return format_of(file.read(BEGINNING)) is not None
    except OSError:
        return False

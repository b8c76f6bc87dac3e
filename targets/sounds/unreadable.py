"""Why a file is not a sound."""

from targets.errors import UnreadableError


class UnreadableSoundError(UnreadableError):
    """In a few words without the name of the file; with the remedy where there is one."""


def convert_with() -> str:
    """The remedy for a format that is not read."""
    return "make a PCM file of it with `ffmpeg -i OLD NEW.wav` or `sox OLD -e signed -b 16 NEW.wav`"

"""A recording of the user's, with the words in it."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.streams.labels import words_in
from pipeline.streams.stream import Stream
from targets.errors import InputError, printable
from targets.formats.streaming import StreamSummary
from targets.sounds.reading import LONGEST_STREAM_S, Sound, read
from targets.sounds.unreadable import UnreadableSoundError
from targets.sounds.windowing import as_int16, resampled


def recorded(
    sound: Path, words: Path, classes: Sequence[str], *, rate: int, samples: int, key: str
) -> Stream:
    """The stream of a sound file and the file of its words.

    `key` is what the names of both keys in the recipe begin with. Raises `InputError` for a file
    that cannot be read, that is shorter than a window, and for words that are not in it.
    """
    place = f"streaming.{key}recording {printable(str(sound))}"
    heard = _read(sound, place)
    values = as_int16(resampled(heard.values, heard.rate, rate))
    if len(values) < samples:
        raise InputError(
            f"{place}: is {len(values) / rate:.2f} s long, and one window of the model has "
            f"{samples / rate:g} s. Give a longer recording: hours of it are what rates of false "
            "accepts are of."
        )
    seconds = len(values) / rate
    spoken = words_in(words, classes, length_s=seconds, place=f"streaming.{key}words")
    about = StreamSummary(
        made="recorded", source=printable(sound.name), seconds=seconds, words=len(spoken)
    )
    return Stream(values=values, spoken=spoken, about=about)


def _read(sound: Path, place: str) -> Sound:
    try:
        return read(sound, longest_s=LONGEST_STREAM_S)
    except UnreadableSoundError as error:
        raise InputError(f"{place}: cannot be read as a sound: {error}.") from error

"""A sound file as values from -1 to 1 of one channel, by its contents and not by its name.

Every place that reads a sound uses this module: training, measurement and `predict` get the same
values. WAV files are read here; FLAC, Ogg, MP3, AIFF and SPHERE with the package soundfile.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from targets.errors import InputError
from targets.sounds import wav
from targets.sounds.recognition import BEGINNING, BY_SOUNDFILE, format_of
from targets.sounds.unreadable import UnreadableSoundError, convert_with

Values = npt.NDArray[np.float64]
"""[samples]"""

LONGEST_S = 600.0
"""Ten minutes of stereo at 48 kHz take 0.6 GB while they become a clip."""
LONGEST_STREAM_S = 3600.0
"""Of a sound that a window slides over: an hour of mono at 48 kHz takes 2 GB meanwhile."""
LOWEST_RATE, HIGHEST_RATE = 1000, 384_000
LOUDEST = 8.0
"""Largest float sample; more than this above full scale is a file of another scale."""


@dataclass(frozen=True, kw_only=True)
class SoundHeader:
    """What a file says of itself before its samples are read."""

    rate: int
    """Samples per second."""
    channels: int
    samples: int
    """Of each channel."""
    format: str

    @property
    def seconds(self) -> float:
        return self.samples / self.rate


@dataclass(frozen=True, kw_only=True)
class Sound:
    header: SoundHeader
    values: Values
    """The mean of all channels."""

    @property
    def rate(self) -> int:
        return self.header.rate


def read(source: Path | bytes, *, longest_s: float = LONGEST_S) -> Sound:
    """The sound of a file or its contents.

    Raises `UnreadableSoundError`, before the samples of more than `longest_s` seconds are read, and
    `InputError` where the format needs a package that is not installed.
    """
    with _opened(source) as file:
        name = _format(file)
        layout = wav.header(file) if name == "WAV" else None
        head = _header(file, name, layout)
        if head.seconds > longest_s:
            raise UnreadableSoundError(
                f"{head.seconds:,.0f} s long, and {longest_s:,.0f} s are the most: cut it into "
                "pieces"
            )
        if layout is None:
            return Sound(header=head, values=_values(_by_soundfile(file, head), 1.0))
        return Sound(header=head, values=_values(*wav.samples(file, layout)))


def header(source: Path | bytes) -> SoundHeader:
    """As `read`, but no sample is read, and the length is not limited."""
    with _opened(source) as file:
        name = _format(file)
        return _header(file, name, wav.header(file) if name == "WAV" else None)


def values_of(samples: npt.NDArray[np.generic]) -> Values:
    """The values of samples in memory, [samples]: int16, or floats from -1 to 1."""
    if samples.ndim != 1 or not (samples.dtype == np.int16 or samples.dtype.kind == "f"):
        raise UnreadableSoundError(
            f"the array is {samples.dtype} {list(samples.shape)}, and must be int16 or floats from "
            "-1 to 1, [samples]"
        )
    if not len(samples):
        raise UnreadableSoundError("no samples in it")
    return _values(samples[:, np.newaxis], 32768.0 if samples.dtype == np.int16 else 1.0)


@contextmanager
def _opened(source: Path | bytes) -> Iterator[BinaryIO]:
    try:
        # Without a buffer, which each jump in the file would empty: this takes half the time.
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb", 0) as file:
            yield cast(BinaryIO, file)
    except OSError as error:
        raise UnreadableSoundError(error.strerror or str(error)) from error


def _format(file: BinaryIO) -> str:
    beginning = file.read(BEGINNING)
    file.seek(0)
    if not beginning:
        raise UnreadableSoundError("empty file")
    found = format_of(beginning)
    if found is None:
        raise UnreadableSoundError("not a sound file")
    return found


def _header(file: BinaryIO, name: str, layout: wav.WavHeader | None) -> SoundHeader:
    if layout is None:
        made = _header_by_soundfile(file, name)
    else:
        made = SoundHeader(
            rate=layout.rate, channels=layout.channels, samples=layout.frames, format=name
        )
    if not LOWEST_RATE <= made.rate <= HIGHEST_RATE:
        raise UnreadableSoundError(
            f"a rate of {made.rate:,} Hz, which no sound has ({LOWEST_RATE:,} to "
            f"{HIGHEST_RATE:,} are read): correct its header, or record it again"
        )
    if not made.samples:
        raise UnreadableSoundError("no samples in it")
    return made


def _values(stored: wav.Frames, full_scale: float) -> Values:
    """[samples] of [samples, channels]: the mean, as no channel is known to be the right one."""
    with np.errstate(all="ignore"):  # NaN and infinity are refused below
        if stored.shape[1] == 1:  # 15 times as fast as the mean
            values = stored[:, 0].astype(np.float64)
        else:
            values = stored.mean(axis=1, dtype=np.float64)
        peak = float(np.abs(values).max()) / full_scale
    if not np.isfinite(peak):
        raise UnreadableSoundError(
            f"{int((~np.isfinite(values)).sum()):,} samples are NaN or infinite: export it again "
            "from the program that made it"
        )
    if peak > LOUDEST:
        raise UnreadableSoundError(
            f"float samples up to {peak:,.0f}, and not from -1 to 1: divide them by full scale, "
            "which is 32768 for values of 16 bits"
        )
    return values / full_scale


def _header_by_soundfile(file: BinaryIO, name: str) -> SoundHeader:
    library = _soundfile(name)
    try:
        info = library.info(_Source(file))
    except library.LibsndfileError as error:
        raise UnreadableSoundError(f"broken {name}: {error.error_string.rstrip('.')}") from error
    return SoundHeader(
        rate=info.samplerate, channels=info.channels, samples=info.frames, format=name
    )


def _by_soundfile(file: BinaryIO, head: SoundHeader) -> wav.Frames:
    library = _soundfile(head.format)
    file.seek(0)
    try:
        stored, _ = library.read(_Source(file), dtype="float64", always_2d=True)
    except library.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
        raise UnreadableSoundError(f"broken {head.format}: {reason}") from error
    if len(stored) < head.samples:
        raise UnreadableSoundError(
            f"truncated: {len(stored):,} of the {head.samples:,} samples that its header promises"
        )
    frames: wav.Frames = stored
    return frames


class _Source:
    """A file as libsndfile reads it, which asks broken ones for places in front of the beginning:
    an exception in its callback would be printed with a traceback."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read, self.tell = file.read, file.tell

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return self._file.tell()


def _soundfile(name: str) -> ModuleType:
    if name not in BY_SOUNDFILE:
        raise UnreadableSoundError(f"{name}, which is not read: {convert_with()}")
    try:
        return import_module("soundfile")
    except (ImportError, OSError) as error:  # OSError: libsndfile itself is missing
        raise InputError(
            f"{name} files need the package 'soundfile' ({error}): "
            "python -m pip install 'edge-distill[sounds]'. WAV files need no package."
        ) from error

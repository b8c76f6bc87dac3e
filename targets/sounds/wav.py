"""WAVE files: what the header says, and the samples as they are stored.

Read here and not by a library: `wave` of the standard library knows neither floats nor extensible
headers before Python 3.12, and scipy's reader hands out what is left of a file that was cut short,
with a warning that it also gives for harmless chunks. Format: Microsoft's "Multiple channel audio
data and WAVE files", and EBU Tech 3306 for RF64.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from targets.sounds.unreadable import UnreadableSoundError, convert_with

Frames = npt.NDArray[np.generic]

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
COMPRESSED = {
    0x02: "ADPCM", 0x06: "A-law", 0x07: "µ-law", 0x11: "ADPCM", 0x31: "GSM", 0x50: "MPEG",
    0x55: "MP3", 0x161: "Windows Media", 0x674F: "Vorbis",
}  # fmt: skip
ORDERS: dict[bytes, Literal["<", ">"]] = {b"RIFF": "<", b"RF64": "<", b"RIFX": ">"}

STREAMED = 0x7FFF_0000
"""Sizes from here on are placeholders of writers that could not go back (ffmpeg and sox into a
pipe, arecord): the samples end where the file does."""


@dataclass(frozen=True, kw_only=True)
class WavHeader:
    rate: int
    channels: int
    kind: Literal["pcm", "float"]
    width: int
    """Bytes of one sample of one channel; of PCM one byte is unsigned, more are signed."""
    order: Literal["<", ">"]
    start: int
    """Offset of the first sample in the file, in bytes."""
    frames: int
    """Samples of each channel."""


def header(file: BinaryIO) -> WavHeader:
    """The header of an open file that begins as WAVE. Raises `UnreadableSoundError`."""
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    order = ORDERS[file.read(4)]
    file.seek(12)
    form, real_size = None, None
    for name, size in _chunks(file, order):
        if name == b"ds64":
            real_size = _unpacked("<8xQ", file.read(16))[0]
        elif name == b"fmt ":
            form = _form(file.read(min(size, 40)), order)
        elif name == b"data" and form is not None:
            start = file.tell()
            there, said = length - start, size if real_size is None else real_size
            return _with_samples(form, start, there, said)
    raise UnreadableSoundError("a WAV file without samples, or whose header is cut short")


def _chunks(file: BinaryIO, order: str) -> Iterator[tuple[bytes, int]]:
    """Name and size of each chunk; the file is then at its contents."""
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack(f"{order}4sI", head)
        begin = file.tell()
        yield name, size
        file.seek(begin + size + size % 2)


def _form(content: bytes, order: Literal["<", ">"]) -> WavHeader:
    """The chunk `fmt `; where the samples are is not known yet."""
    tag, channels, rate, _, block, bits = _unpacked(f"{order}HHIIHH", content)
    if tag == EXTENSIBLE:
        (tag,) = _unpacked(f"{order}24xH", content)
    if tag not in (PCM, FLOAT):
        name = COMPRESSED.get(tag, f"coded (format {tag:#x})")
        raise UnreadableSoundError(f"{name} samples, which are not read: {convert_with()}")
    width = block // channels if channels else 0
    known = (4, 8) if tag == FLOAT else (1, 2, 3, 4)
    if width not in known or width * channels != block or bits > 8 * width:
        raise UnreadableSoundError(f"broken: {channels} channels of {bits} bits in {block} bytes")
    kind: Literal["pcm", "float"] = "float" if tag == FLOAT else "pcm"
    return WavHeader(
        rate=rate, channels=channels, kind=kind, width=width, order=order, start=0, frames=0
    )


def _with_samples(form: WavHeader, start: int, there: int, said: int) -> WavHeader:
    """`there` and `said`: bytes of samples in the file, and by its header."""
    if there < said < STREAMED:
        raise UnreadableSoundError(
            f"truncated: {there:,} of the {said:,} bytes of samples that its header promises"
        )
    frames = min(said, there) // (form.channels * form.width)
    return WavHeader(**{**vars(form), "start": start, "frames": frames})


def _unpacked(layout: str, content: bytes) -> tuple[int, ...]:
    size = struct.calcsize(layout)
    if len(content) < size:
        raise UnreadableSoundError("a WAV file whose header is cut short")
    return struct.unpack(layout, content[:size])


def samples(file: BinaryIO, head: WavHeader) -> tuple[Frames, float]:
    """[frames, channels] as stored, and the value of full scale; 24 bits become the upper ones of
    32. 8 bits are made signed."""
    file.seek(head.start)
    content = file.read(head.frames * head.channels * head.width)
    if head.kind == "float":
        return np.frombuffer(content, f"{head.order}f{head.width}").reshape(-1, head.channels), 1.0
    if head.width == 1:
        signed = np.frombuffer(content, np.uint8).astype(np.int16) - 128
        return signed.reshape(-1, head.channels), 128.0
    if head.width == 3:
        content = _widened(content, head.order)
    width = 4 if head.width == 3 else head.width
    stored = np.frombuffer(content, f"{head.order}i{width}").reshape(-1, head.channels)
    return stored, 2.0 ** (8 * width - 1)


def _widened(content: bytes, order: str) -> bytes:
    """24 bits each as 32, with zeros below."""
    wide = np.zeros((len(content) // 3, 4), np.uint8)
    (wide[:, 1:] if order == "<" else wide[:, :3])[:] = np.frombuffer(content, np.uint8).reshape(
        -1, 3
    )
    return wide.tobytes()

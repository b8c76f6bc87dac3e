"""Sounds as windows of a model, read once into a folder of the cache.

The rows of `waveforms.npy` are in the order of the files, a line of `sounds.jsonl` says what each
was. One rename publishes the folder; a kill before it costs the work since then, which is seconds
for ten thousand clips.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from pipeline.datasets.files.index import UNREADABLE
from pipeline.datasets.files.rows import Rows
from pipeline.datasets.files.storage import cache_folder, explained, made_by, require_room
from pipeline.datasets.sounds.clips import LIBRARIES, SOUNDS
from targets.ahead import ahead
from targets.devices.cpus import available_cpus
from targets.errors import InputError, printable
from targets.files.file_lock import waiting_lock
from targets.images.progress import progress
from targets.sounds.reading import read
from targets.sounds.unreadable import UnreadableSoundError
from targets.sounds.windowing import Waveform, Windowing

WAVEFORMS, FACTS = "waveforms.npy", "sounds.jsonl"

CHUNK = 64
"""Files whose samples are written together."""
LARGE = 2**28
"""Bytes from which on a file is not held in memory to see whether it is still the same."""

Files = Mapping[str, str]
"""Digest -> path of a file with these contents, in the order of the rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundFacts:
    """What a file was; if it cannot be used, why, and nothing else."""

    error: str | None = None
    format: str = ""
    rate: int = 0
    channels: int = 0
    seconds: float = 0.0
    silent: bool = False
    """Whether all samples of its window are 0."""

    def line(self) -> bytes:
        return json.dumps(astuple(self)).encode() + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> "SoundFacts":
        return cls(**dict(zip(cls.__slots__, json.loads(line), strict=True)))


@dataclass(frozen=True, kw_only=True)
class Cache:
    waveforms: Rows
    """[files, samples]; zeros for a file that cannot be used."""
    facts: tuple[SoundFacts, ...]


def prepared(files: Files, windowing: Windowing, *, verify: bool) -> Cache:
    """The windows of these files, found in the cache or made."""
    folder = cache_folder(SOUNDS.cache) / _key(files, windowing)
    if not verify and (found := _complete(folder, len(files))):
        return found
    needed = 2 * len(files) * windowing.samples
    try:
        with waiting_lock(folder.with_suffix(".lock"), on_wait=_say_who_reads):
            if not verify and (found := _complete(folder, len(files))):  # made by another run
                return found
            _make(files, windowing, folder, needed)
    except OSError as error:
        raise explained(error, folder.parent, needed=needed) from error
    made = _complete(folder, len(files))
    assert made is not None
    return made


def _key(files: Files, windowing: Windowing) -> str:
    code = made_by(__name__, libraries=LIBRARIES)
    digest = hashlib.sha256(f"{windowing.model_dump_json()} {code}".encode())
    for content in files:
        digest.update(content.encode())
    return digest.hexdigest()


def _complete(folder: Path, total: int) -> Cache | None:
    """What is in `folder`, if that is all."""
    with suppress(OSError, ValueError, TypeError):
        waveforms = Rows(folder / WAVEFORMS)
        with (folder / FACTS).open("rb") as lines:
            facts = tuple(map(SoundFacts.of_line, lines))
        size = (folder / WAVEFORMS).stat().st_size
        if len(facts) == len(waveforms) == total and size == waveforms.size_bytes:
            return Cache(waveforms=waveforms, facts=facts)
    return None


def _say_who_reads() -> None:
    print("Another run reads these sounds; this one waits for it.", file=sys.stderr)


def _make(files: Files, windowing: Windowing, folder: Path, needed: int) -> None:
    work = folder.with_suffix(".work")
    _remove(work)  # left by a kill
    work.mkdir(parents=True)
    try:
        require_room(work, needed)
        _fill(work, files, windowing)
        _remove(folder)  # to be verified, or incomplete
        os.replace(work, folder)
    except BaseException:
        _remove(work)
        raise


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _fill(work: Path, files: Files, windowing: Windowing) -> None:
    header = {"descr": "<i2", "fortran_order": False, "shape": (len(files), windowing.samples)}
    with (work / WAVEFORMS).open("wb") as waveforms, (work / FACTS).open("wb") as facts:
        np.lib.format.write_array_header_1_0(waveforms, header)  # type: ignore[no-untyped-call]
        with progress("reading", len(files), noun=SOUNDS.many) as bar:
            for chunk in _windows(list(files.items()), windowing):
                for fact, waveform in chunk:
                    waveforms.write(waveform.tobytes())
                    facts.write(fact.line())
                bar(len(chunk))


Chunk = list[tuple[SoundFacts, Waveform]]


def _windows(files: list[tuple[str, str]], windowing: Windowing) -> Iterator[Chunk]:
    """The chunks in order; a few are in memory, however many there are."""

    def one(start: int) -> Chunk:
        return [window(*file, windowing) for file in files[start : start + CHUNK]]

    for made, _ in ahead(one, range(0, len(files), CHUNK), threads=len(available_cpus())):
        yield made.result()


def window(digest: str, path: str, windowing: Windowing) -> tuple[SoundFacts, Waveform]:
    """The window of one file. Raises `InputError` if it is not the one with this digest."""
    blank = np.zeros(windowing.samples, np.int16)
    if digest.startswith(UNREADABLE):  # not opened: a pipe would never end
        return SoundFacts(error=digest.removeprefix(UNREADABLE)), blank
    try:
        sound = read(_checked(digest, Path(path)))
    except UnreadableSoundError as error:
        return SoundFacts(error=str(error)), blank
    made, head = windowing(sound), sound.header
    return SoundFacts(
        format=head.format,
        rate=head.rate,
        channels=head.channels,
        seconds=head.seconds,
        silent=not made.any(),
    ), made


def _checked(digest: str, path: Path) -> bytes | Path:
    try:
        if path.stat().st_size > LARGE:
            return path
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableSoundError(error.strerror or str(error)) from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(
            f"data set sounds: {printable(str(path))} changed while it was read. Run the same "
            "command again; if it did not change, with --set dataset.verify=true."
        )
    return content

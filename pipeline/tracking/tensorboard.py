"""TensorBoard: a folder of event files for each training, and one for the files of the run.

Events are written as records by TensorFlow's own writer: `tf.summary` would set up TensorFlow
before a stage does, with another number of threads, and its events cannot be read back.
"""

import os
import shutil
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.engine.store import folder_beside, replace_folder
from pipeline.reporting.schema.report import Report
from pipeline.tracking.contract import Epoch, figures
from targets.quiet import quiet_stderr

Scalar = tuple[int, str, float]
"""Step, tag and value."""


class TensorBoard:
    tracked = None

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with quiet_stderr():
            import tensorflow  # noqa: F401
        self._folder = folder
        self._live: Events | None = None

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def begin(self, stage: str, *, first: int) -> None:
        place = self._folder / stage
        if any(step >= first for step, _, _ in _read(place)):  # of another training
            shutil.rmtree(place)
        self._live = Events(place)

    def epoch(self, stage: str, epoch: Epoch) -> None:
        if self._live is not None:
            self._live.add(_scalars([epoch]))

    def trained(self, stage: str, history: Sequence[Epoch]) -> None:
        """An interruption can lose the last epoch: where one is missing, all are written again."""
        self._live = None
        if sorted(_read(self._folder / stage)) != sorted(_rounded(_scalars(history))):
            self._replace(stage, _scalars(history))

    def delivered(self, results: Path, report: Report) -> None:
        self._replace("files", [(0, tag, value) for tag, value in figures(report)])

    def interrupted(self) -> None: ...

    def _replace(self, name: str, scalars: Sequence[Scalar]) -> None:
        with folder_beside(self._folder / name) as new:
            Events(new).add(scalars)
            replace_folder(new, self._folder / name)


class Events:
    """A new event file, which TensorBoard follows while it grows."""

    def __init__(self, folder: Path) -> None:
        from tensorflow.core.util import event_pb2
        from tensorflow.io import TFRecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._event = event_pb2.Event
        self._writer = TFRecordWriter(str(folder / f"events.out.tfevents.{time.time_ns()}"))
        self._write(file_version="brain.Event:2")

    def add(self, scalars: Sequence[Scalar]) -> None:
        for step, tag, value in scalars:
            self._write(step=step, summary={"value": [{"tag": tag, "simple_value": value}]})
        self._writer.flush()

    def _write(self, **fields: object) -> None:
        self._writer.write(self._event(wall_time=time.time(), **fields).SerializeToString())


def _scalars(history: Sequence[Epoch]) -> list[Scalar]:
    return [(one.number, tag, value) for one in history for tag, value in one.scalars().items()]


def _rounded(scalars: Sequence[Scalar]) -> list[Scalar]:
    """As an event holds them: float32."""
    return [(step, tag, struct.unpack("f", struct.pack("f", v))[0]) for step, tag, v in scalars]


def _read(folder: Path) -> list[Scalar]:
    """What the event files in `folder` hold, without a record that was cut off."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.util import event_pb2

    found: list[Scalar] = []
    for path in sorted(folder.glob("*tfevents*")):
        try:
            for record in _records(path.read_bytes()):
                event = event_pb2.Event.FromString(record)
                found += [(event.step, one.tag, one.simple_value) for one in event.summary.value]
        except DecodeError:
            continue  # something is missing then, and all is written again
    return found


def _records(content: bytes) -> Iterator[bytes]:
    """TFRecord: length (8 bytes), checksum (4), data, checksum (4)."""
    place = 0
    while place + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        record = content[place + 12 : place + 12 + length]
        if len(record) == length:
            yield record
        place += 16 + length

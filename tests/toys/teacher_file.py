"""A teacher in a text file: an image of class k is near the k-th of its lines of brightness."""

from pathlib import Path

import numpy as np

from pipeline.datasets.on_access import Images
from pipeline.datasets.splits import Dataset
from pipeline.teachers.contract import Logits, OpenTeacher, TeacherFileConfig
from targets.errors import InputError

SUFFIXES = (".brightness",)
FOLDER_MARKERS = ()


def open_file(path: Path, cfg: TeacherFileConfig, data: Dataset, *, threads: int) -> OpenTeacher:
    try:
        centres = np.array(path.read_text(encoding="utf-8").split(), np.float32)
    except ValueError as error:
        raise InputError(f"teacher {path}: cannot be opened: {error}.") from error
    if len(centres) != len(data.classes):
        raise InputError(f"teacher {path}: {len(centres)} lines, not {len(data.classes)}.")

    def logits(raw: Images) -> Logits:
        brightness = raw.mean(axis=(1, 2, 3), dtype=np.float32)
        distance: Logits = np.abs(brightness[:, None] - centres)
        return -distance

    return OpenTeacher(kind="toy", path=path, logits=logits, cfg=cfg)

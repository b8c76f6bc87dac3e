"""Training state on disk: weights, optimizer slots and history, replaced after every epoch."""

import json
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from targets.errors import InputError


class EpochRecord(BaseModel):
    """What one epoch came to. No times: the bytes of a history are the same for the same seed."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    loss: float
    validation_top1: float


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """A model and its optimizer, and the file that one epoch at most is lost without."""

    path: Path
    model: Any
    optimizer: Any

    def save(self, history: list[EpochRecord]) -> None:
        arrays = {f"{i:05d}": v.numpy() for i, v in enumerate(self._variables())}
        records = json.dumps([record.model_dump() for record in history])
        part = self.path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, history=np.array(records), **arrays)
            file.flush()
            os.fsync(file.fileno())  # else a power cut can leave the name without the bytes
        os.replace(part, self.path)

    def restore(self) -> list[EpochRecord]:
        """Load what was saved, if anything was; the history so far."""
        if not self.path.exists():
            return []
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"{self.path}: the checkpoint of an interrupted training is damaged ({error}). "
                "Delete it, and the same command trains this stage from the start."
            ) from error
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"{i:05d}"])
        return [EpochRecord(**record) for record in json.loads(str(arrays["history"]))]

    def _variables(self) -> list[Any]:
        return [*self.model.weights, *self.optimizer.variables]

"""Training state on disk: weights, optimizer slots and history, replaced after every epoch."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict


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
        # Not `with_suffix("")`: savez adds .npz to a name that lacks it.
        part = self.path.with_suffix(".part.npz")
        np.savez(part, history=np.array(records), **arrays)
        os.replace(part, self.path)

    def restore(self) -> list[EpochRecord]:
        """Load what was saved, if anything was; the history so far."""
        if not self.path.exists():
            return []
        with np.load(self.path, allow_pickle=False) as file:
            for i, variable in enumerate(self._variables()):
                variable.assign(file[f"{i:05d}"])
            return [EpochRecord(**record) for record in json.loads(str(file["history"]))]

    def _variables(self) -> list[Any]:
        return [*self.model.weights, *self.optimizer.variables]

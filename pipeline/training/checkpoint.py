"""A training on disk: its state after every epoch, and the network that it ends with."""

import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from pipeline.engine.artifacts import Checkpoint
from pipeline.models.macs import count_macs
from pipeline.models.network import NetworkSpec, count_parameters, save_weights
from pipeline.recipe.training import TrainingConfig
from targets.errors import InputError
from targets.files.npy_file import zipped
from targets.untyped import KerasModel, KerasOptimizer, Tensor

Weights = list[npt.NDArray[np.generic]]
BEST = "best:"
HISTORY = "history.jsonl"
"""Beside the weights: an `EpochRecord` per line."""


class EpochRecord(BaseModel):
    """The result of one epoch. No times: a history of the same seed has the same bytes."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    loss: float
    validation_top1: float


def best_of(history: Sequence[EpochRecord]) -> EpochRecord:
    """The epoch with the best validation accuracy; of several, the last: it trained longer."""
    return max(history, key=lambda record: (record.validation_top1, record.epoch))


def kept(history: Sequence[EpochRecord], cfg: TrainingConfig) -> EpochRecord:
    """The epoch whose weights the training ends with."""
    return best_of(history) if cfg.keep == "best" else history[-1]


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """A model and its optimizer in a file, so that an interruption loses one epoch at most."""

    path: Path
    model: KerasModel
    optimizer: KerasOptimizer

    def save(self, history: list[EpochRecord], *, best: Weights | None = None) -> None:
        """`best` are the weights of the best epoch so far, where the training keeps them."""
        arrays = {f"{i:05d}": v.numpy() for i, v in enumerate(self.variables())}
        arrays |= {f"{BEST}{i:05d}": array for i, array in enumerate(best or ())}
        records = json.dumps([record.model_dump() for record in history])
        part = self.path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(zipped({"history": np.array(records), **arrays}))
            file.flush()
            os.fsync(file.fileno())  # else a power cut can leave the name without the bytes
        os.replace(part, self.path)

    def restore(self) -> tuple[list[EpochRecord], Weights | None]:
        """Load the saved state, if there is one: the history and the best weights so far."""
        if not self.path.exists():
            return [], None
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            for i, variable in enumerate(self.variables()):
                variable.assign(arrays[f"{i:05d}"])
            history = [EpochRecord(**record) for record in json.loads(str(arrays["history"]))]
        except (
            *(OSError, ValueError, KeyError, TypeError),
            *(EOFError, zipfile.BadZipFile, zlib.error),
        ) as error:
            raise InputError(
                f"{self.path}: the checkpoint of an interrupted training is damaged ({error}). "
                "Delete it, and the same command trains this stage from the start."
            ) from error
        best = [arrays[name] for name in sorted(arrays) if name.startswith(BEST)]
        return history, best or None

    def variables(self) -> list[Tensor]:
        return [*self.model.weights, *self.optimizer.variables]


def publish(
    out: Path,
    history: Sequence[EpochRecord],
    *,
    network: NetworkSpec,
    model: KerasModel,
    wrapped: KerasModel | None = None,
) -> Checkpoint:
    """Write a trained `model` of the layers of `network` to the folder `out`.

    `wrapped` is the model with fake quantization, whose weights are written in its place.
    """
    save_weights(model if wrapped is None else wrapped, out / Checkpoint.WEIGHTS)
    lines = [record.model_dump_json() for record in history]
    (out / HISTORY).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Checkpoint(
        folder=out,
        network=network,
        quantized=wrapped is not None,
        parameters=count_parameters(model),
        macs=count_macs(model),
    )

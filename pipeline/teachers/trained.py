"""The teacher that was trained here, from its checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets.splits import Dataset
from pipeline.teachers.source import OpenTeacher

if TYPE_CHECKING:
    from pipeline.engine.artifacts import Checkpoint

Tensor = Any


def open_checkpoint(checkpoint: "Checkpoint", data: Dataset) -> OpenTeacher:
    from pipeline.models.network import build, load_weights
    from pipeline.training.inference import make_predict

    model = build(checkpoint.network)
    load_weights(model, checkpoint.weights)

    def serve(normalised: Tensor) -> Tensor:
        return model(normalised, training=False)

    return OpenTeacher(
        kind="trained",
        path=Path(checkpoint.weights),
        logits=make_predict(model, data.input),
        parameters=checkpoint.parameters,
        serve=serve,
    )

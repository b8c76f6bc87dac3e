"""The teacher trained here, from its checkpoint."""

from pathlib import Path

from pipeline.datasets.splits import Dataset
from pipeline.engine.artifacts import Checkpoint
from pipeline.teachers.contract import OpenTeacher
from targets.untyped import Tensor


def open_checkpoint(checkpoint: Checkpoint, data: Dataset) -> OpenTeacher:
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

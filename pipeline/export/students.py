"""The student of a run as networks to export: float, quantization-aware, and partly in float."""

from collections.abc import Sequence

from pipeline.datasets.splits import Dataset
from pipeline.engine.artifacts import Checkpoint
from pipeline.export.exporter import Network
from pipeline.models.network import build, load_weights
from pipeline.quantization import float_layers
from pipeline.quantization.qat import QuantizedNetwork
from pipeline.training.inference import make_predict
from targets.formats.contract import ServingFunction
from targets.untyped import KerasModel


def student(role: str, checkpoint: Checkpoint, data: Dataset) -> Network:
    return network(role, checkpoint, restored(checkpoint, data), data)


def mixed(role: str, checkpoint: Checkpoint, data: Dataset, layers: Sequence[str]) -> Network:
    """The quantization-aware network with the operators of these layers in float."""
    model = restored(checkpoint, data)
    operators = float_layers.keep_float(model, layers)
    return network(role, checkpoint, model, data, operators=operators)


def restored(checkpoint: Checkpoint, data: Dataset) -> KerasModel:
    """The network with its weights, with fake quantization if it was trained with it."""
    model = build(checkpoint.network)
    if checkpoint.quantized:
        model = QuantizedNetwork(model, data.input).model
    load_weights(model, checkpoint.weights)
    return model


def network(
    role: str,
    checkpoint: Checkpoint,
    model: KerasModel,
    data: Dataset,
    *,
    operators: dict[str, frozenset[str]] | None = None,
) -> Network:
    function = ServingFunction(
        input=data.input,
        call=lambda image: model(image, training=False),
        float_layers=operators or {},
    )
    return Network(
        name="student",
        role=role,
        function=lambda precision, file: function,
        logits=make_predict(model, data.input),
        parameters=checkpoint.parameters,
        macs=checkpoint.macs,
    )

"""Layers that a training leaves as they are."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.recipe.schema import InitialisedConfig, TrainingConfig
from targets.untyped import KerasLayer, KerasModel


@contextmanager
def frozen(model: KerasModel, cfg: TrainingConfig) -> Iterator[None]:
    """Freeze what `cfg` asks for until the end of the block; batch norm uses its statistics then.

    Set it before the optimizer is built and the step is traced.
    """
    before = {layer.name: layer.trainable for layer in model.layers}
    for layer in _to_freeze(model, cfg):
        layer.trainable = False
    try:
        yield
    finally:
        for layer in model.layers:
            layer.trainable = before[layer.name]


def _to_freeze(model: KerasModel, cfg: TrainingConfig) -> list[KerasLayer]:
    """Batch norm, and the first layers, but never the last one: it is the new head."""
    if not isinstance(cfg, InitialisedConfig):
        return []
    first = min(round(cfg.frozen_share * len(model.layers)), len(model.layers) - 1)
    norms = [one for one in model.layers if type(one).__name__ == "BatchNormalization"]
    return [*model.layers[:first], *(norms if cfg.freeze_batch_norm else ())]

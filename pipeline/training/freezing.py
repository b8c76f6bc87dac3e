"""Layers that a training leaves as they are."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pipeline.recipe.training import InitialisedConfig, TrainingConfig
from targets.untyped import KerasLayer, KerasModel


@contextmanager
def frozen(model: KerasModel, cfg: TrainingConfig) -> Iterator[None]:
    """Freeze what `cfg` asks for until the end of the block; batch norm uses its statistics then.

    Set it before the optimizer is built and the step is traced.
    """
    before = {layer.name: layer.trainable for layer in model.layers}
    freeze(_to_freeze(model, cfg))
    try:
        yield
    finally:
        for layer in model.layers:
            layer.trainable = before[layer.name]


def freeze(layers: Iterable[KerasLayer]) -> None:
    """Let no training change `layers`, nor the layers that they wrap."""
    import tensorflow as tf

    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    for layer in layers:
        layer.trainable = False
        inner: KerasLayer = getattr(layer, "layer", layer)
        if on_gpu and is_batch_norm(inner):
            # TensorFlow's fused kernel has no deterministic gradient there with fixed statistics.
            inner.fused = False


def is_batch_norm(layer: KerasLayer) -> bool:
    return type(layer).__name__ == "BatchNormalization"


def _to_freeze(model: KerasModel, cfg: TrainingConfig) -> list[KerasLayer]:
    """Batch norm, and the first layers, but never the last one: it is the new head."""
    if not isinstance(cfg, InitialisedConfig):
        return []
    first = min(round(cfg.frozen_share * len(model.layers)), len(model.layers) - 1)
    norms = [layer for layer in model.layers if is_batch_norm(layer)]
    return [*model.layers[:first], *(norms if cfg.freeze_batch_norm else ())]

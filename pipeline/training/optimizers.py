"""Optimizers, and schedules: factors on the learning rate by progress from 0 to 1."""

import math

from pipeline.recipe.training import TrainingConfig
from targets.untyped import KerasOptimizer


def one_cycle(progress: float) -> float:
    """Factor on the peak rate: up in the first quarter, then down to 0 by a cosine.

    Source: Smith 2018, arXiv 1803.09820, with the cosine instead of the line.
    """
    if progress < 0.25:
        return 0.04 + 0.96 * progress / 0.25
    return 0.5 * (1 + math.cos(math.pi * (progress - 0.25) / 0.75))


def cosine(progress: float) -> float:
    """Factor on the first rate: down to 1 % of it, for fine-tuning."""
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


SCHEDULES = {"teacher": one_cycle, "distill": one_cycle, "quantize": cosine}
"""By stage."""


def optimizer_of(cfg: TrainingConfig, name: str = "sgd") -> KerasOptimizer:
    """With decoupled decay on kernels only, and Nesterov momentum 0.9 for SGD."""
    from tf_keras.optimizers import SGD, Adam

    shared = {"weight_decay": cfg.weight_decay or None, "jit_compile": False}
    momentum = {} if name == "adam" else {"momentum": 0.9, "nesterov": True}
    optimizer = (Adam if name == "adam" else SGD)(**momentum, **shared)
    if cfg.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def adam() -> KerasOptimizer:
    from tf_keras.optimizers import Adam

    return Adam(jit_compile=False)

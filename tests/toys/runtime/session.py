"""The linear model on the device."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from targets.bench.agent.job import clock
from targets.bench.agent.session import Session, Settings, Tensor

if TYPE_CHECKING:
    from targets.bench.agent.session import Array, Query

MODULE = DISTRIBUTION = "numpy"
ENV: dict[str, str] = {}


def written(weights: Array) -> bytes:
    """The bytes of a model file; `weights` [features, classes]."""
    file = io.BytesIO()
    np.savez(file, weights=weights)
    return file.getvalue()


SELF_TEST_MODEL = base64.b64encode(written(2 * np.eye(4, dtype=np.float32))).decode()


def open_session(module: ModuleType, path: str, settings: Settings) -> Session:
    return LinearSession(module.load(path)["weights"])


class LinearSession:
    resizable = False
    delegate: str | None = None

    def __init__(self, weights: Array) -> None:
        self.weights = weights
        features, classes = weights.shape
        self.inputs: list[Tensor] = [
            {"name": "x", "shape": [1, features], "dtype": "float32", "quantization": None}
        ]
        self.outputs: list[Tensor] = [
            {"name": "y", "shape": [1, classes], "dtype": "float32", "quantization": None}
        ]
        self.operators: dict[str, int] | None = {"MatMul": 1}

    def allocate(self, shapes: Mapping[str, Sequence[int]]) -> None: ...

    def feed(self, arrays: Mapping[str, Array]) -> Array:
        return arrays["x"]

    def reset(self) -> None: ...

    renew = reset

    def query(self, output_index: int) -> Query:
        def query(x: Array) -> tuple[Array, int, int | None]:
            begun = clock()
            return x @ self.weights, clock() - begun, None

        return query

    def profile(self, queries: Callable[[], None]) -> None: ...

"""Conversion of raw samples to the array that a model takes. Never part of what is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from targets.bench.agent.job import InputSpec
    from targets.bench.agent.session import Array


def prepare(raw: Array, adapter: Mapping[str, Any] | None, dtype: npt.DTypeLike) -> Array:
    """Raw samples [n, ...] as the file takes them: `raw * scale + offset`, quantized, laid out.

    `adapter`: a dumped `targets.formats.model_io.ModelIO`; None: the samples unchanged.
    """
    if adapter is None:
        return np.ascontiguousarray(raw, dtype=dtype)
    values, quantization = raw, adapter["input_quantization"]
    if quantization is not None or not np.issubdtype(dtype, np.integer):
        scale, offset = np.float32(adapter["scale"]), np.float32(adapter["offset"])
        values = raw.astype(np.float32) * scale + offset
    if quantization is not None:
        step, zero = quantization
        limits = np.iinfo(np.dtype(dtype))
        values = np.clip(np.round(values / np.float32(step)) + zero, limits.min, limits.max)
    if adapter["channels_first"]:
        values = np.moveaxis(values, -1, 1)
    return np.ascontiguousarray(values, dtype=dtype).reshape(len(raw), *adapter["shape"])


def from_sample(raw: Array, spec: InputSpec) -> Array:
    dtype = np.dtype(spec["dtype"])
    if spec["adapter"] is None and dtype.kind in "iub" and raw.dtype != dtype:
        with np.errstate(invalid="ignore"):
            kept = np.array_equal(raw.astype(dtype), raw)
        if not kept:
            raise ValueError(f"samples of {raw.dtype.name} do not keep their values in it")
    return fitted(prepare(raw, spec["adapter"], dtype), spec)


def fitted(values: Array, spec: InputSpec) -> Array:
    """Contiguous, in the input's type and shape; only dimensions of 1 may differ in number."""
    if [n for n in values.shape if n != 1] != [n for n in spec["shape"] if n != 1]:
        raise ValueError(f"needs {spec['shape']}, given {values.dtype.name} {list(values.shape)}")
    return np.ascontiguousarray(values, dtype=spec["dtype"]).reshape(spec["shape"])

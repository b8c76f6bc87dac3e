"""What an int8 `.onnx` file calculates between its input and its output."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from targets.formats.onnx.rewrite import constants_of

Samples = npt.NDArray[Any]
Values = Mapping[str, npt.NDArray[np.float64]]


def values(path: Path, samples: Samples) -> Iterator[Values]:
    """The real values of every quantized tensor, sample by sample, by the names of the TFLite file.

    A QuantizeLinear is named after its TFLite tensor (`qdq.export_int8`). Images may have their
    channels in front here.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnx
    import onnxruntime
    from onnx import helper

    model = onnx.load(path)
    constants = constants_of(model.graph)
    grids = {}
    for node in list(model.graph.node):
        if node.op_type == "QuantizeLinear":
            scale, zero_point = (constants[name] for name in node.input[1:])
            grids[node.output[0]] = node.name, float(scale), int(zero_point)
            kind = helper.np_dtype_to_tensor_dtype(zero_point.dtype)
            shown = helper.make_tensor_value_info(node.output[0], kind, None)
            model.graph.output.append(shown)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (source,) = session.get_inputs()
    kind = {"tensor(float)": "float32"}.get(source.type, samples.dtype)
    for sample in samples:
        found = session.run(list(grids), {source.name: sample[np.newaxis].astype(kind)})
        yield {
            name: (numbers.astype(np.float64) - zero_point) * scale
            for numbers, (name, scale, zero_point) in zip(found, grids.values(), strict=True)
        }

"""What a `.tflite` file calculates between its input and its output."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from targets.formats.tflite.inspect import read

Samples = npt.NDArray[Any]
Values = Mapping[str, npt.NDArray[np.float64]]


def values(path: Path, samples: Samples) -> Iterator[Values]:
    """The real values of every calculated tensor, sample by sample."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        experimental_preserve_all_tensors=True,
        # A delegate does not show the tensors inside it.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    calculated = _calculated(path)
    details = [t for t in interpreter.get_tensor_details() if t["index"] in calculated]
    for sample in samples:
        interpreter.set_tensor(source["index"], sample[np.newaxis].astype(source["dtype"]))
        interpreter.invoke()
        yield {t["name"]: _real(interpreter.get_tensor(t["index"]), t) for t in details}


def _calculated(path: Path) -> set[int]:
    return {int(i) for op in read(path).subgraphs[0].operators for i in op.outputs}


def _real(
    values: npt.NDArray[np.generic], tensor: Mapping[str, tuple[float, int]]
) -> npt.NDArray[np.float64]:
    numbers: npt.NDArray[np.float64] = np.asarray(values, np.float64)
    scale, zero_point = tensor["quantization"]
    return (numbers - zero_point) * scale if scale else numbers

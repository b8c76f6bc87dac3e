"""The output for every sample, each queried once and in order, by the code that is timed."""

from __future__ import annotations

import hashlib
import os
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from targets.bench.agent.job import AgentJob, phase

if TYPE_CHECKING:
    from targets.bench.agent.inputs import Inputs
    from targets.bench.agent.session import Array, Session, Tensor


def accuracy(job: AgentJob, model: Session, inputs: Inputs, _: object) -> dict[str, object]:
    """Write the outputs to the job's `outputs`, [n, ...], if all of them have one shape."""
    digest, total, count = hashlib.sha256(), 0, inputs.count()
    shapes: list[tuple[int, ...]] = []
    part = job["outputs"] + ".part"
    with open(part, "wb") as file:
        for place in inputs.places():
            with phase("input"):
                feed = model.feed(inputs.arrays(place))
            model.renew()
            output, ns, _ = model.query(job["output_index"])(feed)
            total += ns
            with phase("input"):
                each = inputs.divided(numbers(output, model.outputs[job["output_index"]]), place)
            for one in each:
                if not shapes:
                    write_header(file, one, count)
                if one.shape not in shapes:
                    shapes.append(one.shape)
                content = one.tobytes()
                file.write(content)
                digest.update(content)
    alike = len(shapes) == 1
    if alike:
        os.replace(part, job["outputs"])
    else:
        os.remove(part)
    return {
        "samples": count,
        "outputs": job["outputs"] if alike else None,
        "outputs_sha256": digest.hexdigest(),
        "output_shape": list(shapes[0]) if alike else None,
        "total_ns": total,
    }


def numbers(output: object, tensor: Tensor) -> Array:
    """An array of numbers; a runtime may give a bare number where the shape is []."""
    if not isinstance(output, (np.ndarray, np.generic)) or output.dtype.kind not in "biuf":
        raise ValueError(f"output {tensor['name']!r} of {tensor['dtype']} is no array of numbers")
    return np.asarray(output)


def write_header(file: IO[bytes], output: Array, count: int) -> None:
    """The header of a .npy with `count` such outputs, less their leading 1. The file is not mapped:
    an output may be empty, and all outputs together may exceed the memory.
    """
    rest = output.shape[1:] if output.shape[:1] == (1,) else output.shape
    npy: Any = np.lib.format
    descr = npy.dtype_to_descr(output.dtype)
    head = {"descr": descr, "fortran_order": False, "shape": (count, *rest)}
    npy.write_array_header_1_0(file, head)

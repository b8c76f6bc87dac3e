"""Do both int8 files of one quantized graph give the same on every processor?"""

import platform
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from targets.bench.agent.kernel import cpu_features
from targets.bench.plan import logits_of
from targets.errors import ProofError
from targets.evaluation import metrics
from targets.evaluation.parity import SAME_GRAPH_AGREEMENT
from targets.formats.record import ProcessorProof
from targets.processors import PROCESSORS
from targets.processors.emulation import emulated

SAMPLES = 40
"""Per file and processor: a few seconds of emulation."""


def prove(
    *, tflite: Path, onnx: Path, samples: npt.NDArray[Any], on: Sequence[str], scratch: Path
) -> Iterator[ProcessorProof]:
    """A row for this machine, then one for each emulated processor in `on`.

    `samples` are raw, [samples, ...]. On every processor each file must give the labels that the
    TFLite file gives on this machine. Raises `ProofError` where one does not.
    """
    expected = logits_of(tflite, "tflite", samples, scratch)
    for name in (None, *on):
        with nullcontext() if name is None else emulated(name, scratch) as runner:
            seen = [
                logits_of(path, kind, samples, scratch, runner=runner)
                for path, kind in ((tflite, "tflite"), (onnx, "onnx"))
            ]
        row = ProcessorProof(
            processor=this_processor() if name is None else PROCESSORS[name].what,
            how="this machine" if name is None else f"emulated ({PROCESSORS[name].cpu})",
            tflite=tflite.name,
            onnx=onnx.name,
            samples=len(samples),
            agreement=min(metrics.agreement(expected, one) for one in seen),
            max_abs_diff=max(float(np.max(np.abs(expected - one))) for one in seen),
        )
        _require(row)
        yield row


def this_processor() -> str:
    found = cpu_features()
    return f"{platform.machine()} ({', '.join(found)})" if found else platform.machine()


def _require(row: ProcessorProof) -> None:
    if row.agreement < SAME_GRAPH_AGREEMENT:
        raise ProofError(
            f"{row.onnx}: on {row.processor} ({row.how}) this file or {row.tflite} gives other "
            f"labels than {row.tflite} on this machine: {100 * row.agreement:.2f} % of "
            f"{row.samples} samples agree, outputs are up to {row.max_abs_diff:.3g} apart. "
            'Weights as uint8 (convert.onnx_weights = "uint8", the default) are '
            "exact on every processor."
        )

"""The proof that two files of one quantized graph give the same labels on several processors."""

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
from targets.evaluation.metrics import Logits
from targets.evaluation.parity import SAME_GRAPH_AGREEMENT, near
from targets.formats import FORMATS, format_of
from targets.formats.record import ProcessorProof
from targets.processors import PROCESSORS
from targets.processors.emulation import emulated

SAMPLES = 40
"""Per file and processor: a few seconds of emulation."""


def prove(
    path: Path,
    *,
    source: Path,
    samples: npt.NDArray[Any],
    on: Sequence[str],
    scratch: Path,
) -> Iterator[ProcessorProof]:
    """A row for this machine, then one for each emulated processor in `on`.

    `samples` are raw, [samples, ...]. On every processor `path` and the file that it was made from,
    `source`, must give the outputs of `source` on this machine (`same`). Raises `ProofError`
    otherwise.
    """
    has_front_end = FORMATS[format_of(source)].inspect(source).front_ops > 0
    expected = logits_of(source, format_of(source), samples, scratch)
    for name in (None, *on):
        with nullcontext() if name is None else emulated(name, scratch) as runner:
            outputs = [
                logits_of(file, format_of(file), samples, scratch, runner=runner)
                for file in (source, path)
            ]
        row = ProcessorProof(
            processor=this_processor() if name is None else PROCESSORS[name].what,
            how="this machine" if name is None else f"emulated ({PROCESSORS[name].cpu})",
            source=source.name,
            file=path.name,
            samples=len(samples),
            agreement=min(metrics.agreement(expected, one) for one in outputs),
            max_abs_diff=max(float(np.max(np.abs(expected - one))) for one in outputs),
        )
        if not all(same(expected, one, has_front_end=has_front_end) for one in outputs):
            raise _differs(row)
        yield row


def same(expected: Logits, outputs: Logits, *, has_front_end: bool) -> bool:
    """Whether outputs [samples, classes] are those that are expected: their labels are.

    A front end is in float, whose sums every processor rounds in its own way: now and then a
    feature becomes another integer, and a logit is a step away. Behind one, labels may differ where
    two classes are so near.
    """
    equal = metrics.agreement(expected, outputs) >= SAME_GRAPH_AGREEMENT
    return equal or (has_front_end and near(expected, outputs))


def this_processor() -> str:
    found = cpu_features()
    return f"{platform.machine()} ({', '.join(found)})" if found else platform.machine()


def _differs(row: ProcessorProof) -> ProofError:
    return ProofError(
        f"{row.file}: on {row.processor} ({row.how}) this file or {row.source} gives other "
        f"labels than {row.source} on this machine: {100 * row.agreement:.2f} % of "
        f"{row.samples} samples agree, outputs are up to {row.max_abs_diff:.3g} apart. Weights "
        "that are stored as uint8, the default, are exact on every processor."
    )

"""The job that the host sends, and the file that the agent answers with. Both are JSON.

Times are integer nanoseconds of the monotonic clock, memory is in bytes, an unknown value is null.
A failure is a result as well: {"error": {"phase", "type", "message"}}, with exit code 1 and the
traceback on stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

SCHEMA = "agent/2"
clock = time.perf_counter_ns


class InputSpec(TypedDict, total=False):
    """What one input is given."""

    kind: str
    """`samples` (`adapter`, perhaps `batch`), `file` (`path`) or `random` (`low`, `high`)."""
    dtype: str
    shape: Sequence[int]
    adapter: Mapping[str, Any] | None
    """A dumped `targets.formats.model_io.ModelIO`; null: the samples unchanged."""
    batch: int
    """Samples of one query."""
    path: str
    low: float
    high: float


class AgentJob(TypedDict, total=False):
    """`describe` reads the keys up to `out`, the other modes all but the limits of `latency`."""

    mode: str
    """A key of `measure.MODES`."""
    runtime: str
    model: str
    threads: int
    affinity: Sequence[int] | None
    """CPU ids; null: those that the system gives."""
    options: Mapping[str, str] | None
    """Configuration entries of the runtime's session."""
    out: str
    """Path of the result."""
    seed: str
    """Seed of the process, as RUN:PROCESS."""
    samples: str | None
    """Path of the .npy of [samples, ...]."""
    inputs: Mapping[str, InputSpec] | None
    """Specs by the inputs' names; null: the samples go to the only input, through `adapter`."""
    adapter: Mapping[str, Any] | None
    output_index: int
    outputs: str
    """Path of the .npy that `accuracy` writes."""
    warmup_runs: int
    warmup_ns: int
    min_queries: int
    min_duration_ns: int
    max_duration_ns: int


class Job(dict[str, object]):
    """A JSON object that names the key that is missing."""

    def __missing__(self, key: str) -> object:
        raise ValueError(f"the job has no key {key!r} where one is needed")


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """Stamps an exception with the phase that the result names; the innermost phase stays."""
    try:
        yield
    except Exception as error:
        error.phase = getattr(error, "phase", name)  # type: ignore[attr-defined]
        raise


def finish(work: Callable[[], dict[str, object]], out: str) -> int:
    """Write the result of `work`, or its failure, to `out`; the exit code."""
    try:
        result, code = work(), 0
    except Exception as error:
        traceback.print_exc()
        result, code = {"schema": SCHEMA, "error": failure(error)}, 1
    with open(out + ".part", "w", encoding="utf-8") as file:
        file.write(json.dumps(result))
    os.replace(out + ".part", out)
    return code


def failure(error: Exception) -> dict[str, str]:
    stage, message = getattr(error, "phase", "job"), str(error) or repr(error)
    cause = error.__cause__
    if cause is not None and str(cause) not in message:  # numpy 1 and 2 in one process, for example
        message += f" ({type(cause).__name__}: {cause})"
    return {"phase": stage, "type": type(error).__name__, "message": message}

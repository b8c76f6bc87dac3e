"""One job: the runtime is imported, the model loaded, and measured in the job's mode."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from typing import cast

import numpy as np

from targets.bench.agent.accuracy import accuracy
from targets.bench.agent.inputs import Inputs
from targets.bench.agent.job import SCHEMA, AgentJob, clock, phase
from targets.bench.agent.kernel import cpu_features
from targets.bench.agent.latency import latency
from targets.bench.agent.memory import memory, peak_memory
from targets.bench.agent.session import (
    Description,
    Session,
    Settings,
    import_runtime,
    session_module,
)

PROFILE_QUERIES = 20
ENV = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "LD_PRELOAD")


def run(job: AgentJob) -> dict[str, object]:
    """The result of `job`."""
    if job["mode"] not in (*MODES, "describe"):
        raise ValueError(f"no mode {job['mode']!r}; there are: describe, {', '.join(MODES)}")
    pin(job["affinity"])  # first: the threads of the runtime inherit it
    session = session_module(job["runtime"])
    start = clock()
    module, version = import_runtime(session)
    phases: dict[str, object] = {"import_ns": clock() - start}
    floor = peak_memory(reset=True) if job["mode"] == "memory" else None
    options = job.get("options") or {}
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "profile") if job["mode"] == "profile" else None
        start = clock()
        with phase("load"):
            settings = Settings(job["threads"], options, prefix)
            model = session.open_session(module, job["model"], settings)
        load_ns = clock() - start
        if job["mode"] == "describe":
            measured = cast("dict[str, object]", describe(model))
        else:
            inputs, allocate_ns = ready(job, model)
            load_ns += allocate_ns
            with phase("run"):
                measured = MODES[job["mode"]](job, model, inputs, floor)
    phases |= {"load_ns": load_ns, "first_inference_ns": measured.pop("first_inference_ns", None)}
    return {
        "schema": SCHEMA,
        "pid": os.getpid(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpu_features": cpu_features(),
        "runtime": {
            "name": job["runtime"],
            "version": version,
            "threads": job["threads"],
            "delegate": model.delegate,
            "affinity_requested": job["affinity"],
            "affinity_effective": affinity(),
            "ort_options": options,
            "env": {name: os.environ[name] for name in (*session.ENV, *ENV) if name in os.environ},
        },
        "phases": phases,
        "tensorflow_imported": "tensorflow" in sys.modules,
        **measured,
    }


def ready(job: AgentJob, model: Session) -> tuple[Inputs, int]:
    """The model's inputs, and the time in ns to allocate it for them, which is loading too."""
    count = len(model.outputs)
    if not 0 <= job["output_index"] < count:
        raise ValueError(f"there is no output {job['output_index']}: the model has {count}")
    with phase("input"):
        inputs = Inputs(job, model)
    start = clock()
    with phase("load"):
        model.allocate(inputs.shapes())
    return inputs, clock() - start


def describe(model: Session) -> Description:
    """Describe the model, for which nothing is allocated."""
    return {"inputs": model.inputs, "outputs": model.outputs, "operators": model.operators}


def profile(job: AgentJob, model: Session, inputs: Inputs, _: object) -> dict[str, object]:
    """Mean time per query of every type of operator, from the runtime's own profile."""

    def queries() -> None:
        with phase("input"):
            feed, query = model.feed(inputs.arrays(0)), model.query(job["output_index"])
        for _ in range(1 + PROFILE_QUERIES):
            query(feed)

    times = model.profile(queries)
    return {"source": None if times is None else job["runtime"], "ops": times}


MODES = {"latency": latency, "accuracy": accuracy, "memory": memory, "profile": profile}


def pin(cpus: Sequence[int] | None) -> None:
    if cpus is None or not hasattr(os, "sched_setaffinity"):
        return
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise ValueError(f"cannot be kept on the CPUs {cpus}: {error}") from error


def affinity() -> list[int] | None:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None

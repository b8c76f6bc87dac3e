"""Memory of this process: what a model adds to one that has imported its runtime."""

from __future__ import annotations

import contextlib

from targets.bench.agent.inputs import Inputs
from targets.bench.agent.job import AgentJob, phase
from targets.bench.agent.kernel import PROC, read
from targets.bench.agent.session import Session

QUERIES = 5


def peak_memory(*, reset: bool = False, proc: str = PROC) -> dict[str, int] | None:
    """VmHWM, RssAnon and RssFile in bytes; None without /proc. `reset` starts the peak anew.

    Never getrusage's ru_maxrss: that is inherited from the process that started this one.
    """
    cleared = False
    if reset:
        with contextlib.suppress(OSError), open(f"{proc}/self/clear_refs", "wb", 0) as file:
            cleared = file.write(b"5") == 1
    lines = [line.split() for line in read(f"{proc}/self/status").splitlines()]
    sizes = {line[0][:-1]: int(line[1]) * 1024 for line in lines if line[-1] == "kB"}
    return {**sizes, "reset": cleared} if "VmHWM" in sizes else None


def memory(
    job: AgentJob, model: Session, inputs: Inputs, floor: dict[str, int] | None
) -> dict[str, object]:
    """Measure the memory; `floor` is the peak after the import of the runtime."""
    loaded, query = peak_memory(), model.query(job["output_index"])
    with phase("input"):
        feed = model.feed(inputs.arrays(0))
    for _ in range(QUERIES):
        model.reset()
        query(feed)
    peak = peak_memory()
    if floor is None or loaded is None or peak is None:
        return {"memory": None}
    return {
        "memory": {
            "method": "VmHWM",
            "reset": floor["reset"],
            "baseline_bytes": floor["VmHWM"],
            "after_load_bytes": loaded["VmHWM"],
            "peak_bytes": peak["VmHWM"],
            "rss_anon_bytes": peak.get("RssAnon"),
            "rss_file_bytes": peak.get("RssFile"),
        }
    }

"""What a native tool reports about one process of it, as a block of `bench-result/1`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from targets.bench.agent.job import AgentJob
from targets.bench.case import BenchCase
from targets.bench.record import Reported
from targets.errors import DeviceError
from targets.runtimes.native import NativeTool

if TYPE_CHECKING:
    from targets.bench.runner import AgentRunner


def native_block(
    tool: NativeTool, case: BenchCase, job: AgentJob, runner: "AgentRunner"
) -> Mapping[str, object]:
    """Measure a block within the limits of `job`; null for what the tool does not report."""
    timings = tool.measure(
        link=runner.link,
        model=case.path,
        out=runner.folder / f"{tool.name}.txt",
        limits={**job, "threads": case.threads},
        timeout_s=runner.timeout_s,
        shapes={name: one["shape"] for name, one in (case.inputs or {}).items()},
    )
    if timings.count is None or timings.min_ns is None or timings.max_ns is None:
        raise DeviceError(
            f"device {runner.link.name}: {case.path.name} in {tool.name}: its text does not say "
            "how many queries it timed. Give a release that prints count=, min= and max=."
        )
    return {
        "schema": tool.name,
        "pid": None,
        "runtime": {"name": tool.name, "version": None, "threads": case.threads},
        "phases": {
            "import_ns": None,
            "load_ns": timings.init_ns,
            "first_inference_ns": timings.first_inference_ns,
        },
        "warmup_ns": None,
        "samples_ns": None,
        "stop_reason": "max_duration" if timings.count < job["min_queries"] else "min_met",
        "reported": {key: getattr(timings, key) for key in Reported.model_fields},
    }

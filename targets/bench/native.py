"""What Google's `benchmark_model` tells of one process of it, as a block of `bench-result/1`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from targets.errors import DeviceError
from targets.runtimes.benchmark_model import BenchmarkModel, NativeLimits, NativeTimings

if TYPE_CHECKING:
    from targets.bench.plan import Subject
    from targets.bench.runner import Host


def native_block(
    tool: BenchmarkModel, subject: "Subject", job: Mapping[str, Any], host: "Host"
) -> dict[str, Any]:
    """Measured as the agent's `job` says; what the tool does not tell is null."""
    limits = NativeLimits(
        threads=subject.threads,
        warmup_runs=job["warmup_runs"],
        warmup_s=job["warmup_ns"] / 1e9,
        min_queries=job["min_queries"],
        min_duration_s=job["min_duration_ns"] / 1e9,
        max_duration_s=job["max_duration_ns"] / 1e9,
    )
    told = tool.measure(
        link=host.link,
        model=subject.path,
        out=host.folder / "benchmark_model.txt",
        limits=limits,
        timeout_s=host.timeout_s,
        shapes={name: one["shape"] for name, one in (subject.inputs or {}).items()},
    )
    if told.count is None or told.min_ns is None or told.max_ns is None:
        raise DeviceError(
            f"device {host.link.name}: {subject.path.name} in {tool.name}: its text does not say "
            "how many queries it timed. Give a release that prints count=, min= and max=."
        )
    return {
        "schema": "benchmark_model",
        "pid": None,
        "runtime": {"name": tool.name, "version": None, "threads": subject.threads},
        "phases": {
            "import_ns": None,
            "load_ns": told.init_ns,
            "first_inference_ns": told.first_inference_ns,
        },
        "warmup_ns": None,
        "samples_ns": None,
        "stop_reason": _stop_reason(told, limits),
        "reported": {
            "count": told.count,
            "min_ns": told.min_ns,
            "max_ns": told.max_ns,
            "mean_ns": told.mean_ns,
            "median_ns": told.median_ns,
            "std_ns": told.std_ns,
        },
    }


def _stop_reason(told: NativeTimings, limits: NativeLimits) -> str:
    assert told.count is not None
    return "max_duration" if told.count < limits.min_queries else "min_met"

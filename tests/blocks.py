"""Records of a measurement on an undisturbed device, as the agent and the protocol make them."""

from typing import Any

from targets.bench.record import AgentRecord, Block, MemoryPass

QUIET = {
    "temp_c": 52.0, "freq_hz": [1_800_000_000, 600_000_000], "governor": ["ondemand", "ondemand"],
    "throttled_raw": "throttled=0x0", "loadavg1": 0.8, "runnable": 2, "sentinel_ns": 15_000_000,
}  # fmt: skip
"""The environment of an undisturbed device."""


def agent(**changes: Any) -> dict[str, Any]:
    """The fields of every pass of the agent, with `changes`."""
    return {
        "schema": "agent/2", "pid": 4711, "python": "3.11.7", "numpy": "1.26.4",
        "runtime": {
            "name": "onnxruntime", "version": "1.32.0", "threads": 1, "delegate": None,
            "affinity_requested": None, "affinity_effective": [0, 1],
            "env": {"ORT_DISABLE_TELEMETRY": "1"},
        },
        "phases": {
            "import_ns": 90_000_000, "load_ns": 4_000_000, "first_inference_ns": 900_000,
        },
        "tensorflow_imported": False,
        **changes,
    }  # fmt: skip


def block(model: str = "a.onnx", index: int = 0, **changes: Any) -> Block:
    """A valid block of 12 queries; `before` and `after` change the device's environment."""
    before, after = changes.pop("before", {}), changes.pop("after", {})
    return Block.model_validate(
        agent(
            model=model, index=index, order=0, attempt=0, valid=True, invalid_reasons=[],
            counted=True, warmup_ns=[600_000, 520_000],
            samples_ns=[500_000 + 1_000 * (i % 5) for i in range(12)],
            invoke_only_ns=None, sample_index=list(range(12)), stop_reason="min_met",
            ctx_switches={"voluntary": 0, "involuntary": 3}, wall_ns=1_000_000_000,
            cpu_ns=990_000_000, others_cpu=0.02,
            env_before={**QUIET, **before}, env_after={**QUIET, **after},
        )
        | changes
    )  # fmt: skip


def memory(model: str, **changes: Any) -> MemoryPass:
    """A memory pass of a model of 8 MB; `changes` are of its sizes."""
    sizes = {
        "method": "VmHWM", "reset": True, "baseline_bytes": 50_000_000,
        "after_load_bytes": 53_000_000, "peak_bytes": 58_000_000, "rss_anon_bytes": 30_000_000,
        "rss_file_bytes": 20_000_000,
    }  # fmt: skip
    return MemoryPass.model_validate(agent(model=model, memory={**sizes, **changes}))


def replaced(record: AgentRecord, **changes: Any) -> dict[str, Any]:
    """The record as a dict, with `changes`."""
    return record.model_dump(by_alias=True) | changes

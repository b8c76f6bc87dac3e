"""`bench-result/1`: everything that was measured on one device, raw samples included."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from targets.bench.protocol import Protocol

SCHEMA = "bench-result/1"

RAPID = (64, 6.0, 60.0)
"""Queries, least and longest seconds of MLPerf Mobile's shortest tier."""


def document(
    *,
    device: dict[str, Any],
    protocol: Protocol,
    models: list[dict[str, Any]],
    blocks: list[dict[str, Any]],
    summary: list[dict[str, Any]],
    comparison: list[dict[str, Any]],
    accuracy: list[dict[str, Any]],
) -> dict[str, Any]:
    """The document as it is written; times are integer nanoseconds, absent is null."""
    return {
        "schema": SCHEMA,
        "run_id": str(uuid4()),
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "protocol": {
            "scenario": "single_stream",
            "tier": "rapid" if _limits(protocol) == RAPID else None,
            "processes": protocol.processes,
            "min_queries": protocol.min_queries,
            "min_duration_ns": int(protocol.min_duration_s * 1e9),
            "max_duration_ns": int(protocol.max_duration_s * 1e9),
            "warmup_min_runs": protocol.warmup_runs,
            "warmup_min_ns": int(protocol.warmup_s * 1e9),
            "interleaved": True,
            "seed": protocol.seed,
            "boundary": "host_array_to_host_array",
        },
        "device": device,
        "models": models,
        "blocks": blocks,
        "summary": summary,
        "comparison": comparison,
        "accuracy": accuracy,
    }


def _limits(protocol: Protocol) -> tuple[int, float, float]:
    return protocol.min_queries, protocol.min_duration_s, protocol.max_duration_s

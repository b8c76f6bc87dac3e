"""Google's `benchmark_model` on the device: latency by the runtime an app would use.

It prints mean, minimum, maximum and deviation, no sample: `targets.runtimes.benchmark_model` reads
the text. Only the command line and the conditions are made here.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets.devices.adb import cores, probe
from targets.devices.link import Completed, Link
from targets.errors import DeviceError, InputError

_MACHINES = {0xB7: "arm64-v8a", 0x28: "armeabi-v7a", 0x3E: "x86_64", 0x03: "x86"}
"""ELF's e_machine -> Android's name of the ABI."""


@dataclass(frozen=True, kw_only=True)
class NativeRun:
    """What one run printed, and what is needed to believe it."""

    text: str
    command: list[str]
    affinity_requested: str | None
    affinity_effective: list[int] | None
    env_before: dict[str, Any]
    env_after: dict[str, Any]


def flags(
    *, threads: int, min_queries: int, min_duration_s: float, max_duration_s: float,
    warmup_runs: int, warmup_s: float,
) -> list[str]:  # fmt: skip
    """The protocol in the tool's words; it stops where ours does."""
    return [
        f"--num_threads={threads}",
        f"--num_runs={min_queries}",
        f"--min_secs={min_duration_s:g}",
        f"--max_secs={max_duration_s:g}",
        f"--warmup_runs={warmup_runs}",
        f"--warmup_min_secs={warmup_s:g}",
        "--enable_op_profiling=false",
    ]


def check_tool(tool: Path, *, abi: str) -> None:
    """An `InputError` where the file is no program for the device's ABI."""
    head = tool.read_bytes()[:20] if tool.is_file() else b""
    if head[:4] != b"\x7fELF" or len(head) < 20:
        raise InputError(
            f"--native {tool}: no program for Android. Give the benchmark_model of the device's "
            f"ABI, {abi}."
        )
    made_for = _MACHINES.get(struct.unpack_from("<H", head, 18)[0], "another machine")
    if made_for != abi:
        raise InputError(f"--native {tool}: made for {made_for}, the device is {abi}.")


def run(
    link: Link, *, tool: Path, model: Path, options: Sequence[str],
    on_cores: Sequence[int] | None, timeout_s: float,
) -> NativeRun:  # fmt: skip
    """Push `tool` and `model` and run once, on `on_cores` only where given."""
    there = link.put(tool)
    link.run(["chmod", "755", there], env={}, timeout_s=60)  # a downloaded file is not executable
    command = [there, f"--graph={link.put(model)}", *options]
    # Its two streams as one, in their order, apart from where the pinning says its word.
    merged = ["sh", "-c", 'exec "$@" 2>&1', "sh", *command]
    before = probe.conditions(link)
    done = link.run(
        merged if on_cores is None else cores.pinned(merged, on_cores),
        env={},
        timeout_s=timeout_s,
    )
    if done.returncode != 0:
        raise DeviceError(_why(done, link, model, timeout_s))
    return NativeRun(
        text=done.stdout,
        command=command,
        affinity_requested=None if on_cores is None else cores.hex_mask(on_cores),
        affinity_effective=cores.effective(done.stderr),
        env_before=before,
        env_after=probe.conditions(link),
    )


def _why(done: Completed, link: Link, model: Path, timeout_s: float) -> str:
    what = f"device {link.name}: {model.name} in benchmark_model"
    if done.timed_out:
        return f"{what}: not done after {timeout_s:g} s and ended. Raise bench.timeout_s."
    last = ((done.stdout + done.stderr).strip().splitlines() or ["no message"])[-1]
    return f"{what}: it failed with exit code {done.returncode}: {last}"

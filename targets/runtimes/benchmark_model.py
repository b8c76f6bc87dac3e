"""TFLite's native `benchmark_model`: how it is started, and how its text is read.

It times itself: random inputs, one process, no samples and no outputs. Older versions print no
median, and no version prints a 90th percentile.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from targets.bench.agent.job import AgentJob
from targets.devices.contract import Link
from targets.errors import DeviceError, InputError
from targets.runtimes.native import NativeTimings

NAME = "benchmark_model"
# All it prints goes to one file, for versions differ in what is stdout and what is stderr.
LAUNCH = '"$@" >"$0" 2>&1'

NUMBER = r"([0-9][0-9.]*(?:e[+-]?[0-9]+)?)"
# Not the two of an operator profile: "Timings (microseconds): count=50", "Memory (bytes): count=0".
COUNT = re.compile(r"^(?!.*\((?:microseconds|bytes)\): ).*\bcount=(?P<values>[0-9].*)$")
SUMMARY = re.compile(r"[Ii]nference timings in us: (?P<values>.*)$")
# Of the three forms: "Inference (avg)" now, "Inference" before, "no stats" at first.
MEANS = ("Inference (avg)", "Inference", "no stats")


@dataclass(frozen=True, kw_only=True)
class BenchmarkModel:
    """The tool at a path on the device."""

    tool: Path
    name: str = NAME
    formats: tuple[str, ...] = ("tflite",)

    def command(
        self,
        *,
        tool: str,
        model: str,
        out: str,
        limits: AgentJob,
        shapes: Mapping[str, Sequence[int]] | None = None,
    ) -> list[str]:
        """The command that writes the tool's text to `out`; all paths are those on the device.

        `shapes` names every input of the model in its order, or none: the tool takes no fewer.
        """
        flags = {
            "graph": model,
            "num_threads": limits["threads"],
            "warmup_runs": limits["warmup_runs"],
            "warmup_min_secs": f"{limits['warmup_ns'] / 1e9:g}",
            "num_runs": limits["min_queries"],
            "min_secs": f"{limits['min_duration_ns'] / 1e9:g}",
            "max_secs": f"{limits['max_duration_ns'] / 1e9:g}",
            "enable_op_profiling": "false",
            **_shape_flags(shapes or {}),
        }
        given = [f"--{name}={value}" for name, value in flags.items()]
        return ["sh", "-c", LAUNCH, out, tool, *given]

    def measure(
        self,
        *,
        link: Link,
        model: Path,
        out: Path,
        limits: AgentJob,
        timeout_s: float,
        shapes: Mapping[str, Sequence[int]] | None = None,
    ) -> NativeTimings:
        what = f"device {link.name}: {model.name} in {NAME}"
        there = link.remote_path(out.name)
        tool = link.push(self.tool)
        if tool != str(self.tool):  # what was copied there may not be executable
            link.run(["chmod", "755", tool], env={}, timeout_s=timeout_s)
        command = self.command(
            tool=tool, model=link.push(model), out=there, limits=limits, shapes=shapes
        )
        done = link.run(command, env={}, timeout_s=timeout_s)
        if done.timed_out:
            raise DeviceError(
                f"{what}: not done after {timeout_s:g} s and ended. Raise bench.timeout_s or lower "
                "bench.max_duration_s."
            )
        link.pull(there, out)
        text = out.read_text(encoding="utf-8", errors="replace")
        if done.returncode:
            raise DeviceError(f"{what}: it ended with {done.returncode}: {_last_line(text)}")
        return timings(text, what=what)


def native_tool(path: Path) -> BenchmarkModel:
    """The tool on this machine. Raises `InputError` where `path` is no program."""
    if not path.is_file() or not os.access(path, os.X_OK):
        problem = "is not there" if not path.exists() else "is not a program that may be run"
        raise InputError(
            f"{NAME}: {path} {problem}. Give the path of TFLite's {NAME} for this machine; "
            f"a downloaded one needs chmod +x."
        )
    return BenchmarkModel(tool=path.resolve())


def timings(text: str, *, what: str = NAME) -> NativeTimings:
    """The timings in the tool's text, in any of its forms and behind any log's prefix.

    Raises `DeviceError` with the last line where there are none.
    """
    lines = text.splitlines()
    at = next((i for i, line in enumerate(lines) if SUMMARY.search(line)), None)
    summary = {} if at is None else _summary(lines[at])
    mean = next((summary[name] for name in MEANS if name in summary), None)
    if mean is None:
        raise DeviceError(
            f"{what}: no timings in what it printed; the last line is: {_last_line(text)}"
        )
    return NativeTimings(
        mean_ns=mean,
        init_ns=summary.get("Init"),
        first_inference_ns=summary.get("First inference"),
        **_counted(lines[:at]),
    )


def _summary(line: str) -> dict[str, int]:
    found = SUMMARY.search(line)
    values = found["values"] if found else ""
    return {key.strip(): _ns(value) for key, value in re.findall(rf"([^:,]+): {NUMBER}", values)}


def _counted(lines: Sequence[str]) -> dict[str, int | None]:
    """Return the figures in the last line of counts: the one before it is the warm-up's."""
    counts = [found["values"] for line in lines if (found := COUNT.search(line.rstrip()))]
    if len(counts) < 2:
        return {}  # the only one may be the warm-up's
    count = int(re.split(r"\D", counts[-1])[0])
    values = {key: _ns(value) for key, value in re.findall(rf"(\w+)={NUMBER}", counts[-1])}
    # One query, or all of one duration: "count=1 curr=5", "count=9 curr=5(all same)".
    alike = values["curr"] if "min" not in values and "curr" in values else None
    return {
        "count": count,
        "min_ns": values.get("min", alike),
        "max_ns": values.get("max", alike),
        "std_ns": values.get("std"),
        "median_ns": values.get("median", alike),
    }


def _ns(microseconds: str) -> int:
    return round(float(microseconds) * 1000)


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing.")


def _shape_flags(shapes: Mapping[str, Sequence[int]]) -> dict[str, str]:
    if not shapes:
        return {}
    if taken := [name for name in shapes if "," in name]:
        raise InputError(
            f"{NAME}: the input '{taken[0]}' has a comma in its name, which the tool takes for "
            "two names. Measure this file in ai_edge_litert."
        )
    dims = [",".join(str(size) for size in shape) for shape in shapes.values()]
    return {"input_layer": ",".join(shapes), "input_layer_shape": ":".join(dims)}

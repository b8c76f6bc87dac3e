"""What a native tool is: a program on the device that loads a model file and times itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from targets.bench.agent.job import AgentJob
from targets.devices.contract import Link


@dataclass(frozen=True, kw_only=True)
class NativeTimings:
    """What the tool reports; None for what its version does not print."""

    mean_ns: int
    """Mean, with six significant digits at most, as printed."""
    count: int | None = None
    min_ns: int | None = None
    max_ns: int | None = None
    std_ns: int | None = None
    median_ns: int | None = None
    """Median, the sample of rank floor(n / 2)."""
    init_ns: int | None = None
    first_inference_ns: int | None = None


class NativeTool(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def tool(self) -> Path:
        """The program, on this machine."""

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that it loads."""

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
        """Run one process of the tool; its text is stored in `out`. Raises `DeviceError`.

        `limits`: the threads and when to stop, as in a job of the agent. `shapes`: the shape of
        every input of the model in its order, or empty.
        """

"""What executes a model on a device: which files it takes, what it needs there, how it is run."""

from dataclasses import dataclass, field

OLDEST_PYTHON = (3, 9)
"""What the agent is written for."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    name: str
    """As the agent knows it."""
    distribution: str
    """What to install."""
    module: str
    """What can be imported where it works."""
    requirements: tuple[str, ...]
    """PEP 508, the distribution itself first. Each brings numpy, which the agent needs too."""
    formats: tuple[str, ...]
    newest_python: tuple[int, int] | None = None
    """The last CPython that it has a wheel for; None where they go on."""
    env: dict[str, str] = field(default_factory=dict)

    def command(self, *, python: str, agent: str, job: str) -> list[str]:
        """What runs one job of the agent in a process of its own."""
        # -I: neither the current folder nor PYTHONPATH can stand in for a runtime.
        return [python, "-I", agent, job]


RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime(
            name="ai_edge_litert",
            distribution="ai-edge-litert",
            module="ai_edge_litert.interpreter",
            requirements=("ai-edge-litert>=2.1",),
            formats=("tflite",),
        ),
        # Older, for devices that the one above has no wheel for (32-bit ARM). Breaks in a process
        # that has imported TensorFlow; with numpy 2 it imports and then fails at load.
        Runtime(
            name="tflite_runtime",
            distribution="tflite-runtime",
            module="tflite_runtime.interpreter",
            requirements=("tflite-runtime>=2.14", "numpy<2"),
            formats=("tflite",),
            newest_python=(3, 11),
        ),
        Runtime(
            name="onnxruntime",
            distribution="onnxruntime",
            module="onnxruntime",
            requirements=("onnxruntime>=1.19",),
            formats=("onnx",),
            # 1.32 tries to write a telemetry id at session start.
            env={"ORT_DISABLE_TELEMETRY": "1"},
        ),
    )
}


def runtime_for(format_name: str) -> Runtime:
    """The runtime that measures files of this format by default: the first that takes them."""
    return next(r for r in RUNTIMES.values() if format_name in r.formats)

"""What executes a model on a device: which files it takes and what it needs there."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Runtime:
    name: str
    """As the agent knows it."""
    distribution: str
    """What to install."""
    formats: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)


RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime(name="ai_edge_litert", distribution="ai-edge-litert", formats=("tflite",)),
        # Older, for devices that the one above has no wheel for (32-bit ARM). Breaks in a process
        # that has imported TensorFlow.
        Runtime(name="tflite_runtime", distribution="tflite-runtime", formats=("tflite",)),
        Runtime(
            name="onnxruntime",
            distribution="onnxruntime",
            formats=("onnx",),
            # 1.32 tries to write a telemetry id at session start.
            env={"ORT_DISABLE_TELEMETRY": "1"},
        ),
    )
}


def runtime_for(format_name: str) -> Runtime:
    """The runtime that measures files of this format by default: the first that takes them."""
    return next(r for r in RUNTIMES.values() if format_name in r.formats)

"""The runtimes by name: what executes a model file. A folder and a line in `_built_in` each."""

from targets.registry import Registry
from targets.runtimes.contract import OLDEST_PYTHON, Runtime

__all__ = ["OLDEST_PYTHON", "RUNTIMES", "Runtime", "distributions", "runtime_for"]


def _built_in() -> dict[str, Runtime]:
    from targets.runtimes import ai_edge_litert, onnxruntime, tflite_runtime

    every = (ai_edge_litert.RUNTIME, tflite_runtime.RUNTIME, onnxruntime.RUNTIME)
    return {runtime.name: runtime for runtime in every}


RUNTIMES = Registry("runtimes", noun="runtime", contract=Runtime, built_in=_built_in)
"""The first that executes a format is its default."""


def runtime_for(format_name: str) -> Runtime:
    """The default runtime for files of this format."""
    return next(r for r in RUNTIMES.values() if format_name in r.formats)


def distributions(*, default_only: bool = True) -> tuple[str, ...]:
    """The distributions of the runtimes, by default only of those that are a format's default.

    Their versions decide the outputs of a model file.
    """
    every = RUNTIMES.values()
    chosen = [r for r in every if r in map(runtime_for, r.formats)] if default_only else every
    return tuple(runtime.distribution for runtime in chosen)

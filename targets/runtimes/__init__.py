"""The runtimes by name: what executes a model file. A folder and a line in `_built_in` each."""

from targets.errors import InputError
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
    """The default runtime for files of this format; `InputError` where there is none."""
    for _, runtime in RUNTIMES.search():
        if format_name in runtime.formats:
            return runtime
    raise InputError(
        f"format {format_name}: no runtime executes it. Known runtimes: "
        f"{', '.join(RUNTIMES.available())}. Install a distribution that offers one."
    )


def distributions() -> tuple[str, ...]:
    """The distributions of the runtimes that are the default of a format.

    Their versions decide the outputs of a model file.
    """
    every = RUNTIMES.values()
    return tuple(r.distribution for r in every if r in map(runtime_for, r.formats))

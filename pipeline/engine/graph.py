"""The architecture on one screen: what runs, from what, decided by what.

teacher -> logits -> distill -> quantize -> convert -> bench -> report
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.engine.artifacts import Artifact, Checkpoint, Exports, Teacher, TeacherLogits
from pipeline.reporting.measurements import Measurements, ReportFiles
from pipeline.stages import bench, convert, distill, logits, quantize, report, teacher
from targets.formats.precisions import PRECISIONS

TRAINING = ("tensorflow", "tf-keras", "numpy", "scikit-learn", "pillow")
TEACHER = (*TRAINING, "keras", "onnxruntime", "ai-edge-litert")
QAT = (*TRAINING, "tensorflow-model-optimization")
EXPORT = (*QAT, "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert")


@dataclass(frozen=True)
class Stage:
    """`run(cfg, out, *, job, **upstream) -> artifact` and what decides its result."""

    name: str
    run: Callable[..., Artifact]
    makes: type[Artifact]
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    """Tables and values of the recipe that the stage reads beside its own table."""
    libraries: tuple[str, ...] = ()
    """Distributions whose version decides the result."""
    reusable: bool = True
    """A measurement is an observation: it is made again each time."""

    @property
    def module(self) -> str:
        return self.run.__module__

    def config(self, recipe: Any) -> Any:
        """The stage's own table; the report is about the whole recipe."""
        return getattr(recipe, self.name, recipe)


SEEN = ("dataset", "augmentation", "seed", "threads")

STAGES = (
    Stage("teacher", teacher.run, Teacher, (), SEEN, TEACHER),
    Stage("logits", logits.run, TeacherLogits, ("teacher",), SEEN, TEACHER),
    Stage("distill", distill.run, Checkpoint, ("teacher", "logits"), SEEN, TRAINING),
    Stage("quantize", quantize.run, Checkpoint, ("logits", "distill"), SEEN, QAT),
    # The seed and the threads set up its session, and decide no byte.
    Stage(
        "convert", convert.run, Exports, ("teacher", "distill", "quantize"), ("dataset",), EXPORT
    ),
    Stage("bench", bench.run, Measurements, ("convert",), reusable=False),
    Stage("report", report.run, ReportFiles, ("bench",), reusable=False),
)

NAMES = tuple(stage.name for stage in STAGES)


def needed(recipe: Any) -> tuple[Stage, ...]:
    """The stages that a recipe uses: without an int8 file, nothing is quantization-aware."""
    if any(PRECISIONS[name].quantization_aware for name in recipe.convert.precisions):
        return STAGES
    return tuple(stage for stage in STAGES if stage.name != "quantize")

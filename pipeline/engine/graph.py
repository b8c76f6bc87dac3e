"""The architecture on one screen: what runs, from what, decided by what.

teacher -> logits -> distill -> quantize -> convert -> bench -> report
"""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from pipeline.engine.artifacts import (
    Artifact,
    DistilledCheckpoint,
    Exports,
    QuantizedCheckpoint,
    Teacher,
    TeacherLogits,
)
from pipeline.engine.uses import (
    AUGMENTATION,
    DATASET,
    FORMAT,
    LOSS,
    QAT_LOSS,
    STUDENT,
    TEACHER,
)
from pipeline.recipe.schema import Recipe
from pipeline.recipe.training import TeacherConfig, TrainingConfig
from pipeline.reporting.measurements import Measurements, ReportFiles
from pipeline.stages import bench, convert, distill, logits, quantize, report, teacher
from targets.formats.precisions import PRECISIONS


@dataclass(frozen=True)
class Stage:
    """`run(cfg, out, *, job, **upstream) -> artifact` and what decides its result.

    The code that a stage imports and the libraries that this code imports need no mention here.
    """

    name: str
    run: Callable[..., Artifact]
    makes: type[Artifact]
    needs: tuple[str, ...] = ()
    """The stages whose artifacts it takes."""
    reads: tuple[str, ...] = ()
    """Tables and values of the recipe that it reads beside its own table."""
    uses: tuple[str, ...] = ()
    """Keys of the recipe that name the plug-ins whose code it runs."""
    images: tuple[str, ...] = ("student",)
    """The networks whose images it reads: their sizes decide its result."""
    reusable: bool = True
    """False for a measurement: it is an observation, and made again each time."""

    @property
    def module(self) -> str:
        return self.run.__module__

    def config(self, recipe: Recipe) -> BaseModel:
        """The stage's own table; the whole recipe for the report."""
        config: BaseModel = getattr(recipe, self.name, recipe)
        return config

    def workers(self, recipe: Recipe) -> int:
        """The number of processes that make it together: of a training, those of the recipe."""
        config = self.config(recipe)
        adopted = isinstance(config, TeacherConfig) and config.file is not None
        return recipe.workers if isinstance(config, TrainingConfig) and not adopted else 1


SHARED = ("dataset", "augmentation", "seed", "threads")
TAUGHT = (*DATASET, *TEACHER)
TRAINED = (*TAUGHT, *AUGMENTATION)
# The seed and the threads set up the session of `convert`, and decide none of its bytes.
CONVERTED = (*TAUGHT, *STUDENT, *FORMAT)
BOTH = ("teacher", "student")

STAGES = (
    Stage("teacher", teacher.run, Teacher, (), SHARED, TRAINED, ("teacher",)),
    Stage("logits", logits.run, TeacherLogits, ("teacher",), SHARED, TRAINED, ("teacher",)),
    Stage(
        "distill", distill.run, DistilledCheckpoint, ("teacher", "logits"), SHARED,
        (*TRAINED, *STUDENT, *LOSS), BOTH,
    ),
    Stage(
        "quantize", quantize.run, QuantizedCheckpoint, ("logits", "distill"), SHARED,
        (*DATASET, *AUGMENTATION, *STUDENT, *QAT_LOSS),
    ),
    Stage(
        "convert", convert.run, Exports, ("teacher", "distill", "quantize"),
        ("dataset", "confidence", "streaming"),
        CONVERTED, BOTH,
    ),
    Stage("bench", bench.run, Measurements, ("convert",), reusable=False),
    Stage(
        "report", report.run, ReportFiles, ("bench", "logits", "distill", "quantize"),
        reusable=False,
    ),
)  # fmt: skip

NAMES = tuple(stage.name for stage in STAGES)


def needed(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages that a recipe uses: without an int8 file, nothing is quantization-aware."""
    if any(PRECISIONS[name].quantization_aware for name in recipe.convert.precisions):
        return STAGES
    return tuple(stage for stage in STAGES if stage.name != "quantize")

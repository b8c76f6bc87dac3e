"""Checks before a training of what would otherwise fail only after hours of it."""

from pipeline.datasets.splits import Dataset, Split
from pipeline.losses.feature_distillation import feature_distillation
from pipeline.models.network import build
from pipeline.models.pretrained.inheritance import inherit
from pipeline.models.pretrained.initial import load_initial
from pipeline.quantization.float_layers import require_layers
from pipeline.quantization.preflight import (
    need_calibration,
    need_quantization,
    need_samples,
    require_calibratable,
    require_quantizable,
)
from pipeline.recipe.schema import Recipe
from pipeline.training import session
from pipeline.training.augmentation import require_fit
from pipeline.training.networks import student_network, teacher_network
from targets.errors import InputError
from targets.formats.calibration import require_enough


def require_trainable(recipe: Recipe, data: Dataset, *, teacher: Dataset, seed: int) -> None:
    """Raise `InputError` for what a later step of the run cannot do with the recipe or the data.

    `teacher` is the data at the size of the teacher's samples.
    The checks build networks. They do so in a session of their own: start another one after them.
    """
    _require_shares(recipe, data)
    require_int8(recipe, data, seed=seed)
    require_fit(recipe.augmentation.views, data, teacher=teacher)
    require_fit(recipe.teacher_views, teacher, table="teacher")
    _require_initial(recipe, data, teacher)
    _require_features(recipe, data, teacher)


def require_int8(recipe: Recipe, data: Dataset, *, seed: int) -> None:
    """The part of `require_trainable` that is about the student's int8 files."""
    session.start(seed=seed, threads=recipe.threads)
    precisions = {*recipe.convert.precisions, *(("int8",) if recipe.ablation.enabled else ())}
    if not need_samples(precisions):
        return
    _require_calibration(recipe, data)
    student = build(student_network(recipe, data))
    if need_calibration(precisions):
        require_calibratable(student, family=recipe.distill.family)
    if need_quantization(precisions):
        require_quantizable(student, family=recipe.distill.family)
        require_layers(student, recipe.convert.keep_float, spec=data.input)


def _require_shares(recipe: Recipe, data: Dataset) -> None:
    """Where all training samples are one batch, the workers must be able to share it, too."""
    taught = data.for_distillation()
    for stage, part in (("teacher", data), ("distill", taught), ("quantize", taught)):
        samples, batch = len(part[Split.TRAIN]), getattr(recipe, stage).batch_size
        if samples < batch and samples % recipe.workers:
            raise InputError(
                f"{stage}.batch_size: {batch} is more than the {samples} training "
                f"{data.words.many}, which cannot be shared equally among {recipe.workers} "
                "workers. Lower it."
            )


def _require_initial(recipe: Recipe, data: Dataset, teacher: Dataset) -> None:
    """The student's initial weights must fit it; the teacher's are loaded before it trains."""
    network = student_network(recipe, data)
    if recipe.distill.weights is not None:
        load_initial(build(network), network, recipe.distill.weights)
    elif recipe.distill.init == "teacher":
        inherit(student=build(network), teacher=build(teacher_network(recipe, teacher)))


def _require_calibration(recipe: Recipe, data: Dataset) -> None:
    """The training part must be large enough to calibrate activation ranges with."""
    samples = sum(len(data[split]) for split in Split)
    without = "--set 'convert.precisions=[\"float32\"]'"
    require_enough(
        data[Split.TRAIN],
        what=f"data set {recipe.dataset.path or data.name}, training part of its {samples} samples",
        instead=f"go without int8: {without}{' and no --ablation' * recipe.ablation.enabled}",
    )


def _require_features(recipe: Recipe, data: Dataset, teacher: Dataset) -> None:
    """Both networks must have features that the feature loss can compare."""
    if recipe.distill.features != "none":
        networks = {"student": student_network(recipe, data)}
        networks["teacher"] = teacher_network(recipe, teacher)
        feature_distillation(
            recipe.distill.features, **{role: build(spec) for role, spec in networks.items()}
        )

"""The tables of the networks and their trainings: `[augmentation]` to `[quantize]`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipeline.losses import FEATURE_LOSSES, LOSSES
from pipeline.models import STUDENTS, TEACHERS
from pipeline.recipe.names import (
    Seed,
    not_for_teachers_only,
    plugin,
)
from pipeline.recipe.section import Fraction, PluginSection, PositiveFloat, PositiveInt, Section
from pipeline.teachers.contract import TeacherFileConfig
from pipeline.training.augmentation import VIEWS, ViewSettings
from targets.formats.calibration import MIN_CALIBRATION_SAMPLES
from targets.formats.input_spec import Kind


class AugmentationConfig(PluginSection):
    """Random changes of training samples; teacher and student get the same view of a sample."""

    PLUGINS, PLUGIN_KEY = VIEWS, "kind"

    kind: Annotated[Kind, Field(exclude=True)] = "image"
    """That of the data set, which decides the other keys; never written in a recipe."""

    @property
    def views(self) -> ViewSettings:
        """The keys of this kind of data."""
        assert isinstance(self.settings, ViewSettings)
        return self.settings


class TrainingConfig(Section):
    """What the one training loop needs."""

    seed: Seed | None = None
    """Seed of this stage's initial weights and order of the samples; null takes the recipe's."""
    epochs: PositiveInt = 12
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 0.1
    """Peak of the one-cycle schedule."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay, on kernels only; times the learning rate at every step."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each label that is spread evenly over all classes."""
    balance: Literal["none", "weights", "sampling"] = "none"
    """Against unequal classes: `weights` gives each class the same total weight in the loss on
    labels, `sampling` draws samples so that each class is met equally often."""
    keep: Literal["last", "best"] = "last"
    """Weights of the last epoch, or of the epoch that was best on the validation split; of several
    equally good ones, of the last."""


class InitialisedConfig(TrainingConfig):
    """A training in float, which can start from pretrained weights."""

    optimizer: Literal["sgd", "adam"] = "sgd"
    """`sgd` has Nesterov momentum; `adam` is for tables of tokens and recurrent layers, with a
    learning rate of 0.001 to 0.003."""
    mixed_precision: bool = False
    """Compute in bfloat16; weights, losses and logits stay float32, and so do all later stages. Can
    be faster where the processor has bfloat16 arithmetic: NVIDIA GPUs from compute capability 8.0
    on, CPUs with AMX or AVX-512 BF16, where depthwise convolutions are slower."""
    weights: str | None = None
    """Initial weights: `imagenet`, or a file (.keras, .h5, .npz, .pth); null takes random ones. A
    classifier of the file for as many classes is kept, unless one that is fitted on the features is
    better on the validation split."""
    freeze_batch_norm: bool = False
    """Keep the statistics and factors of batch norm: for pretrained weights and small batches."""
    frozen_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the layers, from the input on, that keep their initial weights: less time per step,
    for pretrained weights and few samples."""


class TeacherConfig(InitialisedConfig, TeacherFileConfig, PluginSection):
    PLUGINS, PLUGIN_KEY = TEACHERS, "family"

    family: Annotated[str, plugin(TEACHERS)] = "resnet"
    size: Annotated[int, Field(ge=8)] | None = None
    """Side of the teacher's images in pixels, of the same crops as the student's; null takes
    `dataset.size`."""
    members: Annotated[int, Field(ge=1, le=16)] = 1
    """Networks that are trained one after the other, each from a seed of its own; the teacher is
    the mean of their logits."""
    cutout: Annotated[int, Field(ge=0)] | None = None
    """Replaces `augmentation.cutout`: it helps a long teacher and hurts a short student."""
    file: Path | None = None
    """Your own teacher (`--teacher`): .keras, .h5, SavedModel folder, .onnx, .tflite, or logits in
    an .npz. The keys of training and of the family are then unused."""


class LogitsConfig(Section):
    views: PositiveInt = 8
    """Views of every training image whose teacher logits are stored: epoch e trains on view e mod
    this number. Each costs one pass of the teacher, once for all students."""


KD = LOSSES["kd"].PUBLISHED


class DistillationConfig(TrainingConfig):
    loss: Annotated[str, plugin(LOSSES)] = "kd"
    temperature: PositiveFloat = KD.temperature
    alpha: Fraction = KD.alpha
    """Weight of the loss: (1-alpha) cross-entropy + alpha times the named loss."""
    parameters: dict[str, float] = Field(default_factory=dict)
    """Parameters of the named loss. A missing temperature, alpha or parameter is as published."""

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, table: object) -> object:
        name = table.get("loss", "kd") if isinstance(table, dict) else None
        if not isinstance(table, dict) or not isinstance(name, str) or name not in LOSSES:
            return table
        published = LOSSES[name].PUBLISHED
        filled = {"temperature": published.temperature, "alpha": published.alpha, **table}
        parameters = table.get("parameters", {})
        if isinstance(parameters, dict):
            filled["parameters"] = {**published.parameters, **parameters}
        return filled

    @model_validator(mode="after")
    def _fits_the_loss(self) -> Self:
        published = LOSSES[self.loss].PUBLISHED
        for name in self.parameters:
            if name not in published.parameters:
                known = ", ".join(published.parameters) or "none"
                raise ValueError(f"loss {self.loss} has no parameter '{name}'; it has: {known}")
        if published.label_free and self.alpha != 1:
            raise ValueError(f"loss {self.loss} uses no labels: leave alpha out, or set it to 1")
        return self


class DistillConfig(DistillationConfig, InitialisedConfig, PluginSection):
    PLUGINS, PLUGIN_KEY = STUDENTS, "family"

    family: Annotated[str, plugin(STUDENTS), BeforeValidator(not_for_teachers_only)] = (
        "mobilenet_v1"
    )
    init: Literal["random", "teacher"] = "random"
    """`teacher`: the student starts with a subset of the weights of its teacher, which must be of
    the same family; excludes `weights`. Source: Xu et al. 2024, arXiv 2311.18823."""
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """As `mixup`, but a rectangle of the image is replaced by that of another one."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Both parameters of the Beta distribution from which each step draws how much of an image is
    another one; 0 is off. The teacher then runs live, and cannot be an .npz of logits."""
    features: Annotated[str, plugin(FEATURE_LOSSES, "none")] = "none"
    """A loss on layers beside the one on logits: for students of the teacher's own family, and a
    teacher that is trained here; it runs live."""
    feature_weight: PositiveFloat | None = None
    """Null takes the published weight of the feature loss."""


class QuantizeConfig(DistillationConfig):
    epochs: PositiveInt = 2
    learning_rate: PositiveFloat = 1e-4
    calibration_samples: Annotated[int, Field(ge=MIN_CALIBRATION_SAMPLES)] = 1024
    """Training samples that set the activation ranges before the first step."""


def coupling(distill: DistillConfig, quantize: QuantizeConfig) -> Iterator[str]:
    """The losses that see more than one sample at a time, each as `table.key: value`."""
    for table, cfg in (("distill", distill), ("quantize", quantize)):
        if cfg.alpha and LOSSES[cfg.loss].PUBLISHED.couples_batch:
            yield f"{table}.loss: {cfg.loss}"
    features = None if distill.features == "none" else FEATURE_LOSSES[distill.features]
    if getattr(features, "COUPLES_BATCH", False):
        yield f"distill.features: {distill.features}"

"""THE schema: one frozen model per stage, with defaults and checks.

`pipeline.recipe.load` reads one and says what is wrong. Nothing behind it checks a value again.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from pipeline.datasets import DATASETS
from pipeline.engine import plugins
from pipeline.losses.features import HINTS
from pipeline.losses.objectives import LOSSES
from pipeline.models import STUDENTS, TEACHERS
from targets.bench.tiers import TIERS
from targets.devices import inventory
from targets.devices.cpus import available_cpus
from targets.errors import InputError, unknown
from targets.formats import FORMATS
from targets.formats.calibration import MIN_CALIBRATION_SAMPLES
from targets.formats.precisions import PRECISIONS
from targets.processors import PROCESSORS


def _one_of(kind: str, known: Iterable[str]) -> BeforeValidator:
    """`known` may be a registry, which can grow."""

    def check(value: object) -> object:
        if isinstance(value, str) and value not in (names := tuple(known)):
            raise ValueError(str(unknown(kind, value, names)))
        return value

    return BeforeValidator(check)


def _plugin(kind: plugins.Kind, word: str, built_in: Mapping[str, str]) -> BeforeValidator:
    """One of ours, or of another distribution that is installed."""

    def check(value: object) -> object:
        if isinstance(value, str) and plugins.find(kind, value, built_in) is None:
            raise ValueError(str(unknown(word, value, plugins.known(kind, built_in))))
        return value

    return BeforeValidator(check)


PositiveInt = Annotated[int, Field(ge=1, strict=True)]
PositiveFloat = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Target = Annotated[str, _one_of("target", FORMATS)]
Precision = Annotated[str, _one_of("precision", PRECISIONS)]


def _known_device(value: object) -> object:
    if isinstance(value, str):
        try:
            inventory.device(value, place="")
        except InputError as error:
            raise ValueError(str(error)) from error
    return value


Device = Annotated[str, BeforeValidator(_known_device)]
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]


class Section(BaseModel):
    """A table of the recipe: frozen, no unknown keys, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AboutConfig(Section):
    """What a recipe costs and reaches, measured; shown by `pipeline recipes`, read by nothing."""

    summary: str = ""
    cost: str = ""
    reaches: str = ""


class DatasetConfig(Section):
    name: Annotated[str, _plugin("datasets", "dataset", DATASETS)] = "digits"
    path: Path | None = None
    """Where the data is, from the current folder, where it is not embedded (`--data`)."""
    size: PositiveInt | None = None
    """Pixels of the longer side, to which images are scaled; as they are where it is not given."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of the labelled data that steers training; of the training part where the test split
    is given by the data set."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share that is only measured; not used where the data set gives its own test split."""
    split_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Apart from `seed`, so that runs of several seeds are measured on the same test samples."""


class ViewsConfig(Section):
    """Augmentation of training images; the teacher sees the same view as the student."""

    shift: Annotated[int, Field(ge=0)] = 2
    """Random crop after padding, in pixels either way."""
    flip: bool = False
    """Mirror left and right: never where a mirrored image has another label (digits)."""
    cutout: Annotated[int, Field(ge=0)] = 0
    """Side of a square that is greyed out, in pixels; hurts runs of fewer than 15 epochs."""

    @property
    def changes(self) -> bool:
        """Whether a view can be another image than the one it is of."""
        return bool(self.shift or self.flip or self.cutout)


class TrainingConfig(Section):
    """What the one training loop needs."""

    seed: Seed | None = None
    """Of this stage's initial weights and order; the recipe's where it is not given."""
    epochs: PositiveInt = 12
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 0.1
    """Peak of the one-cycle schedule."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled, on kernels only; times the learning rate at every step."""


class TeacherConfig(TrainingConfig):
    family: Annotated[str, _plugin("teachers", "teacher family", TEACHERS)] = "resnet"
    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (32, 64, 128)
    """Channels of the stem, then of each stage, which halves the image."""
    blocks: PositiveInt = 2
    """Residual blocks per stage."""
    cutout: Annotated[int, Field(ge=0)] | None = None
    """In the place of `views.cutout`: it helps a long teacher and hurts a short student."""
    file: Path | None = None
    """Your own teacher (`--teacher`): .keras, .h5, SavedModel folder, .onnx, .tflite, or logits in
    an .npz. Nothing above is used then."""
    scale: float | tuple[float, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0
    """The file is given raw * scale + offset, one number or one per channel."""
    output: Literal["logits", "probabilities"] = "logits"
    """What the file gives; probabilities become log p."""
    classes: tuple[str, ...] | None = None
    """Its classes in the order of its outputs; matched with the data set's by name."""


class LogitsConfig(Section):
    views: PositiveInt = 8
    """Views of every training image whose teacher logits are kept: epoch e trains on view e mod
    this. Each costs one pass of the teacher, once for all students."""


class DistillationConfig(TrainingConfig):
    loss: Annotated[str, _one_of("loss", LOSSES)] = "kd"
    temperature: PositiveFloat = LOSSES["kd"].temperature
    alpha: Fraction = LOSSES["kd"].alpha
    """Weight of the teacher: (1-alpha) CE + alpha times the named loss."""
    parameters: dict[str, float] = {}
    """Of the named loss. What is not given of these three is as its paper has it."""

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, given: Any) -> Any:
        name = given.get("loss", "kd") if isinstance(given, dict) else None
        if not isinstance(name, str) or name not in LOSSES:
            return given
        named = LOSSES[name]
        filled = {"temperature": named.temperature, "alpha": named.alpha, **given}
        parameters = given.get("parameters", {})
        if isinstance(parameters, dict):
            filled["parameters"] = {**named.parameters, **parameters}
        return filled

    @model_validator(mode="after")
    def _fits_the_loss(self) -> Self:
        named = LOSSES[self.loss]
        for name in self.parameters:
            if name not in named.parameters:
                known = ", ".join(named.parameters) or "none"
                raise ValueError(f"loss {self.loss} has no parameter '{name}'; it has: {known}")
        if named.label_free and self.alpha != 1:
            raise ValueError(f"loss {self.loss} uses no labels: leave alpha out, or set it to 1")
        return self


class DistillConfig(DistillationConfig):
    family: Annotated[str, _plugin("students", "student family", STUDENTS)] = "mobilenet_v1"
    width_multiplier: PositiveFloat = 1.0
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Both parameters of the Beta distribution from which each step draws how much of an image is
    another one; 0 is off. The teacher then runs live, and cannot be an .npz of logits."""
    features: Annotated[str, _one_of("feature loss", ("none", *HINTS))] = "none"
    """A loss on layers beside the one on logits: for students of the teacher's own family, and a
    teacher that is trained here; it runs live."""
    feature_weight: PositiveFloat | None = None
    """The published one where it is not given (`pipeline.losses.features`)."""


class QuantizeConfig(DistillationConfig):
    epochs: PositiveInt = 2
    learning_rate: PositiveFloat = 1e-4
    calibration_samples: Annotated[int, Field(ge=MIN_CALIBRATION_SAMPLES)] = 1024
    """Training images that set the activation ranges before the first step."""


class ConvertConfig(Section):
    targets: Annotated[tuple[Target, ...], Field(min_length=1)] = ("tflite",)
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("float32", "int8")
    """Of the student's files: `int8` is quantization-aware, `int8_ptq` and `int16x8` are calibrated
    after training. `int16x8` has int16 activations, takes float32 and has no ONNX form. The
    teacher's files are float32."""
    onnx_weights: Literal["uint8", "int8"] = "uint8"
    """How int8 ONNX files store their weights. `uint8` gives the same outputs on every processor;
    `int8` is faster on x86 with VNNI, and wrong on x86 without it: for known processors only."""
    prove_on: tuple[Annotated[str, _one_of("processor", PROCESSORS)], ...] = ()
    """Kinds of processor that are emulated (qemu-user-static) to show that both int8 files give the
    same labels there: x86-sse4, x86-avx2, aarch64."""

    @model_validator(mode="after")
    def _proof_has_two_files(self) -> Self:
        int8 = any(PRECISIONS[name].int8 for name in self.precisions)
        if self.prove_on and not (int8 and {"tflite", "onnx"} <= set(self.targets)):
            raise ValueError(
                "prove_on compares the int8 files of both formats: it needs the targets tflite and "
                "onnx, and the precision int8 or int8_ptq"
            )
        return self

    @model_validator(mode="after")
    def _formats_can(self) -> Self:
        for target in self.targets:
            for precision in self.precisions:
                held = FORMATS[target].precisions
                if precision not in held:
                    raise ValueError(
                        f"{target} cannot be {precision}; it can be: {', '.join(held)}"
                    )
        return self


class BenchConfig(Section):
    enabled: bool = True
    devices: Annotated[tuple[Device, ...], Field(min_length=1)] = ("local",)
    threads: PositiveInt = 1
    tier: Literal["rapid", "quick", "normal"] = "rapid"
    """Decides the next five, where they are not given: MLPerf Mobile's tiers."""
    processes: PositiveInt
    """Fresh processes per model: the unit of replication."""
    min_queries: PositiveInt
    min_duration_s: PositiveFloat
    max_duration_s: PositiveFloat
    """The three count over all processes of one model together."""
    repeats: Annotated[int, Field(ge=0, strict=True)]
    """How often a process that the machine disturbed is measured again."""
    warmup_runs: PositiveInt = 5
    warmup_s: PositiveFloat = 0.5
    timeout_s: PositiveFloat = 600.0
    """Longest that one measuring process may take before it is ended."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_tier(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        asked = given.get("tier")
        tier = TIERS[asked if asked in list(TIERS) else "rapid"]
        return {**tier._asdict(), **given}

    @model_validator(mode="after")
    def _durations_fit(self) -> Self:
        if self.max_duration_s < self.min_duration_s:
            raise ValueError("max_duration_s must not be less than min_duration_s")
        return self


class AblationConfig(Section):
    """What each stage buys: the student alone, with KD, PTQ, QAT, QAT without KD, at equal budget
    and over seeds that are fixed in advance."""

    enabled: bool = False
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    distill_epochs: PositiveInt = 10
    quantize_epochs: PositiveInt = 1
    corrupted_samples: PositiveInt = 2000
    """Test images that each corruption is tried on, at most."""

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                "a seed is there twice: the same training counted as two would make the intervals "
                f"too narrow; seeds are {', '.join(map(str, self.seeds))}"
            )
        return self


class Recipe(Section):
    schema_: Literal["recipe/1"] = Field(default="recipe/1", alias="schema")
    name: Slug
    seed: Seed = 0
    threads: Annotated[PositiveInt, Field(le=1024)] = Field(
        default_factory=lambda: len(available_cpus())
    )
    about: AboutConfig = AboutConfig()
    dataset: DatasetConfig = DatasetConfig()
    views: ViewsConfig = ViewsConfig()
    teacher: TeacherConfig = TeacherConfig()
    logits: LogitsConfig = LogitsConfig()
    distill: DistillConfig = DistillConfig()
    quantize: QuantizeConfig = QuantizeConfig()
    convert: ConvertConfig = ConvertConfig()
    bench: BenchConfig = Field(default_factory=lambda: BenchConfig.model_validate({}))
    ablation: AblationConfig = AblationConfig()

    @model_validator(mode="after")
    def _teacher_can(self) -> Self:
        features, file = self.distill.features, self.teacher.file
        told = [k for k in ("scale", "offset", "output", "classes") if self._is_told(k)]
        if file is None and told:
            raise ValueError(
                f"teacher.{told[0]}: is about a teacher's file, and teacher.file is not given; "
                "leave it out, or give the file with --teacher"
            )
        if features == "none" and self.distill.feature_weight is not None:
            raise ValueError(
                "distill.feature_weight: without distill.features there is nothing that it weighs"
            )
        if file is not None and features != "none":
            raise ValueError(
                f"distill.features: {features} needs the teacher's layers, and teacher.file gives "
                "logits only; leave features out, or train the teacher here"
            )
        if file is not None and file.suffix.lower() == ".npz" and self.distill.mixup:
            raise ValueError(
                "distill.mixup: nobody can be asked about mixed images where teacher.file holds "
                "logits that were computed before; set it to 0, or give the network itself"
            )
        return self

    def _is_told(self, key: str) -> bool:
        given = getattr(self.teacher, key)
        return bool(given != TeacherConfig.model_fields[key].default)

    @model_validator(mode="before")
    @classmethod
    def _quantize_as_distilled(cls, given: Any) -> Any:
        """The loss is carried into quantization-aware training, unless that names its own."""
        if not isinstance(given, dict):
            return given
        distill, quantize = given.get("distill", {}), given.get("quantize", {})
        tables = isinstance(distill, dict) and isinstance(quantize, dict)
        if not tables or "loss" in quantize:
            return given
        carried = {key: distill[key] for key in LOSS_KEYS if key in distill}
        return {**given, "quantize": {**carried, **quantize}}


LOSS_KEYS = ("loss", "temperature", "alpha", "parameters")

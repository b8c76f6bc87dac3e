"""THE schema: one frozen model per stage, with defaults and checks.

`pipeline.recipe.load` reads a recipe and explains its errors. No later code checks a value again.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from pipeline.datasets import DATASETS
from pipeline.datasets.contract import SourceConfig
from pipeline.losses import FEATURE_LOSSES, LOSSES
from pipeline.models import STUDENTS, TEACHERS
from pipeline.recipe.gates import Gates
from pipeline.recipe.section import Fraction, PluginSection, PositiveFloat, PositiveInt, Section
from pipeline.recipe.tracking import TrackingConfig
from pipeline.teachers.contract import TeacherFileConfig
from targets.bench.tiers import TIERS
from targets.devices import inventory
from targets.devices.cpus import available_cpus
from targets.errors import InputError, listed, printable, unknown
from targets.formats import FORMATS
from targets.formats.calibration import MIN_CALIBRATION_SAMPLES
from targets.formats.precisions import PRECISIONS
from targets.processors import PROCESSORS
from targets.registry import Registry

T = TypeVar("T")


def _one_of(kind: str, known: Iterable[str]) -> BeforeValidator:
    """Return a validator of names in `known`, which may be a registry and can grow."""

    def check(value: object) -> object:
        if isinstance(value, str) and value not in (names := tuple(known)):
            raise ValueError(str(unknown(kind, value, names)))
        return value

    return BeforeValidator(check)


def _plugin(registry: Registry[T], *others: str, noun: str = "") -> BeforeValidator:
    """Return a validator of names in `registry` and in `others`, which errors call `noun`."""

    def check(value: object) -> object:
        if isinstance(value, str) and value not in others and value not in registry:
            names = (*others, *registry.available())
            raise ValueError(str(unknown(noun or registry.noun, value, names)))
        return value

    return BeforeValidator(check)


def _no_teacher(family: object) -> object:
    """`_plugin` would call the family unknown."""
    if isinstance(family, str) and family in TEACHERS and family not in STUDENTS:
        students = ", ".join(STUDENTS.available())
        raise ValueError(
            f"{family} is for teachers only; students, whose layers all have int8 forms: {students}"
        )
    return family


Seed = Annotated[int, Field(ge=0, lt=2**31)]
Target = Annotated[str, _plugin(FORMATS, noun="target")]
CHOSEN = tuple(one.name for one in PRECISIONS.values() if one.chosen)
Precision = Annotated[str, _one_of("precision", CHOSEN)]


def _known_device(value: object) -> object:
    if isinstance(value, str):
        try:
            inventory.device(value, place="")
        except InputError as error:
            raise ValueError(str(error).removeprefix(": ")) from error
    return value


Device = Annotated[str, BeforeValidator(_known_device)]
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]


class AboutConfig(Section):
    """Measured cost and accuracy of a recipe; `pipeline recipes` shows them, no stage uses them."""

    summary: str = ""
    cost: str = ""
    reaches: str = ""


class DatasetConfig(SourceConfig):
    PLUGINS = DATASETS

    name: Annotated[str, _plugin(DATASETS)] = "digits"


class AugmentationConfig(Section):
    """Random changes of training images; teacher and student get the same view of an image."""

    shift: Annotated[int, Field(ge=0)] = 2
    """Random crop after padding, in pixels in each direction."""
    flip: bool = False
    """Random mirroring left to right: not where a mirrored image has another label (digits)."""
    cutout: Annotated[int, Field(ge=0)] = 0
    """Side of a grey square at a random place, in pixels; hurts runs of fewer than 15 epochs."""
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Smallest share of the picture's area that a random crop keeps, in place of `shift`; 1 is off.
    The crop is scaled to the size of each network."""
    rotation: Annotated[float, Field(ge=0, le=45)] = 0.0
    """Largest random rotation, in degrees in both directions."""
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest random change, as a share; so are the next two."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    saturation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    erase: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest share of the area that a random grey rectangle covers; half of the images get one."""

    @property
    def changes(self) -> bool:
        """Whether a view can differ from its image."""
        return self != AugmentationConfig(shift=0)


class TrainingConfig(Section):
    """What the one training loop needs."""

    seed: Seed | None = None
    """Seed of this stage's initial weights and image order; null takes the recipe's."""
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
    labels, `sampling` draws images so that each class is met equally often."""
    keep: Literal["last", "best"] = "last"
    """Weights of the last epoch, or of the epoch that was best on the validation split; of several
    equally good ones, of the last."""


class InitialisedConfig(TrainingConfig):
    """A training in float, which can start from pretrained weights."""

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
    for pretrained weights and few images."""


class TeacherConfig(InitialisedConfig, TeacherFileConfig, PluginSection):
    PLUGINS, PLUGIN_KEY = TEACHERS, "family"

    family: Annotated[str, _plugin(TEACHERS)] = "resnet"
    size: Annotated[int, Field(ge=8)] | None = None
    """Side of the teacher's images in pixels, of the same crops as the student's; null takes
    `dataset.size`."""
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
    loss: Annotated[str, _plugin(LOSSES)] = "kd"
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

    family: Annotated[str, _plugin(STUDENTS), BeforeValidator(_no_teacher)] = "mobilenet_v1"
    init: Literal["random", "teacher"] = "random"
    """`teacher`: the student starts with a subset of the weights of its teacher, which must be of
    the same family; excludes `weights`. Source: Xu et al. 2024, arXiv 2311.18823."""
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """As `mixup`, but a rectangle of the image is replaced by that of another one."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Both parameters of the Beta distribution from which each step draws how much of an image is
    another one; 0 is off. The teacher then runs live, and cannot be an .npz of logits."""
    features: Annotated[str, _plugin(FEATURE_LOSSES, "none")] = "none"
    """A loss on layers beside the one on logits: for students of the teacher's own family, and a
    teacher that is trained here; it runs live."""
    feature_weight: PositiveFloat | None = None
    """Null takes the published weight of the feature loss."""


class QuantizeConfig(DistillationConfig):
    epochs: PositiveInt = 2
    learning_rate: PositiveFloat = 1e-4
    calibration_samples: Annotated[int, Field(ge=MIN_CALIBRATION_SAMPLES)] = 1024
    """Training images that set the activation ranges before the first step."""


class ConvertConfig(Section):
    targets: Annotated[tuple[Target, ...], Field(min_length=1)] = ("tflite",)
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("float32", "int8")
    """Precisions of the student's files: `int8` is quantization-aware, `int8_ptq` and `int16x8` are
    calibrated after training. `int16x8` has int16 activations, takes float32 and has no ONNX form.
    The teacher's files are float32."""
    onnx_weights: Literal["uint8", "int8"] = "uint8"
    """How int8 ONNX files store their weights. `uint8` gives the same outputs on every processor;
    `int8` is faster on x86 with VNNI, and wrong on x86 without it: for known processors only."""
    prove_on: tuple[Annotated[str, _one_of("processor", PROCESSORS)], ...] = ()
    """Kinds of processor that are emulated (qemu-user-static) to show that both int8 files give the
    same labels there: x86-sse4, x86-avx2, aarch64."""

    keep_float: tuple[str, ...] = ()
    """Layers of the student whose operators, and those that read their results, stay in float in
    further files, `student.mixed.*`, made from the same quantization-aware network as `int8`. They
    are measured beside the int8 files. `pipeline run` lists the layers where one is not known."""
    max_drop: Annotated[float, Field(gt=0, lt=100)] | None = None
    """Largest loss of top-1 against the float student on the validation split, in percentage
    points. Where `int8` loses more, the fewest layers that bring it under the limit are chosen as
    `keep_float`; the run fails where none do."""
    probabilities: bool = False
    """A second output, `probabilities`, behind the logits: softmax(logits / temperature)."""

    @property
    def made(self) -> tuple[str, ...]:
        """The precisions of the student's files, with the one of `keep_float`."""
        mixed = self.keep_float or self.max_drop is not None
        return (*dict.fromkeys(self.precisions), *(("mixed",) if mixed else ()))

    @model_validator(mode="after")
    def _float_layers_are_of_int8(self) -> Self:
        if self.keep_float and self.max_drop is not None:
            raise ValueError("keep_float and max_drop exclude each other: max_drop chooses layers")
        if "mixed" in self.made and "int8" not in self.precisions:
            raise ValueError(
                "keep_float and max_drop take layers out of the quantization-aware network: they "
                "need the precision int8. The ranges of int8_ptq are those of TFLite's converter, "
                "which takes no list of layers"
            )
        return self

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
            for precision in self.made:
                held = FORMATS[target].precisions
                if precision not in held:
                    chosen = ", ".join(name for name in held if name in CHOSEN)
                    raise ValueError(f"{target} cannot be {precision}; it can be: {chosen}")
        return self


class ConfidenceConfig(Section):
    """When a prediction is too unsure to be used: `targets.evaluation.thresholds`."""

    precision: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Wanted share of right ones among the predictions that are not `unknown`."""
    per_class: bool = False
    """A threshold for each predicted class whose validation samples show the precision. The others,
    with too few samples or too many wrong ones, keep the common one, without a promise of their
    own."""


class BenchConfig(Section):
    enabled: bool = True
    devices: Annotated[tuple[Device, ...], Field(min_length=1)] = ("local",)
    threads: PositiveInt = 1
    tier: Literal["rapid", "quick", "normal"] = "rapid"
    """Default of the next five keys: MLPerf Mobile's tiers."""
    processes: PositiveInt
    """Fresh processes per model: the unit of replication."""
    min_queries: PositiveInt
    min_duration_s: PositiveFloat
    max_duration_s: PositiveFloat
    """The number of queries and both durations are for all processes of one model together."""
    repeats: Annotated[int, Field(ge=0, strict=True)]
    """How often a process is measured again after the machine disturbed it."""
    warmup_runs: PositiveInt = 5
    warmup_s: PositiveFloat = 0.5
    timeout_s: PositiveFloat = 600.0
    """Seconds after which a measuring process is ended."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_tier(cls, table: object) -> object:
        if not isinstance(table, dict):
            return table
        name = table.get("tier")
        tier = TIERS[name if name in list(TIERS) else "rapid"]
        return {**tier._asdict(), **table}

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
    """Test images for each corruption, at most."""

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                "a seed is listed twice: the same training counted as two would make the intervals "
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
    augmentation: AugmentationConfig = AugmentationConfig()
    teacher: TeacherConfig = TeacherConfig()
    logits: LogitsConfig = LogitsConfig()
    distill: DistillConfig = DistillConfig()
    quantize: QuantizeConfig = QuantizeConfig()
    convert: ConvertConfig = ConvertConfig()
    confidence: ConfidenceConfig = ConfidenceConfig()
    bench: BenchConfig = Field(default_factory=lambda: BenchConfig.model_validate({}))
    ablation: AblationConfig = AblationConfig()
    gates: Gates = Gates()
    tracking: TrackingConfig = TrackingConfig()

    @property
    def teacher_data(self) -> DatasetConfig:
        """`dataset` at the size of the teacher's images."""
        size = self.teacher.size
        return self.dataset if size is None else self.dataset.model_copy(update={"size": size})

    @model_validator(mode="after")
    def _gates_are_of_files_that_are_made(self) -> Self:
        made = [f"student.{p}.{t}" for p in self.convert.made for t in self.convert.targets]
        for name in self.gates.files:
            if name not in made and not name.startswith("teacher."):
                raise ValueError(
                    f"gates.files: {printable(name)} is not a file of this recipe, which makes "
                    f"{listed(made)} and files of the teacher"
                )
        return self

    @model_validator(mode="after")
    def _teacher_file_keys_fit(self) -> Self:
        file, features = self.teacher.file, self.distill.features
        if file is None:
            for key, field in TeacherFileConfig.model_fields.items():
                if getattr(self.teacher, key) != field.default:
                    raise ValueError(
                        f"teacher.{key}: describes a teacher's file, and teacher.file is not set; "
                        "leave it out, or give the file with --teacher"
                    )
        elif features != "none":
            raise ValueError(
                f"distill.features: {features} needs the teacher's layers, and teacher.file gives "
                "logits only; leave features out, or train the teacher here"
            )
        elif file.suffix.lower() == ".npz" and (self.distill.mixup or self.distill.cutmix):
            key = "mixup" if self.distill.mixup else "cutmix"
            raise ValueError(
                f"distill.{key}: the precomputed logits in teacher.file are not those of mixed "
                "images; set it to 0, or give the network itself"
            )
        return self

    @model_validator(mode="after")
    def _student_can_inherit(self) -> Self:
        teacher, student = self.teacher, self.distill
        if student.init != "teacher":
            return self
        if teacher.file is not None:
            raise ValueError(
                "distill.init: teacher needs the teacher's layers, and teacher.file is a network "
                "of another program; leave init out, or train the teacher here"
            )
        if teacher.family != student.family:
            raise ValueError(
                f"distill.init: teacher needs one family, and the teacher is {teacher.family}, the "
                f"student {student.family}; set both families alike, or leave init out"
            )
        if student.weights is not None:
            raise ValueError("distill.init: teacher and distill.weights exclude each other")
        return self

    @model_validator(mode="after")
    def _feature_weight_is_used(self) -> Self:
        if self.distill.features == "none" and self.distill.feature_weight is not None:
            raise ValueError(
                "distill.feature_weight: without distill.features it has no effect; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _frozen_layers_are_pretrained(self) -> Self:
        pretrained = {
            "teacher": self.teacher.weights is not None,
            "distill": self.distill.weights is not None or self.distill.init == "teacher",
        }
        for name, cfg in (("teacher", self.teacher), ("distill", self.distill)):
            for key in ("freeze_batch_norm", "frozen_share"):
                if getattr(cfg, key) and not pretrained[name]:
                    raise ValueError(
                        f"{name}.{key}: keeps layers at their initial weights, which are random "
                        f"here; set {name}.weights, or leave it out"
                    )
        return self

    @model_validator(mode="before")
    @classmethod
    def _quantize_as_distilled(cls, tree: object) -> object:
        """The losses are carried into quantization-aware training, unless that names its own."""
        if not isinstance(tree, dict):
            return tree
        distill, quantize = tree.get("distill", {}), tree.get("quantize", {})
        tables = isinstance(distill, dict) and isinstance(quantize, dict)
        if not tables:
            return tree
        keys = LABEL_KEYS if "loss" in quantize else (*LOSS_KEYS, *LABEL_KEYS)
        carried = {key: distill[key] for key in keys if key in distill}
        return {**tree, "quantize": {**carried, **quantize}}


LOSS_KEYS = ("loss", "temperature", "alpha", "parameters")
LABEL_KEYS = ("balance", "label_smoothing")

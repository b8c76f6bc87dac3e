"""THE schema: one frozen model per stage, with defaults and checks.

`pipeline.recipe.load` reads a recipe and explains its errors. No later code checks a value again.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.datasets import DATASETS
from pipeline.datasets.contract import SourceConfig
from pipeline.recipe.files import ConfidenceConfig, ConvertConfig
from pipeline.recipe.gates import Gates
from pipeline.recipe.kinds import require_kind, require_own_kind, require_sounds, with_kind
from pipeline.recipe.names import Device, Seed, Slug, plugin
from pipeline.recipe.precisions import require_precisions
from pipeline.recipe.search import SearchConfig
from pipeline.recipe.section import PositiveFloat, PositiveInt, Section
from pipeline.recipe.streaming import StreamingConfig
from pipeline.recipe.tracking import TrackingConfig
from pipeline.recipe.training import (
    AugmentationConfig,
    DistillConfig,
    LogitsConfig,
    QuantizeConfig,
    TeacherConfig,
    coupling,
)
from pipeline.teachers.contract import TeacherFileConfig
from pipeline.training.augmentation import ViewSettings
from targets.bench.tiers import TIERS
from targets.devices.cpus import available_cpus
from targets.errors import listed, printable
from targets.formats.input_kinds import WORDS, Words


class AboutConfig(Section):
    """Measured cost and accuracy of a recipe; `pipeline recipes` shows them, no stage uses them."""

    summary: str = ""
    cost: str = ""
    reaches: str = ""


class DatasetConfig(SourceConfig):
    PLUGINS = DATASETS

    name: Annotated[str, plugin(DATASETS)] = "digits"


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
    """Test samples for each corruption, at most."""

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
    workers: Annotated[PositiveInt, Field(le=1024)] = 1
    """Processes that train a network together, each with `threads` and its part of every batch."""
    about: AboutConfig = AboutConfig()
    dataset: DatasetConfig = DatasetConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    teacher: TeacherConfig = TeacherConfig()
    logits: LogitsConfig = LogitsConfig()
    distill: DistillConfig = DistillConfig()
    quantize: QuantizeConfig = QuantizeConfig()
    convert: ConvertConfig = ConvertConfig()
    confidence: ConfidenceConfig = ConfidenceConfig()
    streaming: StreamingConfig = StreamingConfig(enabled=False)
    bench: BenchConfig = Field(default_factory=lambda: BenchConfig.model_validate({}))
    ablation: AblationConfig = AblationConfig()
    search: SearchConfig = SearchConfig()
    gates: Gates = Gates()
    tracking: TrackingConfig = TrackingConfig()

    @property
    def teacher_data(self) -> DatasetConfig:
        """`dataset` at the size of the teacher's images."""
        size = self.teacher.size
        return self.dataset if size is None else self.dataset.model_copy(update={"size": size})

    @property
    def teacher_views(self) -> ViewSettings:
        """What the teacher is trained on; a teacher's file is not trained."""
        own, views = self.teacher.cutout, self.augmentation.views
        if self.teacher.file is not None or own is None:
            return views
        return views.model_copy(update={"cutout": own})

    @property
    def words(self) -> Words:
        """What a person calls the samples."""
        return WORDS[self.augmentation.kind]

    @model_validator(mode="before")
    @classmethod
    def _of_the_kind_of_the_data(cls, tree: object) -> object:
        if not isinstance(tree, dict):
            return tree
        require_own_kind(tree)
        return with_kind(tree)

    @model_validator(mode="after")
    def _tables_fit_the_kind_of_the_data(self) -> Self:
        require_kind(self.dataset, teacher=self.teacher, distill=self.distill, convert=self.convert)
        if self.streaming.enabled:
            require_sounds(self.dataset, "streaming")
        return self

    @model_validator(mode="after")
    def _student_has_the_precisions(self) -> Self:
        require_precisions(self.distill.family, self.convert, ablation=self.ablation.enabled)
        return self

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
                f"{self.words.many}; set it to 0, or give the network itself"
            )
        return self

    @model_validator(mode="after")
    def _one_teacher_has_layers(self) -> Self:
        members, cfg = self.teacher.members, self.distill
        if members > 1 and (cfg.features != "none" or cfg.init == "teacher"):
            key = "init" if cfg.init == "teacher" else "features"
            raise ValueError(
                f"distill.{key}: needs the layers of one teacher, and teacher.members = {members}; "
                f"set it to 1, or leave {key} out"
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

    @model_validator(mode="after")
    def _workers_can_share_batches(self) -> Self:
        if self.workers == 1:
            return self
        sizes = {name: getattr(self, name).batch_size for name in ("distill", "quantize")}
        sizes |= {} if self.teacher.file else {"teacher": self.teacher.batch_size}
        for name, size in sizes.items():
            if size % self.workers:
                raise ValueError(
                    f"{name}.batch_size: {size} {self.words.many} cannot be shared equally among "
                    f"{self.workers} workers; give a multiple of {self.workers}"
                )
        for key in coupling(self.distill, self.quantize):
            raise ValueError(
                f"{key} compares the {self.words.many} of a batch with each other, and each of "
                f"{self.workers} workers has a part of the batch: the loss would be another one; "
                "set workers = 1, or choose another loss"
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

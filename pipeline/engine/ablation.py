"""What each stage gains: the same runner over variants of the recipe and seeds, sharing its store.

The teacher and its logits are those of the recipe; every student and every fine-tuning is trained
with the ablation's own budget, once per seed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from pipeline.engine.artifacts import Exports
from pipeline.recipe.schema import AblationConfig, Recipe
from targets.errors import ProofError
from targets.formats import FORMATS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.datasets.on_access import Raw
    from pipeline.datasets.splits import Dataset, Samples
    from pipeline.reporting.schema.ablation import Ablation, AblationRow
    from targets.formats.input_spec import Kind

    Logits = npt.NDArray[np.float32]

Make = Callable[[Recipe], Exports]
"""Run a recipe as far as its files, which are measured here."""
Say = Callable[[str], None]
Values = Mapping[str, object]
"""Keys of one table of the recipe -> values."""
Section = TypeVar("Section", bound=BaseModel)

CHAINS: Mapping[str, Mapping[str, Values]] = {
    "scratch": {
        "distill": {"alpha": 0.0, "loss": "kd", "features": "none"},
        "convert": {"precisions": ("float32",)},
    },
    "kd": {"convert": {"precisions": ("float32", "int8_ptq", "int8")}},
    "hard": {"quantize": {"alpha": 0.0, "loss": "kd"}, "convert": {"precisions": ("int8",)}},
    "random": {
        "distill": {
            "init": "random",
            "weights": None,
            "freeze_batch_norm": False,
            "frozen_share": 0.0,
        },
        "convert": {"precisions": ("float32",)},
    },
}
"""Changes of the recipe for each chain of stages; `hard` shares its student with `kd`. All others
keep the recipe's initial weights, which `random` is compared with."""

FILES = {
    "student_scratch": ("scratch", "student.float32"),
    "student_random": ("random", "student.float32"),
    "student_kd": ("kd", "student.float32"),
    "kd_ptq": ("kd", "student.int8_ptq"),
    "kd_qat": ("kd", "student.int8"),
    "kd_qat_hard": ("hard", "student.int8"),
}
"""Variant of the table -> the chain that makes it, and its file there."""

FORMAT = next(iter(FORMATS))
"""All variants are measured in the first format, which holds every precision."""

PLAIN_FILES: Values = {
    "targets": (FORMAT,),
    "prove_on": (),
    "keep_float": (),
    "max_drop": None,
    "front_end_apart": False,
    "probabilities": False,
}
"""What a chain need not have: it is about the training, and some need other files than it makes."""

CALIBRATED = "int8_ptq"
"""The precision of the one file that a chain can do without."""

CORRUPTION_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The outputs of one variant on the test split."""

    variant: str
    seed: int
    logits: "Logits"
    """[test samples, classes]."""
    corrupted: Mapping[str, tuple[float, ...]]
    """Kind of corruption -> accuracy at severities 1 to 5; empty where it was not measured."""


Observe = Callable[[str, int, Exports, str], Observation]
"""Variant, seed, exports and the name of the file there."""


def run(recipe: Recipe, *, make: Make, say: Say) -> "Ablation":
    """The table of `pipeline.reporting.findings.ablation`, for the report."""
    from pipeline import datasets
    from pipeline.datasets.splits import Split
    from pipeline.reporting.findings.ablation import tabulate
    from targets.evaluation import metrics

    data = datasets.load(recipe.dataset)
    test = data[Split.TEST]
    with TemporaryDirectory(prefix="ablation-") as folder:
        observe = observer(data, recipe.ablation, Path(folder) / "student", say)

        def observe_teacher(variant: str, seed: int, exports: Exports, file: str) -> Observation:
            larger = datasets.load(recipe.teacher_data)
            own = observe
            if larger is not data:
                own = observer(larger, recipe.ablation, Path(folder) / "teacher", say)
            return own(variant, seed, exports, file)

        observed = list(_observations(recipe, make, observe, observe_teacher, say))
    lacking = unproved(observed)
    kept = [one for one in observed if one.variant not in lacking]
    right = {(one.variant, one.seed): metrics.right(one.logits, test.labels) for one in kept}
    table = tabulate(table_rows(kept, test), right)
    return table.model_copy(update={"notes": tuple(lacking.values())})


def chains(recipe: Recipe) -> tuple[str, ...]:
    """The chains of a recipe: `random` is another one where the recipe gives initial weights."""
    given = recipe.distill.init != "random" or recipe.distill.weights is not None
    return tuple(chain for chain in CHAINS if given or chain != "random")


def variant(recipe: Recipe, chain: str, seed: int) -> Recipe:
    """The recipe of one chain: its own losses and precisions at the ablation's budget."""
    budget, changes = recipe.ablation, CHAINS[chain]
    distill = {"seed": seed, "epochs": budget.distill_epochs}
    quantize = {"seed": seed, "epochs": budget.quantize_epochs}
    return recipe.model_copy(
        update={
            "distill": _changed(recipe.distill, {**distill, **changes.get("distill", {})}),
            "quantize": _changed(recipe.quantize, {**quantize, **changes.get("quantize", {})}),
            "convert": _changed(recipe.convert, {**PLAIN_FILES, **changes["convert"]}),
            "streaming": _changed(recipe.streaming, {"enabled": False}),
        }
    )


def _changed(section: Section, values: Values) -> Section:
    """A copy with `values`; another loss has its own parameters."""
    own: Values = {"parameters": {}} if "loss" in values else {}
    return type(section).model_validate({**section.model_dump(), **own, **values})


def _observations(
    recipe: Recipe, make: Make, observe: Observe, teachers: Observe, say: Say
) -> Iterator[Observation]:
    """The teacher first, on samples of its size, then every variant of every seed."""
    for number, seed in enumerate(recipe.ablation.seeds):
        exports = {}
        for chain in chains(recipe):
            say(f"ablation  seed {seed}: {chain}")
            exports[chain] = files(variant(recipe, chain, seed), make, say)
        if number == 0:
            yield from observed_teacher(recipe, exports["kd"], teachers)
        for name, (chain, file) in FILES.items():
            made = {model.name for model in exports[chain].models} if chain in exports else ()
            if f"{file}.{FORMAT}" in made:
                yield observe(name, seed, exports[chain], f"{file}.{FORMAT}")


def files(recipe: Recipe, make: Make, say: Say) -> Exports:
    """The files of a chain, without the calibrated one where that is not its network any more.

    8 bits by calibration alone may lose so much that the proof fails, which ends a run: here it is
    a finding. Raises `ProofError` for any other file.
    """
    kept = tuple(name for name in recipe.convert.precisions if name != CALIBRATED)
    try:
        return make(recipe)
    except ProofError as error:
        if kept == recipe.convert.precisions:
            raise
        say(f"ablation  without {CALIBRATED}: {error}")
        convert = _changed(recipe.convert, {"precisions": kept})
        return make(recipe.model_copy(update={"convert": convert}))


def unproved(observed: Sequence[Observation]) -> dict[str, str]:
    """Variant that has no file with some seed -> what a person reads of it.

    It is left out with all seeds: a mean over those that succeeded would be too good.
    """
    from pipeline.reporting.findings.ablation import VARIANTS

    name = "kd_ptq"
    seeds = {one.seed for one in observed if one.variant == "student_kd"}
    lacking = sorted(seeds - {one.seed for one in observed if one.variant == name})
    if not lacking:
        return {}
    shown, which = VARIANTS[name].removeprefix("+ "), ", ".join(map(str, lacking))
    why = f"With seed {which} the outputs of its file are not those of its network any more."
    return {name: f"Left out: {shown}. {why}"}


def observed_teacher(recipe: Recipe, exports: Exports, observe: Observe) -> Iterator[Observation]:
    """Observe the teacher's file, or its precomputed logits, which lack the corrupted samples."""
    from pipeline.stages.bench import teacher_logits

    file = next((m.name for m in exports.models if m.role == "teacher"), None)
    logits = teacher_logits(exports)
    if file is not None:
        yield observe("teacher", recipe.seed, exports, file)
    elif logits is not None:
        yield Observation(variant="teacher", seed=recipe.seed, logits=logits, corrupted={})


def observer(data: "Dataset", cfg: AblationConfig, scratch: Path, say: Say) -> Observe:
    """Measures files on the test split of `data`, and on corrupted samples of it."""
    import numpy as np

    from pipeline.datasets.splits import Split
    from targets.bench.plan import logits_of, store
    from targets.evaluation.corruptions import CORRUPTIONS, SEVERITIES

    test, names = data[Split.TEST], CORRUPTIONS[data.input.kind]
    scratch.mkdir()
    count = min(cfg.corrupted_samples, len(test))
    chosen = np.linspace(0, len(test) - 1, count).astype(int)
    labels = test.labels[chosen]
    corrupted, plain = scratch / "corrupted.npy", scratch / "plain.npy"
    _store_corrupted(np.asarray(test.raw[chosen]), data.input.kind, corrupted)
    store(test.raw, plain)

    def observe(variant: str, seed: int, exports: Exports, file: str) -> Observation:
        say(f"ablation  {variant}, seed {seed}: top-1, and on corrupted {data.words.many}")
        model = next(m for m in exports.models if m.name == file)

        def outputs(samples: Path) -> "Logits":
            return logits_of(
                exports.path(model), model.format, samples, scratch, adapter=model.adapter
            )

        logits = outputs(corrupted).reshape(len(names), len(SEVERITIES), count, -1)
        accuracies = (logits.argmax(axis=-1) == labels).mean(axis=-1)
        return Observation(
            variant=variant,
            seed=seed,
            logits=outputs(plain),
            corrupted={
                name: tuple(map(float, by_severity))
                for name, by_severity in zip(names, accuracies, strict=True)
            },
        )

    return observe


def _store_corrupted(raw: "Raw", kind: "Kind", path: Path) -> None:
    """Write `raw` in every corruption and severity, one after the other; never hold them all."""
    from itertools import product

    from targets.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
    from targets.files.npy_file import new_npy

    forms = list(product(CORRUPTIONS[kind], SEVERITIES))
    stored = new_npy(path, raw.dtype, (len(forms) * len(raw), *raw.shape[1:]))
    for number, (name, severity) in enumerate(forms):
        form = corrupt(raw, kind=kind, name=name, severity=severity, seed=CORRUPTION_SEED)
        stored[number * len(raw) :][: len(raw)] = form
    stored.flush()


def table_rows(observed: Sequence[Observation], test: "Samples") -> "list[AblationRow]":
    """A row per observation, compared with the teacher and with what the variant is made from."""
    teacher = next((one for one in observed if one.variant == "teacher"), None)
    return [_row(one, _source(one, observed), teacher, test) for one in observed]


def _source(one: Observation, observed: Sequence[Observation]) -> Observation | None:
    """Return the float student of the same seed; for a float student, the teacher."""
    if one.variant == "teacher":
        return None
    if one.variant.startswith("student"):
        return next((other for other in observed if other.variant == "teacher"), None)
    made_from = ("student_kd", one.seed)
    return next(other for other in observed if (other.variant, other.seed) == made_from)


def _row(
    one: Observation, source: Observation | None, teacher: Observation | None, test: "Samples"
) -> "AblationRow":
    from pipeline.reporting.model_rows import fidelity_of
    from pipeline.reporting.schema.ablation import AblationRow
    from targets.evaluation import confusion, metrics

    top1 = metrics.top1(one.logits, test.labels)
    classes = max(one.logits.shape[1], 2)  # one output separates two classes
    counts = confusion.confusion(one.logits, test.labels, classes=classes)
    fidelity = fidelity_of(
        one.logits,
        teacher=None if teacher is None else teacher.logits,
        source=None if source is None else source.logits,
        labels=test.labels,
    )
    return AblationRow(
        variant=one.variant,
        seed=one.seed,
        top1=top1,
        top1_ci=metrics.wilson_interval(top1, len(test.labels)),
        balanced_accuracy=confusion.balanced_accuracy(counts),
        macro_f1=confusion.macro_f1(counts),
        corrupted=dict(one.corrupted),
        **fidelity.model_dump(),
    )

"""What each stage buys: the same runner over variants of the recipe and seeds, sharing its store.

The teacher and its logits are those of the recipe; every student and every fine-tuning is trained
at the ablation's own budget, once per seed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline.engine.artifacts import Exports
from pipeline.recipe.schema import AblationConfig, Recipe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.datasets.splits import Dataset, Samples
    from pipeline.reporting.schema.ablation import Ablation, AblationRow

    Logits = npt.NDArray[np.float32]

Make = Callable[[Recipe], Exports]
"""Run a recipe as far as its files, which are measured here."""
Say = Callable[[str], None]

CHAINS: Mapping[str, dict[str, Any]] = {
    "scratch": {
        "distill": {"alpha": 0.0, "loss": "kd", "features": "none"},
        "convert": {"precisions": ("float32",)},
    },
    "kd": {"convert": {"precisions": ("float32", "int8_ptq", "int8")}},
    "hard": {"quantize": {"alpha": 0.0, "loss": "kd"}, "convert": {"precisions": ("int8",)}},
}
"""What is changed in the recipe for each chain of stages; `hard` shares its student with `kd`."""

FILES = {
    "student_scratch": ("scratch", "student.float32.tflite"),
    "student_kd": ("kd", "student.float32.tflite"),
    "kd_ptq": ("kd", "student.int8_ptq.tflite"),
    "kd_qat": ("kd", "student.int8.tflite"),
    "kd_qat_hard": ("hard", "student.int8.tflite"),
}
"""Variant of the table -> the chain that makes it, and its file there."""

CORRUPTION_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one file says to the test split, and to its corrupted part where it was asked."""

    variant: str
    seed: int
    logits: "Logits"
    corrupted: "dict[str, tuple[float, ...]]"


def run(recipe: Recipe, *, make: Make, data: "Dataset", say: Say) -> "Ablation":
    """The table of `pipeline.reporting.findings.ablation`, for the report."""
    from pipeline.datasets.splits import Split
    from pipeline.reporting.findings.ablation import tabulate
    from targets.evaluation import metrics

    test = data[Split.TEST]
    with TemporaryDirectory(prefix="ablation-") as folder:
        measure = _measure(test, recipe.ablation, Path(folder), say)
        answers = list(_answers(recipe, make, measure, say))
    rows = [_row(one, _before(one, answers), answers[0], test) for one in answers]
    right = {(one.variant, one.seed): metrics.right(one.logits, test.labels) for one in answers}
    return tabulate(rows, right)


def variant(recipe: Recipe, chain: str, seed: int) -> Recipe:
    """The recipe of one chain: its own losses and precisions at the ablation's budget."""
    budget = recipe.ablation
    tables: dict[str, dict[str, Any]] = {
        "distill": {"seed": seed, "epochs": budget.distill_epochs},
        "quantize": {"seed": seed, "epochs": budget.quantize_epochs},
        "convert": {"targets": ("tflite",)},
    }
    changed = {
        name: _changed(getattr(recipe, name), {**values, **CHAINS[chain].get(name, {})})
        for name, values in tables.items()
    }
    return recipe.model_copy(update=changed)


def _changed(table: Any, values: dict[str, Any]) -> Any:
    if "loss" in values:
        values = {"parameters": {}, **values}
    return type(table).model_validate({**table.model_dump(), **values})


Measure = Callable[[str, int, Exports, str], Answers]


def _answers(recipe: Recipe, make: Make, measure: Measure, say: Say) -> Iterator[Answers]:
    """The teacher first, then every variant of every seed."""
    for number, seed in enumerate(recipe.ablation.seeds):
        exports = {}
        for chain in CHAINS:
            say(f"ablation  seed {seed}: {chain}")
            exports[chain] = make(variant(recipe, chain, seed))
        if number == 0:
            yield from _teacher(recipe, exports["kd"], measure)
        for name, (chain, file) in FILES.items():
            yield measure(name, seed, exports[chain], file)


def _teacher(recipe: Recipe, exports: Exports, measure: Measure) -> Iterator[Answers]:
    """Its file, or the logits that were computed before, which say nothing of corrupted images."""
    from pipeline.stages.bench import teacher_logits

    file = next((m.name for m in exports.models if m.role == "teacher"), None)
    logits = teacher_logits(exports)
    if file is not None:
        yield measure("teacher", recipe.seed, exports, file)
    elif logits is not None:
        yield Answers(variant="teacher", seed=recipe.seed, logits=logits, corrupted={})


def _measure(test: "Samples", cfg: AblationConfig, scratch: Path, say: Say) -> Measure:
    import numpy as np

    from targets.bench.plan import logits_of
    from targets.evaluation.corruptions import KINDS, SEVERITIES, corrupt

    count = min(cfg.corrupted_samples, len(test))
    chosen = np.linspace(0, len(test) - 1, count).astype(int)
    images, labels = np.asarray(test.images[chosen]), test.labels[chosen]
    corrupted = np.concatenate(
        [
            corrupt(images, kind=kind, severity=severity, seed=CORRUPTION_SEED)
            for kind in KINDS
            for severity in SEVERITIES
        ]
    )

    def measure(variant: str, seed: int, exports: Exports, file: str) -> Answers:
        say(f"ablation  {variant}, seed {seed}: top-1, and {len(corrupted)} corrupted images")
        model = next(m for m in exports.models if m.name == file)

        def ask(samples: Any) -> "Logits":
            return logits_of(
                exports.path(model), model.format, samples, scratch, adapter=model.adapter
            )

        answers = ask(corrupted).reshape(len(KINDS), len(SEVERITIES), count, -1)
        shares = (answers.argmax(axis=-1) == labels).mean(axis=-1)
        return Answers(
            variant=variant,
            seed=seed,
            logits=ask(test.images),
            corrupted={
                kind: tuple(float(share) for share in shares[index])
                for index, kind in enumerate(KINDS)
            },
        )

    return measure


def _before(one: Answers, answers: list[Answers]) -> Answers | None:
    """What a variant was made from: the float student of its seed, or the teacher."""
    if one.variant == "teacher":
        return None
    if one.variant.startswith("student"):
        return next((a for a in answers if a.variant == "teacher"), None)
    return next(a for a in answers if (a.variant, a.seed) == ("student_kd", one.seed))


def _row(one: Answers, before: Answers | None, first: Answers, test: "Samples") -> "AblationRow":
    from pipeline.reporting.schema.ablation import AblationRow
    from targets.evaluation import metrics

    labels, share = test.labels, metrics.top1(one.logits, test.labels)
    against: dict[str, Any] = {}
    if first.variant == "teacher":
        against["agreement_with_teacher"] = metrics.agreement(one.logits, first.logits)
        against["kl_to_teacher"] = metrics.kl_divergence(reference=first.logits, model=one.logits)
    if before is not None:
        pair = {"before": before.logits, "after": one.logits}
        against["negative_flip_rate"] = metrics.negative_flip_rate(**pair, labels=labels)
        against["worst_class_change"] = metrics.worst_class_change(**pair, labels=labels)
    return AblationRow(
        variant=one.variant,
        seed=one.seed,
        top1=share,
        top1_ci=metrics.wilson_interval(share, len(labels)),
        ece=metrics.expected_calibration_error(one.logits, labels),
        corrupted=one.corrupted,
        **against,
    )

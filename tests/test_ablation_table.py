"""The ablation says what its observations show, and no more."""

import json

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from pipeline.reporting.findings.ablation import STEPS, VARIANTS, tabulate
from pipeline.reporting.formatting import points
from pipeline.reporting.schema.ablation import Ablation, AblationRow, Step
from pipeline.reporting.tables.ablation import variants
from targets.evaluation.significance import Right
from tests.reports import two_formats

SAMPLES = 2000
WRONG = {
    "teacher": (120, 118, 125),
    "student_scratch": (220, 214, 221),
    "student_random": (190, 188, 194),
    "student_kd": (160, 157, 164),
    "kd_ptq": (166, 156, 160),
    "kd_qat": (161, 158, 162),
    "kd_qat_hard": (160, 163, 161),
}
"""Errors by seed: the later variants of this made-up ablation differ by next to nothing."""


def observed(**wrong: tuple[int, ...]) -> tuple[list[AblationRow], dict[tuple[str, int], Right]]:
    rows, right = [], {}
    for variant, counts in wrong.items():
        for seed, count in enumerate(counts):
            answers = np.arange(SAMPLES) >= count
            right[variant, seed] = np.roll(answers, 7 * list(VARIANTS).index(variant))
            rows.append(row(variant, seed, 1 - count / SAMPLES))
    return rows, right


def row(variant: str, seed: int, top1: float) -> AblationRow:
    return AblationRow(
        variant=variant,
        seed=seed,
        top1=top1,
        top1_ci=(top1 - 0.01, top1 + 0.01),
        agreement_with_teacher=0.9 + seed / 100,
        kl_to_teacher=0.1,
        ece=0.02,
        negative_flip_rate=None if variant == "teacher" else 0.01,
        worst_class_change=None if variant == "teacher" else (-0.01 * (seed + 1), seed),
        corrupted={"noise": tuple(top1 - 0.01 * s for s in range(1, 6))},
    )


def step(table: Ablation, after: str, before: str) -> Step:
    (found,) = (s for s in table.steps if (s.before, s.after) == (before, after))
    return found


@pytest.fixture(scope="module")
def table() -> Ablation:
    return tabulate(*observed(**WRONG))


def test_variants_and_steps_stand_in_their_order(table: Ablation) -> None:
    assert [v.name for v in table.variants] == list(VARIANTS)
    assert [(s.before, s.after) for s in table.steps] == [s[:2] for s in STEPS]
    assert table.test_samples == SAMPLES
    document = json.dumps(table.model_dump(mode="json", by_alias=True), allow_nan=False)
    assert Ablation.model_validate_json(document) == table


def test_the_student_on_labels_is_from_scratch_only_where_no_weights_are_given(
    table: Ablation,
) -> None:
    plain = tabulate(*observed(**{k: v for k, v in WRONG.items() if k != "student_random"}))
    described = [v.description for t in (plain, table) for v in t.variants if "scratch" in v.name]
    assert described == ["student from scratch", "student on labels alone, same initial weights"]


def test_a_variant_has_its_mean_and_its_interval_over_seeds(table: Ablation) -> None:
    (kd,) = (v for v in table.variants if v.name == "student_kd")
    assert kd.top1 == pytest.approx(1 - 481 / 6000)
    assert kd.top1_interval is not None
    assert kd.top1_interval[0] < kd.top1 < kd.top1_interval[1]
    assert kd.agreement_with_teacher == pytest.approx(0.91)
    assert kd.worst_class_change == (-0.03, 2)
    assert kd.corrupted["noise"] == pytest.approx([kd.top1 - 0.01 * s for s in range(1, 6)])
    assert [run.seed for run in kd.runs] == [0, 1, 2]


def test_what_was_not_measured_is_null(table: Ablation) -> None:
    teacher = table.variants[0]
    assert teacher.negative_flip_rate is None
    assert teacher.worst_class_change is None


def test_a_large_steady_gain_is_separated(table: Ablation) -> None:
    kd = step(table, "student_kd", "student_scratch")
    pairs = zip(WRONG["student_scratch"], WRONG["student_kd"], strict=True)
    gains = [(a - b) / SAMPLES for a, b in pairs]
    assert [run.gain for run in kd.runs] == pytest.approx(gains)
    expected = ttest_1samp(gains, 0)
    assert kd.p_seeds == pytest.approx(expected.pvalue)
    assert kd.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert kd.p_images < 0.001
    assert kd.separated
    assert "a gain that the tests show" in kd.words


def test_what_does_not_separate_is_published_in_those_words(table: Ablation) -> None:
    qat = step(table, "kd_qat", "kd_ptq")
    assert not qat.separated
    assert "not shown to differ from no change" in qat.words
    assert "another seed" in qat.words


def test_a_loss_is_called_a_loss() -> None:
    swapped = {**WRONG, "student_kd": WRONG["student_scratch"], "student_scratch": (150, 152, 149)}
    words = step(tabulate(*observed(**swapped)), "student_kd", "student_scratch").words
    assert words.startswith("−3.")
    assert "a loss that the tests show" in words


def test_steady_seeds_do_not_make_up_for_few_images() -> None:
    """The same tiny gain in every seed: sure about seeds, not about images."""
    table = tabulate(*observed(student_scratch=(20, 20, 20), student_kd=(18, 18, 18)))
    (only,) = table.steps
    assert only.p_seeds == 0.0
    assert only.p_images > 0.05
    assert not only.separated
    assert "another test split could reverse it" in only.words


def test_one_seed_is_tested_over_images_alone() -> None:
    (only,) = tabulate(*observed(student_scratch=(220,), student_kd=(160,))).steps
    assert only.p_seeds is None
    assert only.p_images == only.runs[0].p_value
    assert only.interval == only.runs[0].interval
    assert only.interval_over == "images"


def test_other_seeds_are_not_paired() -> None:
    with pytest.raises(ValueError, match="other seeds"):
        tabulate(*observed(student_scratch=(220, 230), student_kd=(160,)))


@pytest.mark.parametrize(
    ("share", "text"), [(0.0021, "+0.21"), (-0.0135, "−1.35"), (-0.00001, "0.00"), (0.0, "0.00")]
)
def test_points_have_a_sign_where_there_is_one(share: float, text: str) -> None:
    assert points(share) == text


def test_balanced_accuracy_stands_in_the_table_where_the_classes_are_uneven() -> None:
    rows, right = observed(**WRONG)
    scored = [r.model_copy(update={"balanced_accuracy": 0.7 + r.seed / 100}) for r in rows]
    table, dataset = tabulate(scored, right), two_formats().dataset
    for imbalance, shown in ((1.4, False), (1.6, True)):
        even = dataset.model_copy(update={"test_imbalance": imbalance})
        header, cells = variants(table, even)
        assert ("balanced %" in header) == shown
        assert "macro F1 %" not in header  # an older table has none
    assert cells[0][header.index("balanced %")] == "71.00"

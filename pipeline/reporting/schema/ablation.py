"""The ablation of `report/1`: what each step from the teacher to the int8 student gains."""

from typing import Literal

from pydantic import Field

from pipeline.reporting.schema.model_row import Fidelity, Interval, Part


class VariantRun(Fidelity):
    """One variant trained with one seed, on the whole test split."""

    seed: int
    top1: float
    top1_ci: Interval
    """Wilson's 95 % interval of top-1."""
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    corrupted: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """Kind of corruption -> accuracy at severities 1 to 5."""


class AblationRow(VariantRun):
    variant: str
    """A key of `findings.ablation.VARIANTS`."""


class Variant(Fidelity):
    """Means over seeds (of the worst class: the worst of all), and the runs."""

    name: str
    """A key of `findings.ablation.VARIANTS`."""
    description: str = Field(alias="is")
    seeds: tuple[int, ...]
    top1: float
    top1_interval: Interval | None
    """Student's t over seeds; null for one seed."""
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    corrupted: dict[str, tuple[float, ...]]
    runs: tuple[VariantRun, ...]


class Pair(Part):
    """McNemar's test on two variants of one seed: `evaluation.significance.Paired`."""

    seed: int
    gain: float
    interval: Interval
    b: int
    """Samples that became wrong."""
    c: int
    """Samples that became right."""
    p_value: float


class Step(Part):
    """What one step adds: two variants, compared seed by seed."""

    before: str
    after: str
    adds: str
    seeds: tuple[int, ...]
    gain: float
    interval: Interval
    interval_over: Literal["seeds", "images"]
    """`images` are the test samples, of any kind; so they are in `p_images`."""
    p_seeds: float | None
    """P-value of the paired t test; null for one seed."""
    p_images: float
    separated: bool
    """Whether both tests separate the gain from no change."""
    runs: tuple[Pair, ...]
    words: str
    """The gain and what the tests show of it, for a person."""


class Ablation(Part):
    test_samples: int
    notes: tuple[str, ...] = ()
    """Variants that are left out, and why: a sentence each."""
    variants: tuple[Variant, ...]
    steps: tuple[Step, ...]
    wall_s: float | None = None
    """Time to make what was not in the store yet."""

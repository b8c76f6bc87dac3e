"""A report calls the samples by what they are: images, clips, texts."""

import re

import numpy as np
import pytest

from pipeline.engine.artifacts import Sensitivity
from pipeline.recipe.schema import Recipe
from pipeline.reporting.findings import notes
from pipeline.reporting.findings.ablation import tabulate
from pipeline.reporting.findings.sensitivity import note
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.ablation import Ablation, AblationRow
from pipeline.reporting.schema.report import DatasetUsed, Report
from pipeline.reporting.tables.ablation import steps
from targets.evaluation.metrics import Labels
from targets.formats.input_kinds import WORDS
from targets.formats.input_spec import Kind
from tests.reports import report, two_formats

IMAGES = re.compile(r"\b(?:images?|pictures?|pixels?)\b")
COSTLY = Sensitivity(
    images=341,
    float_top1=0.88,
    int8_top1=0.86,
    interval=(-0.03, -0.01),
    unquantized_top1=0.878,
    compared_layers=9,
    measured_on=170,
    layers=(
        {
            "layer": "stem",
            "kind": "Conv2D",
            "tensors": "weights",
            "gain": 0.01,
            "interval": (0.0, 0.02),
        },
    ),
)


def ablated() -> Ablation:
    right = {
        (name, 0): np.arange(50) % 7 > zeros
        for name, zeros in (("student_scratch", 1), ("student_kd", 0))
    }
    rows = [
        AblationRow(variant=name, seed=0, top1=float(found.mean()), top1_ci=(0, 1))
        for (name, _), found in right.items()
    ]
    return tabulate(rows, right)


def full(kind: Kind) -> Report:
    """With every part whose words are by kind."""
    rows = two_formats().models
    plain = report(rows, sensitivity=COSTLY.model_dump(), ablation=ablated().model_dump())
    return plain.model_copy(update={"dataset": plain.dataset.model_copy(update={"kind": kind})})


def words_of(page: str) -> str:
    """What a person reads of it, without names of attributes."""
    return re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", page, flags=re.DOTALL)


@pytest.mark.parametrize("kind", ["waveform", "tokens", "array"])
def test_a_page_on_other_data_speaks_of_no_image(kind: Kind) -> None:
    page = words_of(render(full(kind)))
    assert IMAGES.findall(page) == []
    for place in ("measured on the same", "clustered by", "not what other test"):
        assert re.search(rf"{place} {WORDS[kind].one}", page)


def test_a_page_on_images_speaks_of_images() -> None:
    page = words_of(render(full("image")))
    assert "The networks are measured on the same images:" in page
    assert "same test images, clustered by image where" in page
    assert "Top-1 gained on 170 validation images where" in page
    assert "p, other images" in page


def test_a_step_is_tested_over_the_samples_by_their_name() -> None:
    header, rows = steps(ablated(), WORDS["tokens"])
    assert "p, other texts" in header
    assert rows[0][2].endswith(" over texts")


def test_a_report_of_an_earlier_version_is_of_images() -> None:
    older = two_formats().dataset.model_dump(exclude={"kind"})
    assert DatasetUsed.model_validate(older).words == WORDS["image"]


def test_notes_have_the_words_of_the_data() -> None:
    labels: Labels = np.tile(np.repeat([0, 1], [19, 1]), 10)
    said = notes.at_chance({"a": 0.95}, labels, ("no", "yes"), what="test", words=WORDS["tokens"])
    assert said is not None
    assert "of the 200 test texts: a (95.0 %)." in said
    assert said.endswith("add texts of the other classes.")
    families = {"teacher": {"family": "gru"}, "distill": {"family": "ds_cnn_1d"}}
    recipe = Recipe.model_validate({"name": "x", "dataset": {"name": "texts"}, **families})
    assert "points on the 341 validation texts: 86.00 %" in note(COSTLY, recipe)

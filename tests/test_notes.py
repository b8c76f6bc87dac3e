"""What a reader of an accuracy must know beside it."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.engine.job import Job
from pipeline.engine.progress import SilentConsole
from pipeline.reporting.findings import notes
from pipeline.stages.teacher import run
from targets.formats.input_kinds import WORDS
from tests.conftest import Lane, stripes

IMAGES = WORDS["image"]
RARE = np.repeat([0, 1], [95, 5])


def test_95_percent_beside_95_percent_of_one_class_is_no_knowledge() -> None:
    said = notes.at_chance(
        {"a": 0.95, "b": 0.99}, np.tile(RARE, 10), ("cat", "dog"), what="test", words=IMAGES
    )
    assert said is not None
    assert "naming 'cat'" in said
    assert "95.0 % of the 1000 test images: a (95.0 %)." in said
    assert "b (" not in said


def test_a_figure_above_chance_needs_no_note() -> None:
    labels = np.tile(np.arange(4), 25)
    assert notes.at_chance({"a": 0.5}, labels, tuple("abcd"), what="test", words=IMAGES) is None
    assert notes.at_chance({"a": 0.3}, labels, tuple("abcd"), what="test", words=IMAGES) is not None


def test_a_student_is_better_only_where_that_is_shown() -> None:
    teacher = np.arange(400) % 10 < 7
    better = teacher | (np.arange(400) % 10 == 8)
    said = notes.outdone_teacher(student=better, teacher=teacher, words=IMAGES)
    assert said is not None
    assert "right for 80.0 % of the 400 test images, the teacher for 70.0 %" in said
    assert notes.outdone_teacher(student=teacher, teacher=better, words=IMAGES) is None
    assert notes.outdone_teacher(student=teacher, teacher=teacher, words=IMAGES) is None
    little = teacher | (np.arange(400) == 8)
    assert notes.outdone_teacher(student=little, teacher=teacher, words=IMAGES) is None


@pytest.mark.parametrize("shuffled", [True, False])
def test_a_teacher_that_learned_nothing_is_told_before_it_teaches(
    lane: Lane, tmp_path: Path, shuffled: bool
) -> None:
    arrays = stripes()
    if shuffled:
        arrays["labels"] = np.random.default_rng(1).permutation(arrays["labels"])
    np.savez(tmp_path / "data.npz", **arrays)
    console = SilentConsole()
    recipe = lane.recipe(("dataset.path", tmp_path / "data.npz"))
    (tmp_path / "out").mkdir()
    job = Job(recipe=recipe, scratch=tmp_path, console=console)
    run(recipe.teacher, tmp_path / "out", job=job)
    warned = [text for text in console.lines if "warning: Not shown to be better" in text]
    assert len(warned) == shuffled

"""A teacher of several networks, and whether a teacher had anything to teach."""

import numpy as np
import pytest

from pipeline.engine.artifacts import Teacher
from pipeline.models.network import NetworkSpec, build, count_parameters, load_weights, member
from pipeline.recipe.schema import Recipe
from pipeline.reporting.findings.teacher_lead import line, note
from pipeline.reporting.schema.report import read
from pipeline.training import session
from pipeline.training.inference import make_predict
from pipeline.training.teacher_lead import teacher_lead
from targets.errors import InputError
from targets.formats.input_spec import image_input
from tests.conftest import Lane

RECIPE = Recipe(name="tiny")


def logits_of(right: int, samples: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Of the class 0 for the first `right` samples, of the class 1 for the others."""
    made = np.zeros((samples, 2), np.float32)
    made[:right, 0] = made[right:, 1] = 1
    return made


def test_the_lead_is_the_difference_on_the_same_samples() -> None:
    labels = np.zeros(200, np.int64)
    lead = teacher_lead(student=logits_of(100, 200), teacher=logits_of(150, 200), labels=labels)
    assert (lead.samples, lead.teacher_top1, lead.student_top1) == (200, 0.75, 0.5)
    assert lead.interval[0] < 0.25 < lead.interval[1]
    assert lead.is_shown
    assert note(lead, RECIPE) is None
    assert "the teacher is better" in line(lead)


@pytest.mark.parametrize(("student", "teacher"), [(100, 101), (150, 100), (100, 100)])
def test_a_lead_that_is_not_shown_names_what_helps(student: int, teacher: int) -> None:
    labels = np.zeros(200, np.int64)
    ours, theirs = logits_of(student, 200), logits_of(teacher, 200)
    text = note(teacher_lead(student=ours, teacher=theirs, labels=labels), RECIPE)
    assert text is not None
    assert text.startswith("The teacher is not shown to be better than its student on the 200")
    for remedy in ("teacher.epochs, now 12", "teacher.members, now 1", "distill.alpha (now 0.9)"):
        assert remedy in text


def test_a_run_says_whether_its_teacher_is_better(finished: Lane) -> None:
    report = read(finished.out / "tiny" / "report.json")
    assert report.teacher_lead is not None
    assert report.teacher_lead.samples == report.dataset.val
    shown = any("not shown to be better than its student" in text for text in report.notes)
    assert shown == (not report.teacher_lead.is_shown)


def test_several_networks_are_trained_apart_and_answer_together(lane: Lane) -> None:
    settings = (("teacher.members", 2), ("teacher.epochs", 1), ("distill.epochs", 1))
    runner = lane.runner(*settings, store="members")
    teacher = runner.make(last="teacher").artifacts["teacher"]
    assert isinstance(teacher, Teacher)
    spec, checkpoint = teacher.network, teacher.checkpoint
    assert spec is not None
    assert spec.members == 2
    session.start(seed=0, threads=2)
    whole = build(spec)
    load_weights(whole, checkpoint.weights)
    raw = np.random.default_rng(0).integers(0, 256, (8, *spec.input.shape), np.uint8)
    parts = [whole.get_layer(f"teacher_{number}") for number in range(2)]
    answers = [make_predict(part, spec.input)(raw) for part in parts]
    assert np.abs(answers[0] - answers[1]).max() > 0.1
    np.testing.assert_allclose(make_predict(whole, spec.input)(raw), np.mean(answers, 0), atol=1e-5)


def test_each_of_several_networks_has_its_parameters() -> None:
    session.start(seed=0, threads=2)
    one = NetworkSpec(
        role="teacher", family="resnet", settings={}, input=image_input(12, 12, 1), classes=3
    )
    three = one.model_copy(update={"members": 3})
    assert count_parameters(build(three)) == 3 * count_parameters(build(one))
    assert member(three, 1).name == "teacher_1"


@pytest.mark.parametrize(
    ("key", "value"), [("distill.features", "fitnet"), ("distill.init", "teacher")]
)
def test_layers_of_several_teachers_are_refused(lane: Lane, key: str, value: str) -> None:
    family = (("distill.family", "resnet"),) if key == "distill.init" else ()
    with pytest.raises(InputError, match=rf"{key}: needs the layers of one teacher"):
        lane.recipe(("teacher.members", 2), (key, value), *family)

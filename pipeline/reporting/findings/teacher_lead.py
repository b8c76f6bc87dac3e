"""Whether the teacher had anything to teach its student, and what helps where it had not."""

from pipeline.engine.artifacts import TeacherLead
from pipeline.recipe.schema import Recipe
from pipeline.reporting.formatting import count, percent, points, span


def line(lead: TeacherLead) -> str:
    """For the console, behind the training."""
    verdict = "the teacher is better" if lead.is_shown else "no lead of the teacher is shown"
    return (
        f"validation: teacher {percent(lead.teacher_top1)} %, student "
        f"{percent(lead.student_top1)} %; {verdict} ({_interval(lead)})"
    )


def note(lead: TeacherLead, recipe: Recipe) -> str | None:
    """A paragraph for the console and the page; None where the teacher is shown to be better."""
    if lead.is_shown:
        return None
    return (
        f"The teacher is not shown to be better than its student on the {count(lead.samples)} "
        f"validation {recipe.words.many}: {percent(lead.teacher_top1)} % and "
        f"{percent(lead.student_top1)} % ({_interval(lead)}). A student gains from a teacher that "
        f"is better than itself: {_remedies(recipe)}, or lower distill.alpha (now "
        f"{recipe.distill.alpha:g})."
    )


def _remedies(recipe: Recipe) -> str:
    cfg = recipe.teacher
    if cfg.file is not None:
        return "give a better one with --teacher"
    more = f"several that vote (teacher.members, now {cfg.members})"
    return f"train it longer (teacher.epochs, now {cfg.epochs}), take a larger one or {more}"


def _interval(lead: TeacherLead) -> str:
    return f"95 % interval of its lead {span(lead.interval, points)} points"

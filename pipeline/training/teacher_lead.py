"""Whether the teacher had anything to teach: it against its student, on the validation split.

Where a teacher was no better than its student, distillation cost up to 6 points in trials on sounds
and texts: the student is pulled to answers that are no better than its own.
"""

from pipeline.engine.artifacts import TeacherLead
from targets.evaluation import metrics
from targets.evaluation.significance import mcnemar


def teacher_lead(
    *, student: metrics.Logits, teacher: metrics.Logits, labels: metrics.Labels
) -> TeacherLead:
    """From logits of the same samples, [samples, classes] each."""
    ours, theirs = (metrics.right(logits, labels) for logits in (student, teacher))
    pairs = mcnemar(before=ours, after=theirs)
    return TeacherLead(
        samples=len(labels),
        teacher_top1=float(theirs.mean()),
        student_top1=float(ours.mean()),
        interval=pairs.interval,
        p_value=pairs.p_value,
    )

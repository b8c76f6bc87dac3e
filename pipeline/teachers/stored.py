"""The teacher of a run, from the artifact of its stage."""

from pipeline import teachers
from pipeline.datasets.splits import Dataset
from pipeline.engine.artifacts import Teacher
from pipeline.teachers.contract import OpenTeacher
from pipeline.teachers.trained import open_checkpoint


def open_stored(teacher: Teacher, data: Dataset, *, threads: int) -> OpenTeacher:
    """The network that was trained here, or the copy of the user's file."""
    if teacher.asked is None:
        return open_checkpoint(teacher.checkpoint, data)
    return teachers.open_teacher(teacher.path, teacher.asked, data, threads=threads)

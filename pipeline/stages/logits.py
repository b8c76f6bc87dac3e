"""Store the teacher's logits of every view of every training sample, for all students.

A student overfits to logits of the unaugmented sample, and does not to those of the very view that
it is trained on (Beyer et al. 2021, arXiv 2106.05237). So they are stored per view, in float16.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Samples, Split
from pipeline.engine.artifacts import Teacher, TeacherLogits
from pipeline.engine.job import Job
from pipeline.recipe.training import LogitsConfig
from pipeline.teachers.stored import open_stored
from pipeline.training import session
from pipeline.training.ahead import background_threads, made_ahead
from pipeline.training.augmentation import Each, ViewTable, require_fit, training_view
from targets.errors import InputError
from targets.files.npy_file import new_npy

CHUNK = 512
"""Samples that are rendered while the teacher runs on as many others."""

Index = npt.NDArray[np.int64]


def run(cfg: LogitsConfig, out: Path, *, job: Job, teacher: Teacher) -> TeacherLogits:
    session.start(seed=job.recipe.seed, threads=job.recipe.threads)
    data, augmentation = job.teacher_dataset().for_distillation(), job.recipe.augmentation.views
    require_fit(augmentation, data)
    opened = open_stored(teacher, data, threads=job.recipe.threads)
    # Without augmentation every view is the sample itself.
    count = cfg.views if augmentation.changes else 1
    made = TeacherLogits(folder=out, views=count)
    train = data[Split.TRAIN]
    shape = (count, len(train), len(data.classes))
    stored = new_npy(made.path, np.float16, shape)
    with background_threads() as pool:
        for view in range(count):
            job.console.say(f"logits    view {view + 1}/{count} of {len(train)} {data.words.many}")
            table = training_view(augmentation, data, seed=job.recipe.seed, view=view)
            with closing(made_ahead(_rendered(table, train, pool.map))) as ahead:
                for index, raw in ahead:
                    with np.errstate(over="ignore"):
                        stored[view, index] = opened.logits(raw)
            if not np.isfinite(stored[view]).all():
                raise InputError(
                    f"teacher {teacher.file}: gives NaN, or logits beyond ±65504, for some "
                    f"training {data.words.many} (view {view}). Its weights are damaged, or it "
                    "gets values in another range than it was trained on: see teacher.scale."
                )
    stored.flush()
    return made


def _rendered(table: ViewTable, train: Samples, each: Each) -> Iterator[tuple[Index, Raw]]:
    """The view in chunks, each with the places of its samples."""
    for start in range(0, len(train), CHUNK):
        index = np.arange(start, min(start + CHUNK, len(train)))
        yield index, table.render(train, index, each=each)

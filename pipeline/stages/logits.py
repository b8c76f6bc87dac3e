"""Ask the teacher once about every view of every training image: the students read it from disk.

Logits of one fixed image overfit, whatever the student is shown; those of the very view that it is
shown do not (Beyer et al. 2021, arXiv 2106.05237). So they are kept per view, in float16.
"""

from pathlib import Path

from pipeline.engine.artifacts import Teacher, TeacherLogits
from pipeline.engine.job import Job
from pipeline.recipe.schema import LogitsConfig
from targets.errors import InputError

CHUNK = 2048


def run(cfg: LogitsConfig, out: Path, *, job: Job, teacher: Teacher) -> TeacherLogits:
    import numpy as np
    from numpy.lib.format import open_memmap

    from pipeline.datasets.splits import Split
    from pipeline.training import preparation
    from pipeline.training.augmentation import require_fit, training_view

    preparation.start(job, cfg)
    data, views = job.dataset(), job.recipe.augmentation
    require_fit(views, data)
    opened = preparation.open_teacher(teacher, job)
    # Every view is the image itself where nothing is changed.
    count = cfg.views if views.changes else 1
    made = TeacherLogits(folder=out, views=count)
    images = data[Split.TRAIN].images
    shape = (count, len(images), len(data.classes))
    kept = open_memmap(made.path, "w+", np.float16, shape)  # type: ignore[no-untyped-call]
    for view in range(count):
        job.console.say(f"logits    view {view + 1}/{count} of {len(images)} images")
        table = training_view(views, data, seed=job.recipe.seed, view=view)
        for start in range(0, len(images), CHUNK):
            index = np.arange(start, min(start + CHUNK, len(images)))
            with np.errstate(over="ignore"):
                kept[view, index] = opened.logits(table.render(images, index))
        if not np.isfinite(kept[view]).all():
            raise InputError(
                f"teacher {teacher.file}: gives NaN, or logits beyond ±65504, for some training "
                f"images (view {view}). Its weights are damaged, or it is given pixels in another "
                "range than it was trained on: see teacher.scale."
            )
    kept.flush()
    return made

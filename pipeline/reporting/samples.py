"""The test samples that a run keeps for its bundle, with the classes that its files gave them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from targets.bundle import samples
from targets.bundle.samples import KeptSample

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset
    from pipeline.gates.figures import Measured
    from pipeline.reporting.schema.predictions import ModelPredictions


def keep(data: "Dataset", found: "Sequence[Measured]", out: Path) -> None:
    """Write the folder `samples` in `out`: of samples that each file names alike everywhere."""
    from pipeline.datasets.splits import Split

    test = data[Split.TEST]
    of_files = _by_file(found)
    students = {one.row.name for one in found if not one.row.is_teacher}
    lowest = np.ones(len(test))
    for name in students & of_files.keys():
        for model in of_files[name]:
            lowest = np.minimum(lowest, model.confidence or 1.0)
            lowest[np.not_equal(model.predicted, of_files[name][0].predicted)] = np.nan
    ending = samples.suffix(test.raw)
    chosen = {
        index: KeptSample(
            file=f"{place:02d}.{ending}",
            index=index,
            label=data.classes[test.labels[index]],
            predicted={
                name: data.classes[models[0].predicted[index]] for name, models in of_files.items()
            },
        )
        for place, index in enumerate(samples.choose(test.labels.tolist(), lowest))
    }
    samples.write(out / samples.FOLDER, test.raw, chosen)


def _by_file(found: "Sequence[Measured]") -> "dict[str, list[ModelPredictions]]":
    """Name of a file -> what it predicted, on each device that measured it."""
    of_files: dict[str, list[ModelPredictions]] = {}
    for one in found:
        if one.predictions is not None and one.row.name in one.predictions.models:
            model = one.predictions.models[one.row.name]
            of_files.setdefault(one.row.name, []).append(model)
    return of_files

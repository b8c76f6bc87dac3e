"""A folder of pictures as the samples of `pipeline bench`, in the form that each model takes."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.picture_options import PictureOptions
from targets.errors import InputError, listed

if TYPE_CHECKING:
    from targets.bench.request import KnownInput
    from targets.bench.samples import LabelledSamples
    from targets.prediction.classifier import Classifier
    from targets.prediction.preparation.contract import Preparation


def is_folder_of_pictures(path: Path) -> bool:
    return path.is_dir() and next(path.glob("*.npy"), None) is None


def read(
    folder: Path,
    models: Sequence[Path],
    how: PictureOptions,
    scratch: Path,
    *,
    say: Callable[[str], None],
    skip_bad: bool = False,
) -> "tuple[LabelledSamples, Mapping[Path, KnownInput]]":
    """The pictures of the folder's test split, stored below `scratch` once for each size and fit.

    `how` describes the models without a sidecar. Pictures that cannot be read are an `InputError`,
    or left out with `skip_bad`.
    """
    import numpy as np

    from pipeline.datasets.folder.measured import measured
    from targets.bench.request import KnownInput
    from targets.bench.samples import LabelledSamples

    loaded = _classifiers(models, how)
    _require_pictures(folder, loaded)
    classifier = next(iter(loaded.values()))
    classes = classifier.classes
    _require_same_classes(loaded)
    found = measured(folder, classes, model=classifier.path.name)
    for note in found.notes:
        say(f"data      {note}")
    forms = [one.preparation for one in loaded.values()]
    paths, stored = _stored(folder, found.paths, forms, scratch, skip_bad=skip_bad)
    if bad := len(found.paths) - len(paths):
        say(f"data      {bad:,} of them cannot be read and are left out.")
    labels = dict(zip(found.paths, found.labels, strict=True))
    known = {
        path: KnownInput(
            samples=stored[one.preparation],
            spec=one.deployment.spec,
            output_index=one.deployment.output_index,
            reading=one.deployment.reading,
        )
        for path, one in loaded.items()
    }
    blank = classifier.preparation.blank
    samples = LabelledSamples(
        path=stored[classifier.preparation],
        shape=blank.shape,
        dtype=blank.dtype,
        count=len(paths),
        labels=np.array([labels[path] for path in paths], np.int64),
        source=folder.resolve().name,
    )
    return samples, known


def _classifiers(models: Sequence[Path], how: PictureOptions) -> "dict[Path, Classifier]":
    from targets.formats import sidecar

    described = {path for path in models if sidecar.path_of(path).exists()}
    if described.issuperset(models):  # options then contradict a sidecar, which is an error
        described = set()
    return {
        path: (PictureOptions() if path in described else how).classifier(path)
        for path in dict.fromkeys(models)  # the baseline can be one of the others
    }


def _require_pictures(folder: Path, loaded: "Mapping[Path, Classifier]") -> None:
    for path, one in loaded.items():
        if one.preparation.kind != "image":
            raise InputError(
                f"--data {folder}: {path} takes {one.words.many}, and files are measured here as "
                "pictures only. `pipeline predict` gives its accuracy on this folder; for the "
                "latency leave --data out, or give raw inputs as .npz."
            )


def _require_same_classes(loaded: "Mapping[Path, Classifier]") -> None:
    first, *others = loaded.values()
    for other in others:
        if other.classes != first.classes:
            raise InputError(
                f"{other.path} has the classes {listed(other.classes, most=5)}, and {first.path} "
                f"{listed(first.classes, most=5)}. Measure them with one command each, or name the "
                "classes of a file without a sidecar with --labels."
            )


def _require_room(scratch: Path, needed: int) -> None:
    if shutil.disk_usage(scratch).free < needed:
        raise InputError(
            f"the temporary folder {scratch.parent} is on a full disk: the pictures as inputs need "
            f"{needed:,} bytes. Make room, or set TMPDIR to a folder on another disk."
        )


def _stored(
    folder: Path,
    paths: Sequence[Path],
    preparations: "Sequence[Preparation]",
    scratch: Path,
    *,
    skip_bad: bool,
) -> "tuple[Sequence[Path], dict[Preparation, Path]]":
    """The pictures that can be read, and a .npy of them for each different preparation."""
    from targets.images.progress import progress
    from targets.prediction.storing import store

    made: dict[Preparation, Path] = {}
    forms = list(dict.fromkeys(preparations))
    _require_room(scratch, len(paths) * sum(one.blank.nbytes for one in forms))
    for number, preparation in enumerate(forms):
        made[preparation] = scratch / f"pictures-{number}.npy"
        with progress("reading", len(paths)) as bar:
            bad = store(paths, preparation, made[preparation], done=lambda: bar(1))
        if bad and skip_bad and len(bad) < len(paths):
            left = [path for path in paths if path not in dict(bad)]
            return _stored(folder, left, preparations, scratch, skip_bad=False)
        if bad:
            files = [f"{path.relative_to(folder)} ({reason})" for path, reason in bad]
            raise InputError(
                f"--data {folder}: {len(bad):,} of the {len(paths):,} pictures to measure cannot "
                f"be read: {listed(files, separator='; ')}. Replace or remove them, or leave them "
                "out with --skip-bad."
            )
    return paths, made

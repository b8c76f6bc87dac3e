"""Initial weights of a network: `imagenet`, or a file."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pipeline.models import STUDENTS, TEACHERS
from pipeline.models.contract import NetworkFamily
from pipeline.models.network import NetworkSpec
from pipeline.models.pretrained import files
from pipeline.models.pretrained.downloads import StoredFile, WeightsFile
from pipeline.models.pretrained.fitting import fit
from pipeline.recipe.section import Section
from targets.errors import InputError
from targets.untyped import KerasModel

IMAGENET = "imagenet"


@runtime_checkable
class PretrainedFamily(NetworkFamily, Protocol):
    """A family that has ImageNet weights."""

    def imagenet(self, settings: Any) -> WeightsFile:
        """Their file; raises `InputError` if there is none for `settings`."""


def load_initial(model: KerasModel, spec: NetworkSpec, weights: str) -> bool:
    """Set the weights of `model`, which is built from `spec`; the classifier stays as it is unless
    the file's has as many classes: whether it has."""
    family = (TEACHERS if spec.role == "teacher" else STUDENTS)[spec.family]
    settings = family.Settings.model_validate(spec.settings)
    path = weights_file(weights, family, settings, name=spec.family).path()
    return fit(model, files.read(path), source=str(path))


def weights_file(
    weights: str, family: NetworkFamily, settings: Section, *, name: str
) -> WeightsFile:
    """The file that `weights` of a recipe means; nothing is downloaded yet."""
    if weights != IMAGENET:
        path = Path(weights)
        if not path.is_file():
            raise InputError(f"weights {path}: no such file. Give a file, or '{IMAGENET}'.")
        return StoredFile(path)
    if not isinstance(family, PretrainedFamily):
        having = sorted(
            known
            for known, other in {**dict(STUDENTS.search()), **dict(TEACHERS.search())}.items()
            if isinstance(other, PretrainedFamily)
        )
        raise InputError(
            f"weights {IMAGENET}: family {name} has none; these have: {', '.join(having)}. A file "
            "of the family's own weights is fine too."
        )
    return family.imagenet(settings)

"""What a teacher is once it is open, and what a kind of teacher file is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from pipeline.datasets.on_access import Raw
from pipeline.datasets.splits import Dataset, Split
from pipeline.recipe.section import Section
from targets.formats.input_spec import InputSpec
from targets.formats.model_io import ModelIO
from targets.untyped import Tensor

Logits = npt.NDArray[np.float32]


class TeacherFileConfig(Section):
    """The keys of `[teacher]` that describe a file: its input is raw * scale + offset."""

    scale: float | tuple[float, ...] = 1.0
    """One number, or one per channel; so is `offset`."""
    offset: float | tuple[float, ...] = 0.0
    output: Literal["logits", "probabilities"] = "logits"
    """What the file computes; probabilities p become logits log p."""
    classes: tuple[str, ...] | None = None
    """Its classes in the order of its outputs; matched with the data set's by name."""


@dataclass(frozen=True, kw_only=True)
class OpenTeacher:
    """A teacher as a function of raw images."""

    kind: str
    """`trained`, or a name of `pipeline.teachers.TEACHER_FILES`."""
    path: Path
    """Path of the file, for error messages; for the network trained here, of its weights."""
    logits: Callable[[Raw], Logits]
    """Raw samples [n, *input.shape] to [n, classes], in the data set's class order."""
    parameters: int | None = None
    """Null where the file does not hold them: precomputed logits, quantized weights."""
    cfg: TeacherFileConfig | None = None
    """Null for the network trained here."""
    scalable: bool = False
    """Whether it accepts pixels with another scale and offset."""
    adapter: ModelIO | None = None
    """Conversion between raw images and a file that a runtime executes."""
    serve: Callable[[Tensor], Tensor] | None = None
    """Normalised images (`InputSpec`) to logits, of a TensorFlow network; can be traced."""
    serve_raw: Callable[[Tensor], Tensor] | None = None
    """The same from raw images as float32. Export this with `raw_input`: the file then holds no
    normalisation that the teacher would have to undo first."""
    splits: Mapping[Split, Logits] | None = None
    """Precomputed logits, of the splits that the file holds."""


@runtime_checkable
class TeacherFile(Protocol):
    """One module per kind of file: `pipeline.teachers.onnx_file` is an example."""

    @property
    def SUFFIXES(self) -> tuple[str, ...]:  # noqa: N802
        """Ends of the names of its files, in lower case."""

    @property
    def FOLDER_MARKERS(self) -> tuple[str, ...]:  # noqa: N802
        """Files in a folder that mark the folder as one of this kind."""

    def open_file(
        self, path: Path, cfg: TeacherFileConfig, data: Dataset, *, threads: int
    ) -> OpenTeacher:
        """The teacher in `path` for the images and classes of `data`; runs no code of the file.

        Raises `InputError` for a file that cannot be read or does not fit the data.
        """


def split_logits(teacher: OpenTeacher, data: Dataset, split: Split) -> Logits | None:
    """Return the logits of a split's unchanged images; None where precomputed logits lack it."""
    if teacher.splits is not None:
        return teacher.splits.get(split)
    return teacher.logits(data[split].raw)


def raw_input(spec: InputSpec) -> InputSpec:
    """`spec` without normalisation and front end: what `OpenTeacher.serve_raw` is exported with."""
    return spec.model_copy(update={"scale": 1.0, "zero_point": 0, "front_end": None})

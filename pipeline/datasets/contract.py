"""What a data set is, and the table of the recipe that it reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, runtime_checkable

from pydantic import Field

from pipeline.datasets.splits import Dataset, Split
from pipeline.recipe.section import PluginSection, PositiveInt, Section
from targets.formats.input_spec import Kind

if TYPE_CHECKING:
    from pipeline.datasets.audit.pictures import PictureRecord


class SourceConfig(PluginSection):
    """`[dataset]`; `recipe.schema.DatasetConfig` also checks the name."""

    PLUGIN_KEY = "name"

    name: str = "digits"
    path: Path | None = None
    """The data's file or folder, relative to the current folder (`--data`)."""
    size: PositiveInt | None = None
    """Longer side of the images in pixels, to which they are scaled; null keeps their size. Only
    for images."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of the labelled data that steers training; of the training part where the data set
    has a test split of its own."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share that is only measured; unused where the data set has a test split of its own."""
    split_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Independent of `seed`: runs of several seeds are measured on the same test samples."""


@runtime_checkable
class DatasetSource(Protocol):
    """One module: `pipeline.datasets.digits` is a short example."""

    @property
    def Settings(self) -> type[Section]:  # noqa: N802
        """The data set's own keys of `[dataset]`; `NoSettings` for none."""

    @property
    def KIND(self) -> Kind:  # noqa: N802
        """What a sample is: it decides the keys of `[augmentation]`, and which networks fit."""

    def source_digest(self, cfg: SourceConfig) -> str:
        """sha256 of the source files, read without importing the library that ships them.

        Raises `InputError` where they are missing.
        """

    def load(self, cfg: SourceConfig) -> Dataset:
        """The samples in three splits; `Dataset.sha256` is `source_digest(cfg)`."""


class AuditedSettings(Section):
    """The keys of `[dataset]` that every data set of picture files has."""

    allow_leaks: bool = False
    """Go on although the same picture is in two splits."""


@runtime_checkable
class AuditedSource(Protocol):
    """A data set of picture files, which are audited before anything trains."""

    @property
    def Settings(self) -> type[AuditedSettings]: ...  # noqa: N802

    def records(self, cfg: SourceConfig) -> "Sequence[PictureRecord]":
        """Every file, also the unreadable ones; of a split, in the order of its samples.

        Paths are relative to `cfg.path`, or to its folder if it is a file. Raises `InputError` for
        files that cannot be read, unless the settings leave them out.
        """

    def notes(self, cfg: SourceConfig) -> Sequence[str]:
        """What was left out and what was decided, a sentence each."""


@runtime_checkable
class NotedSource(Protocol):
    """A data set of no pictures that says what it found before anything trains."""

    def notes(self, cfg: SourceConfig) -> Sequence[str]:
        """What there is, what was decided, and what may be a mistake: a sentence each."""


@runtime_checkable
class TextSource(Protocol):
    """A data set of texts, which a report can quote."""

    def texts(self, cfg: SourceConfig, split: Split) -> Sequence[str]:
        """The texts of a split, in the order of its samples."""


@runtime_checkable
class FiledSource(Protocol):
    """A data set of files that are no pictures, which a report can name."""

    def paths(self, cfg: SourceConfig, split: Split) -> "Sequence[str | None]":
        """The file of each sample of a split, relative to `cfg.path`; None for one without."""

"""The kind of file that a data set is made of, and what errors call it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from targets.formats.input_spec import Kind


@dataclass(frozen=True, kw_only=True)
class FileKind:
    dataset: str
    """Name of the data set, as in a recipe."""
    one: str
    many: str
    suffix: str
    """Of an example."""
    sample: Kind
    """What is made of one."""
    groups: str
    """What all files of are in one split."""
    cache: str
    """Name of the cache folder of its decoded files."""
    may_be: Callable[[Path], bool]
    """Whether a file is taken for one, before it is opened as one."""
    splits: str = "folders named train, val and test, or a column"
    """How a user gives the splits."""

    @property
    def place(self) -> str:
        """What errors begin with."""
        return f"data set {self.dataset}"

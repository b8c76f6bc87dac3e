"""What is classified: one picture, sound or text, with what a user knows of it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    file: Path
    """Where it comes from: the file itself, or the table that it is a line of."""
    line: int | None = None
    """Of the table, from 1; None where the file is the sample."""
    text: str | None = None
    label: int | None = None
    """The class that its folder or its table names."""
    problem: str | None = None
    """Why there is nothing to classify, where its table says so."""

    @property
    def item(self) -> Path | str:
        """What a `Classifier` takes."""
        return self.file if self.text is None else self.text

    @property
    def place(self) -> str:
        return str(self.file) if self.line is None else f"{self.file}:{self.line}"

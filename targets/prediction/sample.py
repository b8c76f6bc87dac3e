"""What is classified: one picture, sound, text or array, with what a user knows of it."""

from dataclasses import dataclass, field
from pathlib import Path

from targets.prediction.preparation.contract import Raw


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    file: Path
    """Where it comes from: the file itself, or the table that it is a line of."""
    line: int | None = None
    """Of the table, from 1; None where the file is the sample."""
    text: str | None = None
    row: int | None = None
    """Of an array of samples, from 0; None where the file is the sample."""
    values: Raw | None = field(default=None, compare=False)
    label: int | None = None
    """The class that its folder or its table names."""
    problem: str | None = None
    """Why there is nothing to classify, where its table says so."""

    @property
    def item(self) -> Path | str | Raw:
        """What a `Classifier` takes."""
        if self.values is not None:
            return self.values
        return self.file if self.text is None else self.text

    @property
    def place(self) -> str:
        if self.row is not None:
            return f"{self.file}[{self.row}]"
        return str(self.file) if self.line is None else f"{self.file}:{self.line}"

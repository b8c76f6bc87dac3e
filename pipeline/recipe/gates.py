"""The table `[gates]` of a recipe, or of a file of its own: what the files of a run must reach."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import Field

from pipeline.recipe.section import Fraction, PositiveFloat, Section

Limit = float | bool


class Kind(NamedTuple):
    at_least: bool
    """False: at most."""
    unit: str
    per_device: bool = True
    """False for what is a fact of the file."""


KINDS: Mapping[str, Kind] = {
    "top1": Kind(at_least=True, unit="%"),
    "balanced_accuracy": Kind(at_least=True, unit="%"),
    "agreement": Kind(at_least=True, unit="%"),
    "speedup": Kind(at_least=True, unit="x"),
    "drop_vs_teacher": Kind(at_least=False, unit="points"),
    "drop_vs_float": Kind(at_least=False, unit="points"),
    "negative_flips": Kind(at_least=False, unit="%"),
    "worst_class_drop": Kind(at_least=False, unit="points"),
    "ece": Kind(at_least=False, unit="%"),
    "median_ms": Kind(at_least=False, unit="ms"),
    "p90_ms": Kind(at_least=False, unit="ms"),
    "size_kb": Kind(at_least=False, unit="kB", per_device=False),
    "peak_memory_mb": Kind(at_least=False, unit="MB"),
    "all_int8": Kind(at_least=True, unit="", per_device=False),
    "parity": Kind(at_least=True, unit="", per_device=False),
}


class Limits(Section):
    """Limits of one file; null is none. Shares and drops are from 0 to 1, sizes of 1,000 bytes."""

    top1: Fraction | None = None
    """Least accuracy on the test split."""
    balanced_accuracy: Fraction | None = None
    """Least mean recall of the classes."""
    agreement: Fraction | None = None
    """Least share of test samples with the teacher's class."""
    speedup: PositiveFloat | None = None
    """Least ratio of the teacher's latency to that of the file."""
    drop_vs_teacher: Fraction | None = None
    """Largest loss of accuracy against the teacher."""
    drop_vs_float: Fraction | None = None
    """Largest loss of accuracy against the float student."""
    negative_flips: Fraction | None = None
    """Largest share of test samples that the float student has right and the file wrong; of the
    float student itself against its teacher."""
    worst_class_drop: Fraction | None = None
    """Largest loss of a class's accuracy, against the same network as `negative_flips`."""
    ece: Fraction | None = None
    """Largest expected calibration error."""
    median_ms: PositiveFloat | None = None
    p90_ms: PositiveFloat | None = None
    size_kb: PositiveFloat | None = None
    peak_memory_mb: PositiveFloat | None = None
    """Largest peak memory of the whole measuring process."""
    all_int8: bool | None = None
    """Whether no operator of the file calculates in floating point."""
    parity: bool | None = None
    """Whether the file has the labels of the network or file that it was made from, on all samples
    of the export's proof and on every processor of `convert.prove_on`."""

    def given(self) -> Iterator[tuple[str, Limit]]:
        """Each gate that has a limit, in the order of `KINDS`."""
        for name in KINDS:
            value: Limit | None = getattr(self, name)
            if value is not None and value is not False:
                yield name, value


class Gates(Limits):
    """Limits of the student's int8 files, or of all its files where none is int8."""

    files: Mapping[str, Limits] = Field(default_factory=dict)
    """Limits of one file by its name in the table, such as `student.float32.onnx`; they replace
    those above."""
    devices: Mapping[str, Limits] = Field(default_factory=dict)
    """Limits on one device by its name; they replace all others there."""

    @property
    def any(self) -> bool:
        return bool([*self.given()] or self.files or self.devices)

    def limits(
        self, *, file: str, device: str | None, general: bool
    ) -> Iterator[tuple[str, Limit]]:
        """Each gate and its limit, in the order of `KINDS`; `general`: those for all files too."""
        of_file, of_device = self.files.get(file), self.devices.get(device or "")
        tables = [self, of_file, of_device] if general else [of_file]
        merged: dict[str, object] = {}
        for table in filter(None, tables):
            merged |= table.model_dump(include=set(KINDS), exclude_none=True)
        yield from Limits.model_validate(merged).given()

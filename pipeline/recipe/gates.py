"""The table `[gates]` of a recipe, or of a file of its own: what the files of a run must reach."""

from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from pipeline.recipe.section import Section
from targets.errors import printable

Limit = float | bool
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
Fact = Annotated[bool, Field(strict=True)]


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
    "calibrated_ece": Kind(at_least=False, unit="%"),
    "median_ms": Kind(at_least=False, unit="ms"),
    "p90_ms": Kind(at_least=False, unit="ms"),
    "false_reject_rate": Kind(at_least=False, unit="%", per_device=False),
    "false_accepts_per_hour": Kind(at_least=False, unit="per hour", per_device=False),
    "size_kb": Kind(at_least=False, unit="kB", per_device=False),
    "peak_memory_mb": Kind(at_least=False, unit="MB"),
    "all_int8": Kind(at_least=True, unit="", per_device=False),
    "parity": Kind(at_least=True, unit="", per_device=False),
}


class Limits(Section):
    """Limits of one file; null is none. Shares and drops are from 0 to 1, sizes of 1,000 bytes."""

    top1: Share | None = None
    """Least accuracy on the test split."""
    balanced_accuracy: Share | None = None
    """Least mean recall of the classes."""
    agreement: Share | None = None
    """Least share of test samples with the teacher's class."""
    speedup: Positive | None = None
    """Least ratio of the teacher's latency to that of the file."""
    drop_vs_teacher: Share | None = None
    """Largest loss of accuracy against the teacher."""
    drop_vs_float: Share | None = None
    """Largest loss of accuracy against the float student."""
    negative_flips: Share | None = None
    """Largest share of test samples that the float student has right and the file wrong; of the
    float student itself against its teacher."""
    worst_class_drop: Share | None = None
    """Largest loss of a class's accuracy, against the same network as `negative_flips`."""
    ece: Share | None = None
    """Largest expected calibration error of softmax(logits)."""
    calibrated_ece: Share | None = None
    """The same of the calibrated probabilities, softmax(logits / temperature)."""
    median_ms: Positive | None = None
    p90_ms: Positive | None = None
    """Largest median over processes of each process's 90th percentile."""
    false_reject_rate: Share | None = None
    """Largest share of missed words in the stream of `[streaming]`, at the file's threshold."""
    false_accepts_per_hour: Positive | None = None
    """Most detections of no word there, per hour."""
    size_kb: Positive | None = None
    peak_memory_mb: Positive | None = None
    """Largest peak memory of the whole measuring process."""
    all_int8: Fact | None = None
    """Whether no operator of the file calculates in floating point."""
    parity: Fact | None = None
    """Whether a quantized file has the labels of the other format's file of its graph, a float file
    those of its network, on all samples of the export's proof and on every processor of
    `convert.prove_on`."""

    def own(self) -> dict[str, Limit]:
        """What the table sets, in the order of `KINDS`; false takes a gate away."""
        values = {name: getattr(self, name) for name in KINDS}
        return {name: value for name, value in values.items() if value is not None}

    def given(self) -> Iterator[tuple[str, Limit]]:
        """Each gate that has a limit, in the order of `KINDS`."""
        yield from ((name, limit) for name, limit in self.own().items() if limit is not False)


class Gates(Limits):
    """Limits of the student's int8 files; where none is int8, of its dynamic files; where none is
    dynamic either, of all."""

    files: Mapping[str, Limits] = Field(default_factory=dict)
    """Limits of one file by its name in the table, such as `student.float32.onnx`; each replaces
    the one above. Of a file that has only these, they are all."""
    devices: Mapping[str, Limits] = Field(default_factory=dict)
    """Limits on one device by its name; each replaces the other ones there."""

    @model_validator(mode="after")
    def _facts_hold_on_every_device(self) -> Self:
        for device, limits in self.devices.items():
            for name, _ in limits.given():
                if not KINDS[name].per_device:
                    raise ValueError(
                        f"devices.{printable(device)}.{name}: is a fact of the file, the same on "
                        "every device; set it above"
                    )
        return self

    @property
    def any(self) -> bool:
        return any([*self.given(), *self._nested()])

    def _nested(self) -> Iterator[tuple[str, Limit]]:
        for limits in (*self.files.values(), *self.devices.values()):
            yield from limits.given()

    def limits(self, *, file: str, device: str | None, general: bool) -> Limits:
        """The limits of a file on a device; `general`: whether those for all files are its too."""
        of_file, of_device = self.files.get(file), self.devices.get(device or "")
        merged = {**(self.own() if general else {}), **(of_file.own() if of_file else {})}
        there = of_device.own() if of_device else {}
        merged |= {name: limit for name, limit in there.items() if general or name in merged}
        return Limits.model_validate(merged)

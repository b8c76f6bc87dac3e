"""The options of `pipeline convert`."""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from targets.devices.cpus import available_cpus
from targets.errors import InputError, unknown
from targets.formats import FORMATS
from targets.formats.calibration import MIN_CALIBRATION_SAMPLES
from targets.formats.precisions import PRECISIONS


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    model: Path
    targets: tuple[str, ...] = ()
    """Names of formats; empty: the first of `FORMATS`."""
    precisions: tuple[str, ...] = ()
    """Names of precisions; empty: float32, and int8_ptq with `data`."""
    data: Path | None = None
    scale: float = 1.0
    offset: float = 0.0
    signature: str | None = None
    """Signature of a SavedModel; None is its default."""
    out: Path | None = None
    threads: int = field(default_factory=lambda: len(available_cpus()))

    @property
    def folder(self) -> Path:
        """`out`, or else a folder named after the model."""
        return self.out or Path("converted") / self.model.resolve().stem

    def requested(self) -> list[tuple[str, str]]:
        """Every (format, precision), checked, in the order of `FORMATS`."""
        order = list(FORMATS)
        targets = self.targets or (order[0],)
        for target in targets:
            if target not in FORMATS:
                raise unknown("target", target, FORMATS.available(), place="--target")
        precisions = self.precisions or ("float32", *["int8_ptq"] * (self.data is not None))
        pairs = product(sorted(targets, key=[*order, *targets].index), precisions)
        requested = list(dict.fromkeys(pairs))
        for target, precision in requested:
            self._check(target, precision)
        return requested

    def _check(self, target: str, name: str) -> None:
        known = [one.name for one in PRECISIONS.values() if one.chosen]
        if name not in known:
            raise unknown("precision", name, known, place="--precision")
        precision = PRECISIONS[name]
        held = [one for one in FORMATS[target].precisions if one in known]
        if name not in held:
            raise InputError(
                f"--precision {name}: {target} cannot hold it; it can hold {', '.join(held)}. "
                "Convert to the targets one by one."
            )
        if precision.quantization_aware:
            raise InputError(
                f"--precision {name}: is made by quantization-aware training, which is part of "
                "`pipeline run`. For a network that is trained already ask for int8_ptq, with "
                "--data."
            )
        if precision.calibrated and self.data is None:
            raise InputError(
                f"--precision {name}: needs --data FILE.npz with at least "
                f"{MIN_CALIBRATION_SAMPLES} real images, from which the activation ranges are read."
            )

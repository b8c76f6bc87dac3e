"""What stands between a front end and the network behind it, where both are files of their own."""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from targets.formats.front_end import SoundFrontEnd
from targets.formats.record import NetworkEnds


class Features(BaseModel):
    """The numbers that a program in C needs to make the features, and integers of them.

    `SoundFrontEnd` has the formulas, `docs/sounds.md` says them in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    front_end: str
    """The file that makes them, in the same folder."""
    sha256: str
    """Of that file."""
    rate: int
    """Samples per second."""
    samples: int
    """Of the waveform, int16; a file takes them as they are, as float32."""
    frame: int
    """Samples of a frame."""
    hop: int
    """Samples from one frame's beginning to the next one's."""
    frames: int
    bands: int
    """Mel bands, from 20 Hz to half the rate."""
    coefficients: int
    subtract_mean: bool
    """Whether each band's mean over the frames is taken off its logarithm."""
    quantization: str | None = None
    """From a feature x to the network's integer q; null for the front end itself."""

    @classmethod
    def of(
        cls,
        front_end: SoundFrontEnd,
        samples: int,
        *,
        file: str,
        sha256: str,
        ends: NetworkEnds | None = None,
    ) -> Self:
        return cls(
            front_end=file,
            sha256=sha256,
            rate=front_end.rate,
            samples=samples,
            frame=front_end.frame,
            hop=front_end.hop,
            frames=front_end.frames(samples),
            bands=front_end.bands,
            coefficients=front_end.coefficients,
            subtract_mean=front_end.subtract_mean,
            quantization=None if ends is None else formula(ends),
        )


def formula(ends: NetworkEnds) -> str:
    """`NetworkEnds.quantized` in C's words."""
    (scale, zero_point), limits = ends.input, np.iinfo(np.dtype(ends.dtype))
    sign = "-" if zero_point < 0 else "+"
    integer = f"round(x / {scale!r}) {sign} {abs(zero_point)}"
    return f"q = min({limits.max}, max({limits.min}, {integer}))"

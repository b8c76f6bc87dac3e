"""The raw input of a network, as training, export and measurement share it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from targets.formats.channel_scaling import ChannelScaling
from targets.formats.front_end import SoundFrontEnd
from targets.untyped import Tensor

Kind = Literal["image", "waveform", "tokens", "array"]


class InputSpec(BaseModel):
    """A raw input tensor and its real values: `real = (raw - zero_point) * scale`.

    The int8 exports of images take `raw` itself, because the input quantizer is assigned exactly
    this scale and zero point. All other files but those of tokens take `raw` as float32 and do the
    arithmetic in the graph.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind = "image"
    shape: tuple[int, ...]
    """One sample, without the batch dimension: an image is [height, width, channels], a waveform
    [samples], tokens are [length]."""
    dtype: str = "uint8"
    """Of the data: uint8 images, int16 waveforms, int32 tokens, float32 arrays."""
    scale: float
    zero_point: int
    front_end: SoundFrontEnd | ChannelScaling | None = None
    """What makes features of a waveform, or scales an array, in the graph of every file."""
    vocabulary: int | None = None
    """How many different tokens there are, from 0."""

    @property
    def quantized(self) -> bool:
        """Whether an int8 file takes the raw values: scale and zero point are the quantizer's."""
        return self.dtype == "uint8"

    @property
    def file_dtype(self) -> str:
        """Type of the input of a file that is not quantized at its input."""
        return "int32" if self.kind == "tokens" else "float32"

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of one sample as the network takes it, without the batch dimension."""
        return self.shape if self.front_end is None else self.front_end.shape(self.shape)

    @property
    def of_network(self) -> "InputSpec":
        """What the network takes, `real(raw)`, as an input of its own."""
        kind: Kind = "array" if self.front_end else self.kind
        return InputSpec(
            kind=kind,
            shape=self.features,
            dtype=self.file_dtype,
            scale=1,
            zero_point=0,
            vocabulary=self.vocabulary,
        )

    @property
    def is_picture(self) -> bool:
        """Whether it is an image that files of pictures hold: grey or RGB."""
        return self.kind == "image" and len(self.shape) == 3 and self.shape[2] in (1, 3)

    @property
    def name(self) -> str:
        """Of the input tensor of a file."""
        return "values" if self.kind == "array" else self.kind

    @property
    def real_range(self) -> tuple[float, float]:
        """The real values of the smallest and the largest raw value of an 8-bit input."""
        return (0 - self.zero_point) * self.scale, (255 - self.zero_point) * self.scale

    def real(self, raw: Tensor) -> Tensor:
        """What the network takes: of `raw` [batch, *shape], a tensor or array of `file_dtype`,
        [batch, *features]."""
        # No operators that do nothing.
        plain = self.zero_point == 0 and self.scale == 1.0
        values = raw if plain else (raw - float(self.zero_point)) * self.scale
        return values if self.front_end is None else self.front_end(values)


def image_input(*shape: int) -> InputSpec:
    """uint8 pixels as `(pixel - 128) / 128`: exactly int8 with scale 1/128 and zero point 0."""
    return InputSpec(shape=shape, dtype="uint8", scale=1 / 128, zero_point=128)


def waveform_input(samples: int, front_end: SoundFrontEnd) -> InputSpec:
    """int16 samples at `front_end.rate` as values from -1 to 1."""
    return InputSpec(
        kind="waveform",
        shape=(samples,),
        dtype="int16",
        scale=1 / 32768,
        zero_point=0,
        front_end=front_end,
    )


def token_input(length: int, vocabulary: int) -> InputSpec:
    """int32 numbers of tokens, below `vocabulary`; 0 pads."""
    return InputSpec(
        kind="tokens",
        shape=(length,),
        dtype="int32",
        scale=1,
        zero_point=0,
        vocabulary=vocabulary,
    )


def array_input(*shape: int, scaling: ChannelScaling | None = None) -> InputSpec:
    """float32 values as they are; int8 networks quantize what `scaling` makes of them, by a
    calibrated range."""
    return InputSpec(
        kind="array", shape=shape, dtype="float32", scale=1, zero_point=0, front_end=scaling
    )

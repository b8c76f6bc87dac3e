"""The raw input of a network, as training, export and measurement share it."""

from pydantic import BaseModel, ConfigDict

from targets.untyped import Tensor


class InputSpec(BaseModel):
    """A raw input tensor and its real values: `real = (raw - zero_point) * scale`.

    The int8 exports take `raw` itself, because the input quantizer is assigned exactly this scale
    and zero point. The float exports take `raw` as float32 and do the arithmetic in the graph.
    """

    model_config = ConfigDict(frozen=True)

    shape: tuple[int, ...]
    """One sample, without the batch dimension; images are [height, width, channels]."""
    dtype: str = "uint8"
    scale: float
    zero_point: int

    @property
    def real_range(self) -> tuple[float, float]:
        """The real values of the smallest and the largest raw value of an 8-bit input."""
        return (0 - self.zero_point) * self.scale, (255 - self.zero_point) * self.scale

    def real(self, raw: Tensor) -> Tensor:
        """The real values of `raw`, a tensor or array in floating point."""
        if self.zero_point == 0 and self.scale == 1.0:
            return raw  # no operators that do nothing
        return (raw - float(self.zero_point)) * self.scale


def image_input(*shape: int) -> InputSpec:
    """uint8 pixels as `(pixel - 128) / 128`: exactly int8 with scale 1/128 and zero point 0."""
    return InputSpec(shape=shape, dtype="uint8", scale=1 / 128, zero_point=128)

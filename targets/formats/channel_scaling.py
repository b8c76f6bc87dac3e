"""The front end of arrays: each channel minus its mean, divided by its deviation, as a map.

Channels have units of their own (g, degrees, volts), of which one scale of 8 bits would hold the
largest alone. So the values go in as they were measured, and are brought to one scale in float, by
three operators in front of the network.
"""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from targets.untyped import Tensor


class ChannelScaling(BaseModel):
    """`(values - mean) / deviation`, a channel each.

    Networks take maps [height, width, channels]. A series [time, channels] is one of width 1; a
    series of one channel may leave the channels out, [time]. Where a vector [n] has as many means
    as values, each of these is a channel, of a single place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mean: tuple[float, ...] = Field(min_length=1)
    """Of each channel, over the training samples."""
    deviation: tuple[float, ...] = Field(min_length=1)
    """1 for a channel that never changes."""

    @model_validator(mode="after")
    def _agree(self) -> "ChannelScaling":
        if len(self.mean) != len(self.deviation) or min(self.deviation) <= 0:
            raise ValueError("mean and deviation are one number per channel, the latter above 0")
        return self

    def shape(self, raw: tuple[int, ...]) -> tuple[int, ...]:
        """[height, width, channels] of a sample of the shape `raw`."""
        channels = len(self.mean)
        places = raw[:-1] if raw[-1] == channels else raw
        height, width = (*places, 1, 1)[:2]
        return height, width, channels

    def __call__(self, values: Tensor) -> Tensor:
        """From raw values [batch, *raw] to [batch, height, width, channels]."""
        import numpy as np
        import tensorflow as tf

        raw = tuple(values.shape[1:])
        shape = self.shape(raw)
        as_map = values if raw == shape else tf.reshape(values, [-1, *shape])
        mean, factor = np.array(self.mean), 1 / np.array(self.deviation)
        return (as_map - mean.astype(np.float32)) * factor.astype(np.float32)

"""ResNet of basic blocks for small images: He et al. 2015, arXiv 1512.03385, section 4.2.

Dense convolutions run 4-8 times more multiply-accumulates per second on a CPU than depthwise
ones, so a plain residual network is the cheapest good teacher there. As a student it spends its
bytes on weights: an int8 file has scales, zero points and a bias for each channel of each layer
besides, and separable layers have many channels.
"""

from typing import Annotated

from pydantic import Field

from pipeline.models.layers import MAPS, classifier, conv_bn, image_tensor, relu
from pipeline.recipe.section import NonNegativeInt, PositiveFloat, PositiveInt, Section
from targets.untyped import KerasModel, Tensor

TAKES = MAPS


class Settings(Section):
    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (32, 64, 128)
    """Channels of the stem, then of each stage, which halves the image."""
    blocks: PositiveInt = 2
    """Residual blocks per stage."""
    full_size_blocks: NonNegativeInt = 0
    """Residual blocks behind the stem, as in the paper: few parameters and much of the time."""
    width_multiplier: PositiveFloat = 1.0
    """Factor on `widths`."""

    def scaled_widths(self) -> tuple[int, ...]:
        return tuple(max(1, round(width * self.width_multiplier)) for width in self.widths)


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    """A stem, full-size blocks, then `blocks` residual blocks per further width, at half the size.

    28x28 with widths 32, 64, 128 and 2 blocks: 661k parameters, 51.6 million MACs.
    """
    from tf_keras import Model

    stem, *widths = settings.scaled_widths()
    image = image_tensor(shape)
    x = relu(conv_bn(image, stem, 3, name="stem"), name="stem")
    for index in range(settings.full_size_blocks):
        x = _residual(x, stem, name=f"full_block{index}")
    for stage, width in enumerate(widths):
        for index in range(settings.blocks):
            strides = 2 if index == 0 else 1
            x = _residual(x, width, strides=strides, name=f"stage{stage}_block{index}")
    return Model(image, classifier(x, classes), name=name)


def _residual(x: Tensor, width: int, *, strides: int = 1, name: str) -> Tensor:
    """Two 3x3 convolutions, and a 1x1 convolution beside them where the image is halved."""
    from tf_keras import layers

    y = relu(conv_bn(x, width, 3, strides=strides, name=f"{name}_a"), name=f"{name}_a")
    y = conv_bn(y, width, 3, name=f"{name}_b")
    if strides > 1:
        x = conv_bn(x, width, 1, strides=strides, name=f"{name}_skip")
    return relu(layers.Add(name=f"{name}_add")([x, y]), name=name)

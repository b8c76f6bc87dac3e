"""Wide ResNet for small images: Zagoruyko & Komodakis 2016, arXiv 1605.07146.

Residual blocks whose batch norm and ReLU come before the convolution, without the paper's dropout:
Keras' does not resume to the same bytes. A teacher only: tfmot quantizes no batch norm that has no
convolution in front of it.
"""

from pipeline.models.layers import MAPS, batch_norm, classifier, conv, image_tensor, relu
from pipeline.models.resnet import Settings
from targets.untyped import KerasModel, Tensor

__all__ = ["TAKES", "Settings", "build"]

TAKES = MAPS


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    """A stem, full-size blocks, then `blocks` residual blocks per further width, at half the size.

    28x28 with widths 32, 64, 128 and 2 blocks: 660k parameters, 51.6 million MACs.
    """
    from tf_keras import Model

    stem, *widths = settings.scaled_widths()
    image = image_tensor(shape)
    x = conv(image, stem, 3, name="stem")
    for index in range(settings.full_size_blocks):
        x = _residual(x, stem, name=f"full_block{index}")
    for stage, width in enumerate(widths):
        for index in range(settings.blocks):
            strides = 2 if index == 0 else 1
            x = _residual(x, width, strides=strides, name=f"stage{stage}_block{index}")
    return Model(image, classifier(_bn_relu(x, name="head"), classes), name=name)


def _residual(x: Tensor, width: int, *, strides: int = 1, name: str) -> Tensor:
    """Where the image is halved, the shortcut starts behind the activation."""
    from tf_keras import layers

    before = _bn_relu(x, name=f"{name}_a")
    y = conv(before, width, 3, strides=strides, name=f"{name}_a")
    y = conv(_bn_relu(y, name=f"{name}_b"), width, 3, name=f"{name}_b")
    if strides > 1:
        x = conv(before, width, 1, strides=strides, name=f"{name}_skip")
    return layers.Add(name=f"{name}_add")([x, y])


def _bn_relu(x: Tensor, *, name: str) -> Tensor:
    return relu(batch_norm(x, name=name), name=name)

"""Wide ResNet for small images: Zagoruyko & Komodakis 2016, arXiv 1605.07146.

Residual blocks whose batch norm and ReLU come before the convolution, without the paper's dropout:
Keras' does not resume to the same bytes. A teacher only: tfmot quantizes no batch norm that has no
convolution in front of it.
"""

from pipeline.models.layers import batch_norm, classifier, conv, image_tensor, relu
from pipeline.models.resnet import Settings
from targets.untyped import KerasModel, Tensor

__all__ = ["Settings", "build"]


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: Settings) -> KerasModel:
    """A stem of `widths[0]`, then `blocks` residual blocks per further width, at half the size.

    The paper's first group, which works at full size, is left out, as in `resnet`. 28x28 with
    widths 32, 64, 128 and 2 blocks: 660k parameters, 51.6 million MACs.
    """
    from tf_keras import Model, layers

    image = image_tensor(shape)
    x = conv(image, settings.widths[0], 3, name="stem")
    for stage, width in enumerate(settings.widths[1:]):
        for index in range(settings.blocks):
            block, strides = f"stage{stage}_block{index}", 2 if index == 0 else 1
            before = _bn_relu(x, name=f"{block}_a")
            y = conv(before, width, 3, strides=strides, name=f"{block}_a")
            y = conv(_bn_relu(y, name=f"{block}_b"), width, 3, name=f"{block}_b")
            if index == 0:  # where the shape changes, the shortcut starts behind the activation
                x = conv(before, width, 1, strides=strides, name=f"{block}_skip")
            x = layers.Add(name=f"{block}_add")([x, y])
    return Model(image, classifier(_bn_relu(x, name="head"), classes), name=name)


def _bn_relu(x: Tensor, *, name: str) -> Tensor:
    return relu(batch_norm(x, name=name), name=name)

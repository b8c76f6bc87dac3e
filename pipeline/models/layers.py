"""The building blocks that the families share.

BatchNorm follows each convolution and momentum is 0.9: Keras' 0.99 lags behind a short schedule
(65 % in evaluation, 88 % in training). `ReLU(6.)` is the layer, because tfmot's
Conv + BN + ReLU pattern does not match `Activation("relu6")` (tfmot#1030).
"""

from targets.formats.input_spec import Kind
from targets.untyped import Tensor

Kernel = int | tuple[int, int]
MAPS: tuple[Kind, ...] = ("image", "waveform", "array")
"""Kinds of data that a network of convolutions gets as a map [height, width, channels]."""
SOUNDS: tuple[Kind, ...] = ("waveform", "array")
"""Of a network whose first axis is time: features [frames, coefficients, 1]."""
LOOP = (
    "the steps of a recurrent layer are a loop, for which there is no quantization-aware training, "
    "and which ends the whole process where TFLite calibrates it"
)
"""`NO_INT8` of a family with recurrent layers."""
BN_MOMENTUM = 0.9


def conv(x: Tensor, filters: int, kernel: int, *, strides: int = 1, name: str) -> Tensor:
    from tf_keras import layers

    return layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)


def batch_norm(x: Tensor, *, name: str) -> Tensor:
    from tf_keras import layers

    return layers.BatchNormalization(momentum=BN_MOMENTUM, name=f"{name}_bn")(x)


def conv_bn(x: Tensor, filters: int, kernel: int, *, strides: int = 1, name: str) -> Tensor:
    return batch_norm(conv(x, filters, kernel, strides=strides, name=name), name=name)


def depthwise_bn(x: Tensor, kernel: Kernel = 3, *, strides: int = 1, name: str) -> Tensor:
    from tf_keras import layers

    x = layers.DepthwiseConv2D(
        kernel,
        strides=strides,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return batch_norm(x, name=name)


def depthwise_bn_relu6(x: Tensor, kernel: Kernel = 3, *, strides: int = 1, name: str) -> Tensor:
    return relu6(depthwise_bn(x, kernel, strides=strides, name=name), name=name)


def inverted_residual(
    x: Tensor, channels: int, kernel: int = 3, *, expansion: int, strides: int = 1, name: str
) -> Tensor:
    """1x1 expansion, depthwise convolution, linear 1x1 projection, and a sum where shapes allow.

    Sandler et al. 2018, arXiv 1801.04381. An `expansion` of 1 has no convolution of its own.
    """
    from tf_keras import layers

    y, before = x, x.shape[-1]
    if expansion > 1:
        y = conv_bn(y, before * expansion, 1, name=f"{name}_expand")
        y = relu6(y, name=f"{name}_expand")
    y = depthwise_bn_relu6(y, kernel, strides=strides, name=f"{name}_depthwise")
    y = conv_bn(y, channels, 1, name=f"{name}_project")
    keeps_shape = strides == 1 and before == channels
    return layers.Add(name=f"{name}_add")([x, y]) if keeps_shape else y


def relu6(x: Tensor, *, name: str) -> Tensor:
    from tf_keras import layers

    return layers.ReLU(6.0, name=f"{name}_relu6")(x)


def relu(x: Tensor, *, name: str) -> Tensor:
    from tf_keras import layers

    return layers.ReLU(name=f"{name}_relu")(x)


def image_tensor(shape: tuple[int, ...]) -> Tensor:
    from tf_keras import layers

    return layers.Input(shape=shape, name="image")


def classifier(x: Tensor, classes: int) -> Tensor:
    """Global average and a dense layer: features [batch, h, w, c] to logits [batch, classes].

    Also float32 in mixed precision: logits in bfloat16 would have three digits.
    """
    from tf_keras import layers

    x = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(x)
    return layers.Dense(classes, name="logits", dtype="float32")(x)


def scaled(channels: int, width_multiplier: float) -> int:
    """MobileNet's rounding: to a multiple of 8, and never below 90 % of the exact product."""
    exact = channels * width_multiplier
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * exact else rounded + 8

"""tfmot's 8-bit scheme with per-channel depthwise kernels and ranges whose decay can be set."""

from collections.abc import Callable

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras
from tensorflow_model_optimization.python.core.quantization.keras import quant_ops, quantizers
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_registry as registry_8bit,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_scheme as scheme_8bit,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantizers as quantizers_8bit,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_transforms as transforms_8bit,
)
from tensorflow_model_optimization.python.core.quantization.keras.graph_transformations import (
    transforms,
)

from targets.untyped import KerasLayer, KerasModel, Tensor

Weights = dict[str, Tensor]
"""The variables of a quantizer by name: `min_var` and `max_var`."""


def quantize_per_channel(model: KerasModel) -> KerasModel:
    """A copy of `model` with every layer quantized by `PerChannelScheme`."""
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    return tfmot.quantization.keras.quantize_apply(annotated, scheme=PerChannelScheme())


def fake_quantized(
    inputs: Tensor,
    min_var: Tensor,
    max_var: Tensor,
    *,
    per_channel: bool,
    num_bits: int,
    narrow_range: bool,
) -> Tensor:
    """TensorFlow's fake quantization; the gradient passes where `inputs` are in the range.

    TensorFlow's own gradient has those of the ranges too, sums that are not deterministic on a GPU.
    No range is learned by its gradient here.
    """
    kernel = tf.quantization.fake_quant_with_min_max_vars
    if per_channel:
        kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel
    first, last = float(narrow_range), float(2**num_bits - 1)

    @tf.custom_gradient
    def quantized(x: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        def gradient(upstream: Tensor) -> tuple[Tensor, None, None]:
            # As the kernel divides: TensorFlow multiplies a plain quotient by the reciprocal, and
            # the largest weight would be in its channel's range or not by rounding.
            scale = tf.math.divide_no_nan(high - low, last - first)
            zero = tf.floor(tf.clip_by_value(first - low / scale, first, last) + 0.5)
            inside = ((first - zero) * scale <= x) & (x <= (last - zero) * scale)
            return tf.where(inside, upstream, 0.0), None, None

        return kernel(x, low, high, num_bits=num_bits, narrow_range=narrow_range), gradient

    return quantized(inputs, tf.convert_to_tensor(min_var), tf.convert_to_tensor(max_var))


# tfmot has no public hook; all of its quantizers come through this function.
quant_ops._FakeQuantWithMinMaxVars = fake_quantized


def float_input() -> transforms.LayerPattern:
    return transforms.LayerPattern("InputLayer", {"dtype": "float32"})


# Tokens are quantized behind their table: tfmot's QuantizeLayer cannot take integers.
transforms_8bit.InputLayerQuantize.pattern = lambda self: float_input()


class ActivationRange(quantizers.MovingAverageQuantizer):  # type: ignore[misc]
    """A moving average of the batches' ranges whose decay can be set; tfmot fixes it at 0.999.

    With decay 0 the range is that of the batch, with 1 it is frozen.
    """

    def __init__(self, *, decay: float | Tensor) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self.decay = decay

    def __call__(
        self, inputs: Tensor, training: bool, weights: Weights, **kwargs: object
    ) -> Tensor:
        return quant_ops.MovingAvgQuantize(
            inputs,
            weights["min_var"],
            weights["max_var"],
            ema_decay=self.decay,
            is_training=training,
            num_bits=8,
        )


class DepthwiseWeights(quantizers_8bit.Default8BitConvWeightsQuantizer):  # type: ignore[misc]
    """One range per channel of a depthwise kernel.

    tfmot has one per element of the last axis, which is the depth multiplier (tensorflow#47858).
    Here the kernel [h, w, channels, multiplier] is reshaped to [h, w, 1, channels * multiplier].
    """

    def build(self, tensor_shape: Tensor, name: str, layer: KerasLayer) -> Weights:
        channels = tensor_shape[-2] * tensor_shape[-1]
        weights: Weights = super().build(tf.TensorShape([channels]), name, layer)
        return weights

    def __call__(
        self, inputs: Tensor, training: bool, weights: Weights, **kwargs: object
    ) -> Tensor:
        height, width, channels, multiplier = inputs.shape
        flat = tf.reshape(inputs, [height, width, 1, channels * multiplier])
        quantized = super().__call__(flat, training, weights, **kwargs)
        return tf.reshape(quantized, inputs.shape)


class DepthwiseConfig(registry_8bit.Default8BitConvQuantizeConfig):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(["depthwise_kernel"], ["activation"], False)
        self.weight_quantizer = DepthwiseWeights()


class EmbeddingConfig(registry_8bit.Default8BitQuantizeConfig):  # type: ignore[misc]
    """The output alone: a table holds what comes out of it, and TFLite's GATHER has one scale."""

    def __init__(self) -> None:
        super().__init__([], [], True)


class PerChannelRegistry(registry_8bit.Default8BitQuantizeRegistry):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self._layer_quantize_map[tf_keras.layers.DepthwiseConv2D] = DepthwiseConfig()
        self._layer_quantize_map[tf_keras.layers.Embedding] = EmbeddingConfig()


class PerChannelScheme(scheme_8bit.Default8BitQuantizeScheme):  # type: ignore[misc]
    def get_quantize_registry(self) -> PerChannelRegistry:
        return PerChannelRegistry()

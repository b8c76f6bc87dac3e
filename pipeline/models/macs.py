"""Multiply-accumulates of a network for one sample, layer by layer."""

import math
from collections.abc import Callable, Mapping

from targets.untyped import KerasLayer, KerasModel


def count_macs(model: KerasModel) -> int:
    """Of the products with weights, and of those of attention; a look-up in a table has none."""
    return sum(_layer_macs(layer) for layer in model.layers)


def _layer_macs(layer: KerasLayer) -> int:
    if hasattr(layer, "layers"):  # a network of several
        return count_macs(layer)
    count = COUNTED.get(type(layer).__name__)
    return 0 if count is None else count(layer)


def _at_every_position(*kernels: str) -> Callable[[KerasLayer], int]:
    """Of kernels that are applied at each position of the output [batch, *positions, channels]."""

    def count(layer: KerasLayer) -> int:
        products = sum(math.prod(getattr(layer, name).shape) for name in kernels)
        return int(math.prod(layer.output_shape[1:-1]) * products)

    return count


def _recurrent(layer: KerasLayer) -> int:
    """Of both kernels at every step of the input [batch, steps, channels]."""
    return int(layer.input_shape[1]) * _step(layer.cell)


def _both_directions(layer: KerasLayer) -> int:
    each = _step(layer.forward_layer.cell) + _step(layer.backward_layer.cell)
    return int(layer.input_shape[1]) * each


def _step(cell: KerasLayer) -> int:
    return int(math.prod(cell.kernel.shape) + math.prod(cell.recurrent_kernel.shape))


def _einsum(layer: KerasLayer) -> int:
    """Of a kernel whose axes are those of the input that it sums over, and new ones."""
    data, kernel = layer.equation.split("->")[0].split(",")
    new = (size for axis, size in zip(kernel, layer.kernel.shape, strict=True) if axis not in data)
    return int(math.prod(layer.input_shape[1:]) * math.prod(new))


def _multi_head(layer: KerasLayer) -> int:
    """Of the four projections, and of queries by keys and weights by values in each head."""
    query, key = math.prod(layer._query_shape[1:-1]), math.prod(layer._key_shape[1:-1])
    projections = (
        (query, layer._query_dense),
        (key, layer._key_dense),
        (key, layer._value_dense),
        (query, layer._output_dense),
    )
    pairs = layer._num_heads * query * key
    products = pairs * (layer._key_dim + layer._value_dim)
    return int(products + sum(n * math.prod(dense.kernel.shape) for n, dense in projections))


def _attention(layer: KerasLayer) -> int:
    """Of [batch, queries, channels] by [batch, keys, channels], and of the weights by the values;
    without keys of their own the values are the keys."""
    query, value, *key = layer.input_shape
    return int(query[1] * value[1] * ((key or [value])[0][2] + value[2]))


def _self_attention(layer: KerasLayer) -> int:
    """Of queries by keys and of weights by values, in all heads together."""
    _, positions, channels = layer.input_shape[0]
    return int(2 * positions * positions * channels)


def _dot(layer: KerasLayer) -> int:
    axes = layer.axes
    summed = axes if isinstance(axes, int) else axes[0]
    return int(math.prod(layer.output_shape[1:]) * layer.input_shape[0][summed])


def _operator(layer: KerasLayer) -> int:
    """Of `tf.matmul` between layers."""
    if layer.symbol != "linalg.matmul":
        return 0
    node = layer.inbound_nodes[0]
    summed = -2 if node.call_kwargs.get("transpose_a") else -1
    return int(math.prod(layer.output_shape[1:]) * node.keras_inputs[0].shape[summed])


COUNTED: Mapping[str, Callable[[KerasLayer], int]] = {
    "Dense": _at_every_position("kernel"),
    "Conv1D": _at_every_position("kernel"),
    "Conv2D": _at_every_position("kernel"),
    "DepthwiseConv1D": _at_every_position("depthwise_kernel"),
    "DepthwiseConv2D": _at_every_position("depthwise_kernel"),
    "SeparableConv1D": _at_every_position("depthwise_kernel", "pointwise_kernel"),
    "SeparableConv2D": _at_every_position("depthwise_kernel", "pointwise_kernel"),
    "EinsumDense": _einsum,
    "GRU": _recurrent,
    "LSTM": _recurrent,
    "SimpleRNN": _recurrent,
    "Bidirectional": _both_directions,
    "MultiHeadAttention": _multi_head,
    "Attention": _attention,
    "SelfAttention": _self_attention,
    "Dot": _dot,
    "TFOpLambda": _operator,
}
"""Class of a layer of Keras -> its count."""

"""Layers of a Transformer that Keras does not have in a form that every runtime takes.

`MultiHeadAttention` of Keras is made of Einsum, whose weights no converter rounds to 8 bits.
"""

import tensorflow as tf
from tf_keras import layers

from targets.untyped import Tensor


class Positions(layers.Layer):  # type: ignore[misc]
    """Adds a learned vector for each position to [batch, positions, channels]."""

    def build(self, input_shape: tf.TensorShape) -> None:
        self.vectors = self.add_weight(
            name="vectors", shape=input_shape[1:], initializer="uniform", trainable=True
        )
        super().build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        return inputs + self.vectors


class SelfAttention(layers.Layer):  # type: ignore[misc]
    """softmax(Q Kᵀ / sqrt(size)) V in each head: Vaswani et al. 2017, arXiv 1706.03762.

    Takes queries, keys and values, [batch, positions, channels] each; a head has its part of the
    channels.
    """

    def __init__(self, heads: int, *, name: str) -> None:
        super().__init__(name=name)
        self.heads = heads

    def call(self, inputs: list[Tensor]) -> Tensor:
        query, key, value = map(self._by_head, inputs)
        scores = tf.matmul(query, key, transpose_b=True) * query.shape[-1] ** -0.5
        seen = tf.transpose(tf.matmul(tf.nn.softmax(scores), value), [0, 2, 1, 3])
        return tf.reshape(seen, [-1, *inputs[0].shape[1:]])

    def _by_head(self, values: Tensor) -> Tensor:
        """[batch, heads, positions, channels of a head]."""
        _, positions, channels = values.shape
        parts = tf.reshape(values, [-1, positions, self.heads, channels // self.heads])
        return tf.transpose(parts, [0, 2, 1, 3])

"""Multiply-accumulates of one sample, each counted by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
import tf_keras
from tf_keras import layers

from pipeline.models.macs import count_macs

STEPS, CHANNELS = 20, 16


def by_layer(layer: Callable[[Any], Any], *, shape: tuple[int, ...] = (STEPS, CHANNELS)) -> int:
    source = tf_keras.Input(shape)
    return count_macs(tf_keras.Model(source, layer(source)))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda x: layers.Dense(7)(x), STEPS * 16 * 7),
        (lambda x: layers.Dense(7)(x[:, 0]), 16 * 7),
        (lambda x: layers.Conv1D(8, 3, padding="same")(x), STEPS * 3 * 16 * 8),
        (lambda x: layers.Conv1D(8, 3, strides=2)(x), 9 * 3 * 16 * 8),
        (lambda x: layers.DepthwiseConv1D(3, padding="same")(x), STEPS * 3 * 16),
        (lambda x: layers.SeparableConv1D(8, 3)(x), 18 * (3 * 16 + 16 * 8)),
        (lambda x: layers.EinsumDense("abc,cde->abde", (STEPS, 2, 4))(x), STEPS * 16 * 2 * 4),
        # Three gates; from the input and from the state, at every step.
        (lambda x: layers.GRU(5)(x), STEPS * 3 * (16 * 5 + 5 * 5)),
        (lambda x: layers.Bidirectional(layers.GRU(5))(x), 2 * STEPS * 3 * (16 * 5 + 5 * 5)),
        (lambda x: layers.LSTM(5, return_sequences=True)(x), STEPS * 4 * (16 * 5 + 5 * 5)),
        (lambda x: layers.GlobalAveragePooling1D()(x), 0),
        (lambda x: tf.nn.relu(x), 0),
        (lambda x: tf.matmul(x, x, transpose_b=True), STEPS * STEPS * 16),
        (lambda x: tf.matmul(x, x, transpose_a=True), 16 * 16 * STEPS),
        (lambda x: layers.Dot(axes=2)([x, x]), STEPS * STEPS * 16),
        (lambda x: layers.Attention()([x, x]), 2 * STEPS * STEPS * 16),
    ],
)
def test_macs_of_a_layer(layer: Callable[[Any], Any], expected: int) -> None:
    assert by_layer(layer) == expected


@pytest.mark.parametrize("keys", [STEPS, 6])
def test_attention_is_four_projections_and_two_products_of_each_head(keys: int) -> None:
    def attend(x: Any) -> Any:
        return layers.MultiHeadAttention(num_heads=2, key_dim=4, value_dim=3)(x, x[:, :keys])

    query, key, value, output = (16 * 2 * size for size in (4, 4, 3, 3))
    projections = STEPS * (query + output) + keys * (key + value)
    assert by_layer(attend) == projections + 2 * STEPS * keys * (4 + 3)


def test_a_table_of_words_is_looked_up_and_multiplies_nothing() -> None:
    def text(tokens: Any) -> Any:
        return layers.Dense(6)(layers.GlobalAveragePooling1D()(layers.Embedding(1000, 32)(tokens)))

    assert by_layer(text, shape=(50,)) == 32 * 6

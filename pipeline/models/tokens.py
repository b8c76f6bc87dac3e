"""What the families of tokens share: the table of vectors, and the largest value over positions."""

from targets.formats.input_spec import Kind
from targets.untyped import Tensor

TOKENS: tuple[Kind, ...] = ("tokens",)


def embedded(shape: tuple[int, ...], size: int) -> tuple[Tensor, Tensor]:
    """The input of `shape` (length, vocabulary), and a vector per token, [batch, length, size].

    The token 0, padding, has a vector as any other: no mask, which int8 runtimes do not have.
    """
    from tf_keras import layers

    length, vocabulary = shape
    tokens = layers.Input((length,), dtype="int32", name="tokens")
    vectors = layers.Embedding(vocabulary, size, name="embedding")
    return tokens, vectors(tokens)


def as_map(x: Tensor) -> Tensor:
    """[batch, length, size] as [batch, length, 1, size]: quantization knows Conv2D, not Conv1D."""
    from tf_keras import layers

    length, size = x.shape[1:]
    return layers.Reshape((length, 1, size), name="map")(x)


def largest(x: Tensor, *, name: str = "largest") -> Tensor:
    """The largest value of each channel over all positions, [batch, channels].

    A pooling over the whole map: Keras' global one is float in ONNX Runtime.
    """
    from tf_keras import layers

    x = layers.MaxPooling2D((x.shape[1], 1), name=name)(x)
    return layers.Flatten(name=f"{name}_flat")(x)


def logits(x: Tensor, classes: int) -> Tensor:
    from tf_keras import layers

    return layers.Dense(classes, name="logits", dtype="float32")(x)

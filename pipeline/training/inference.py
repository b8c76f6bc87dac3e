"""A network as a function of raw samples, in evaluation mode."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from targets.formats.input_spec import InputSpec
from targets.untyped import KerasModel, Tensor

Raw = npt.NDArray[np.generic]
Outputs = npt.NDArray[np.float32]


def normalise(raw: Tensor, spec: InputSpec) -> Tensor:
    """Raw samples as the network takes them: `InputSpec.real`."""
    import tensorflow as tf

    return spec.real(tf.cast(raw, spec.file_dtype))


def forward(model: KerasModel, raw: Tensor, spec: InputSpec, *, training: bool) -> Tensor:
    """All outputs of `model` for raw samples, in float32 also where it computes in bfloat16."""
    import tensorflow as tf

    outputs = model(normalise(raw, spec), training=training)
    return tf.nest.map_structure(lambda output: tf.cast(output, tf.float32), outputs)


def make_predict(model: KerasModel, spec: InputSpec) -> Callable[[Raw], Outputs]:
    """A function from raw samples [n, ...] to logits [n, classes]."""
    outputs = make_features(model, spec)

    def in_batches(raw: Raw, size: int = 256) -> Outputs:
        return np.concatenate([outputs(raw[i : i + size])[0] for i in range(0, len(raw), size)])

    return in_batches


def make_features(model: KerasModel, spec: InputSpec) -> Callable[[Raw], list[Outputs]]:
    """A function from one batch of raw samples to all outputs of `model`."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, *spec.shape], spec.dtype)])
    def predict(raw: Tensor) -> list[Tensor]:
        outputs: list[Tensor] = tf.nest.flatten(forward(model, raw, spec, training=False))
        return outputs

    def call(raw: Raw) -> list[Outputs]:
        raw = np.asarray(raw)  # of memory-mapped images only this batch is read
        return [output.numpy() for output in predict(tf.constant(raw))]

    return call

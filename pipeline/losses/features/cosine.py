"""The directions of the last hidden states, 1 - cos: for a Transformer of its teacher's width.

Source: DistilBERT, Sanh et al. 2019, arXiv 1910.01108, whose training weighs it 1 beside 5 of the
loss on logits.
"""

from pipeline.losses.contract import FeaturePairs
from targets.errors import InputError
from targets.untyped import KerasModel, Tensor

WEIGHT = 0.2


def pairs(*, student: KerasModel, teacher: KerasModel) -> FeaturePairs:
    own, other = _hidden(student), _hidden(teacher)
    if own is None or other is None or own.shape != other.shape:
        raise InputError(
            "distill.features: cosine compares the last hidden states, a vector for each position, "
            f"and the student has {_show(own)}, the teacher {_show(other)}. Give both networks the "
            "same width, or leave features out."
        )
    return FeaturePairs(student=[own], teacher=[other])


def loss(*, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    return apart(student=student[0], teacher=teacher[0])


def apart(*, student: Tensor, teacher: Tensor) -> Tensor:
    """mean (1 - cos(h_s, h_t)) over all positions of [batch, positions, channels]: 0 to 2."""
    import tensorflow as tf

    own, other = (
        tf.math.l2_normalize(states, axis=-1) for states in (student, tf.stop_gradient(teacher))
    )
    return tf.reduce_mean(1 - tf.reduce_sum(own * other, axis=-1))


def _hidden(model: KerasModel) -> Tensor | None:
    """The last result with a vector for each position; None in a network without one."""
    found = [layer.output for layer in model.layers[1:] if len(layer.output.shape) == 3]
    return found[-1] if found else None


def _show(hidden: Tensor | None) -> str:
    return "none" if hidden is None else "x".join(map(str, hidden.shape[1:]))

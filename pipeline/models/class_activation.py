"""Class-activation maps: which places of an image speak for a class.

Zhou et al. 2016, arXiv 1512.04150. Exact for a network that ends in a global average and a dense
layer: the logit of a class is the mean of its map, plus the bias.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from targets.untyped import KerasModel

Maps = npt.NDArray[np.float32]


def with_last_features(model: KerasModel) -> KerasModel | None:
    """The network with its last feature maps [batch, h, w, channels] and its logits as outputs;
    None for one that does not end in a global average and a dense layer."""
    from tf_keras import Model, layers

    *_, pool, dense = model.layers
    if not isinstance(pool, layers.GlobalAveragePooling2D) or not isinstance(dense, layers.Dense):
        return None
    return Model(model.input, [pool.input, model.output], name="activation")


def activation_maps(
    outputs: Callable[[npt.NDArray[np.generic]], list[Maps]],
    raw: npt.NDArray[np.generic],
    kernel: Maps,
) -> Maps:
    """The maps [n, h, w] of the predicted classes, from 0 to 1 each; `kernel` of the dense layer is
    [channels, classes]. What speaks against the class is 0.

    A constant in all logits changes no probability, so that a map is of a class over their mean.
    """
    features, logits = outputs(raw)
    weights = (kernel - kernel.mean(axis=1, keepdims=True))[:, logits.argmax(axis=1)]
    maps = np.maximum(np.einsum("nhwc,cn->nhw", features, weights), 0)
    highest = maps.max(axis=(1, 2), keepdims=True)
    shares: Maps = np.divide(maps, highest, out=np.zeros_like(maps), where=highest > 0)
    return shares

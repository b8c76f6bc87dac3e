"""A network with fake quantization that any of its layers can go without."""

from collections.abc import Callable, Collection
from functools import partial
from itertools import compress

from pipeline.datasets.splits import Samples
from pipeline.training.inference import Outputs, make_predict
from targets.formats.input_spec import InputSpec
from targets.untyped import KerasLayer, KerasModel, Quantizer, Tensor


def quantized_tensors(wrapper: KerasLayer) -> str:
    """What the fake quantization of a layer rounds; empty for a layer without any."""
    activations = bool(getattr(wrapper, "_output_quantizers", None)) or any(
        activation._should_pre_quantize() or activation._should_post_quantize()
        for activation in getattr(wrapper, "_quantize_activations", ())
    )
    rounded = (bool(getattr(wrapper, "_weight_vars", None)), activations)
    return " and ".join(compress(("weights", "activations"), rounded))


class SwitchedNetwork:
    """A network with fake quantization that any of its layers can go without.

    It is traced once, whatever the number of layers. The input stays quantized: raw pixels are on
    its grid.
    """

    def __init__(self, model: KerasModel, spec: InputSpec) -> None:
        import tensorflow as tf

        self.layers: list[KerasLayer] = [one for one in model.layers if quantized_tensors(one)]
        self._off = tf.Variable(tf.zeros(len(self.layers), tf.bool), trainable=False, name="off")
        for place, layer in enumerate(self.layers):
            replace_quantizers(layer, partial(self._switched, place=place))
        self._predict = make_predict(model, spec)

    def without(self, layers: Collection[KerasLayer], samples: Samples) -> Outputs:
        """Logits [samples, classes] without the fake quantization of `layers`."""
        self._off.assign([any(one is layer for one in layers) for layer in self.layers])
        logits = self._predict(samples.raw)
        self._off.assign([False] * len(self.layers))
        return logits

    def _switched(self, quantizer: Quantizer, *, place: int) -> Quantizer:
        import tensorflow as tf

        def quantize(inputs: Tensor, training: bool, weights: dict[str, Tensor]) -> Tensor:
            return tf.cond(
                self._off[place],
                lambda: tf.identity(inputs),
                lambda: quantizer(inputs, training, weights=weights),
            )

        return quantize


def replace_quantizers(layer: KerasLayer, replaced: Callable[[Quantizer], Quantizer]) -> None:
    """Exchange every quantizer of a wrapper of tfmot."""
    # As in `qat`: tfmot has no public hook, and looks the quantizers up at every call.
    layer._weight_vars = [
        (weight, replaced(quantizer), ranges) for weight, quantizer, ranges in layer._weight_vars
    ]
    for activation in layer._quantize_activations:
        activation.quantizer = replaced(activation.quantizer)
    if layer._output_quantizers:
        layer._output_quantizers = [replaced(layer._output_quantizers[0])]

"""Quantization-aware training for short schedules.

tfmot's defaults are for long ones: activation ranges start at ±6 and take thousands of steps to
forget it, the input range is learned, and a depthwise kernel has one range for all channels. Here
every range is calibrated before the first step, the range of raw 8-bit values is assigned, that of
features stays as calibrated, and depthwise kernels have a range per channel.
"""

from collections.abc import Callable

import numpy as np

from pipeline.datasets.on_access import Raw
from pipeline.training.freezing import freeze, is_batch_norm
from pipeline.training.inference import normalise
from targets.formats.input_spec import InputSpec
from targets.untyped import KerasModel, Quantizer

LEARNING, FROZEN = 0.99, 1.0
"""Decay of the moving average of an activation range while training."""


class QuantizedNetwork:
    """A tf_keras model with fake quantization, and the decay of its activation ranges."""

    def __init__(self, model: KerasModel, spec: InputSpec) -> None:
        """Wrap a copy of `model`. Its ranges are tfmot's ±6 until `calibrate`, or until weights
        are loaded."""
        import tensorflow as tf

        from pipeline.quantization.scheme import ActivationRange, quantize_per_channel

        self.spec = spec
        self.model = quantize_per_channel(model)
        self._decay = tf.Variable(FROZEN, trainable=False, dtype=tf.float32, name="range_decay")
        self._input_decay = tf.Variable(FROZEN, trainable=False, dtype=tf.float32, name="input")
        self._replace_quantizers(ActivationRange)
        self._freeze_batch_norm()

    def calibrate(self, samples: Raw, *, batch_size: int = 256) -> None:
        """Set every activation range from raw `samples` [n, *spec.shape].

        A range is the mean of the batches' ranges. The batches have nearly equal sizes, because
        a small one would weigh as much as a large one.
        """
        batches = np.array_split(samples, max(1, round(len(samples) / batch_size)))
        for number, batch in enumerate(batches):
            for decay in (self._decay, self._input_decay):
                decay.assign(number / (number + 1))
            self._observe(batch)
        for decay in (self._decay, self._input_decay):
            decay.assign(FROZEN)

    def ranges_learn(self, learn: bool) -> None:
        """Whether training steps move the activation ranges."""
        self._decay.assign(LEARNING if learn else FROZEN)

    def settle(self) -> None:
        """Read the weight ranges again: the last step changed the weights after they were read."""
        self._decay.assign(FROZEN)
        self._observe(np.zeros((1, *self.spec.shape), self.spec.dtype))

    def _observe(self, samples: Raw) -> None:
        self.model(normalise(samples, self.spec), training=True)

    def _replace_quantizers(self, activation_range: Callable[..., Quantizer]) -> None:
        # tfmot has no public hook. It looks the quantizers up at every call, so that the objects
        # can be exchanged after the wrappers have made their variables.
        for layer in self.model.layers:
            if type(layer).__name__ == "QuantizeLayer":
                assigned = self.spec.quantized
                layer.quantizer = activation_range(decay=FROZEN if assigned else self._input_decay)
                if assigned:
                    low, high = self.spec.real_range
                    layer.quantizer_vars["min_var"].assign(low)
                    layer.quantizer_vars["max_var"].assign(high)
            elif getattr(layer, "_output_quantizers", None):
                layer._output_quantizers = [activation_range(decay=self._decay)]
            for activation in getattr(layer, "_quantize_activations", []):
                activation.quantizer = activation_range(decay=self._decay)

    def _freeze_batch_norm(self) -> None:
        # Of the layer inside too: its statistics stay as trained.
        freeze(one for one in self.model.layers if is_batch_norm(getattr(one, "layer", one)))

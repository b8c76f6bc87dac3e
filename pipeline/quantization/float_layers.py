"""Operators of a quantization-aware network that calculate in float: `convert.keep_float`.

An operator of an int8 file is a chain of layers: a convolution, its batch norm, its activation.
Whichever of them is named, the fake quantization of the whole chain is taken off: of its weights
and of its result. The operators that read the result then calculate in float too, and quantize
their own: DEQUANTIZE, float operators, QUANTIZE.

Only the weights of a chain cannot stay in float: TFLite's converter and ONNX Runtime choose scales
of their own for float weights between quantized tensors. int16x8 for single layers is not offered:
TFLite's converter sets 16 bits for a whole file, and ONNX has no 16-bit QuantizeLinear before
opset 21, so that both files could not hold one graph.
"""

from collections.abc import Iterable, Iterator, Sequence

from pipeline.quantization.switched import quantized_tensors, replace_quantizers
from targets.errors import InputError, did_you_mean, listed, printable
from targets.formats.input_spec import InputSpec
from targets.untyped import KerasLayer, KerasModel, Tensor

Chain = tuple[KerasLayer, ...]
"""The wrapped layers of one operator, from those that read quantized tensors to the one whose
result is quantized."""


SAME_SCALE = {
    "AveragePooling2D", "Dropout", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D",
    "MaxPooling2D", "Permute", "Reshape", "ZeroPadding2D",
}  # fmt: skip
"""Kinds of layers whose operators have one scale for input and result in TFLite."""


class Chains:
    """The chains of layers of a network that `QuantizedNetwork` has wrapped."""

    def __init__(self, model: KerasModel) -> None:
        self._model = model
        self._inside = {id(layer) for layer in model.layers}
        self.layers: dict[str, KerasLayer] = {
            wrapper.layer.name: wrapper for wrapper in model.layers if hasattr(wrapper, "layer")
        }

    def of(self, layer: KerasLayer) -> Chain:
        """The chain with `layer`; of branches that are joined before they are quantized, all."""
        found: dict[int, KerasLayer] = {}
        pending = [layer]
        while pending:
            one = pending.pop()
            if id(one) in found:
                continue
            found[id(one)] = one
            pending += [] if _ends(one) else self._after(one)
            pending += [other for other in self._before(one) if not _ends(other)]
        return tuple(one for one in self._model.layers if id(one) in found)

    def all(self) -> list[Chain]:
        """Every chain that can be in float, in the order of the network."""
        chains: list[Chain] = []
        seen: set[int] = set()
        for layer in self.layers.values():
            if id(layer) not in seen:
                chain = self.of(layer)
                seen |= {id(one) for one in chain}
                chains += [chain] if calculates(chain) else []
        return chains

    def readers(self, chain: Chain) -> list[Chain]:
        """The chains that read the result of `chain`."""
        ends = [one for one in chain if _ends(one)]
        return [self.of(reader) for end in ends for reader in self._after(end)]

    def named(self, names: Iterable[str]) -> dict[str, Chain]:
        """Name of a layer -> its chain. Raises `InputError` for a name that no layer has, and for
        a chain that cannot be in float by itself."""
        found = {}
        for name in names:
            if name not in self.layers:
                near = did_you_mean(name, self.layers)
                raise InputError(
                    f"convert.keep_float: the student has no layer '{printable(name)}'{near} "
                    f"Layers: {listed(list(self.layers), most=100)}."
                )
            found[name] = self.of(self.layers[name])
            if not calculates(found[name]):
                raise InputError(
                    f"convert.keep_float: '{name}' has no quantization of its own: TFLite gives it "
                    "the scale of its input. Name the layer before it, or behind it."
                )
        return found

    def operators(self, names: Iterable[str]) -> dict[str, frozenset[str]]:
        """Name of a layer -> the layers of the operators that calculate in float for it, by the
        names that the converter gets."""
        return {
            name: frozenset(one.name for part in (chain, *self.readers(chain)) for one in part)
            for name, chain in self.named(names).items()
        }

    def _after(self, layer: KerasLayer) -> list[KerasLayer]:
        nodes = layer.outbound_nodes
        return [node.outbound_layer for node in nodes if id(node.outbound_layer) in self._inside]

    def _before(self, layer: KerasLayer) -> Iterator[KerasLayer]:
        for node in layer.inbound_nodes:
            inbound = node.inbound_layers
            yield from inbound if isinstance(inbound, list) else [inbound]


def calculates(chain: Chain) -> bool:
    """Whether an operator for the chain can be in float while its neighbours are not."""
    kinds = {type(one.layer).__name__ for one in chain if hasattr(one, "layer")}
    return bool(kinds - SAME_SCALE) and any(map(quantized_tensors, chain))


def require_layers(student: KerasModel, names: Sequence[str], *, spec: InputSpec) -> None:
    """Raise the errors of `keep_float` for a float `student`, before it is trained."""
    from pipeline.quantization.qat import QuantizedNetwork

    if names:
        Chains(QuantizedNetwork(student, spec).model).named(names)


def keep_float(model: KerasModel, names: Iterable[str]) -> dict[str, frozenset[str]]:
    """Take the fake quantization off the operators with these layers; `Chains.operators` of them.

    `model` is that of a `QuantizedNetwork`. Raises `InputError` for a name that no layer has.
    """
    chains = Chains(model)
    operators = chains.operators(names)
    for chain in chains.named(names).values():
        _unquantized(chain)
    return operators


def layer_names(model: KerasModel) -> dict[str, str]:
    """Name of a layer in TensorFlow's graph -> its name in the student."""
    return {wrapper.name: name for name, wrapper in Chains(model).layers.items()}


def all_float(model: KerasModel) -> None:
    """Take all fake quantization off: what is left is the network with the trained weights."""
    _unquantized(one for one in model.layers if quantized_tensors(one))
    for layer in model.layers:
        if type(layer).__name__ == "QuantizeLayer":
            layer.quantizer = _as_it_is


def _unquantized(layers: Iterable[KerasLayer]) -> None:
    for layer in layers:
        if quantized_tensors(layer):
            replace_quantizers(layer, lambda quantizer: _as_it_is)


def _as_it_is(inputs: Tensor, training: bool, weights: dict[str, Tensor]) -> Tensor:
    return inputs


def _ends(layer: KerasLayer) -> bool:
    """Whether the result of a layer is quantized; that of the input layers always is."""
    return not hasattr(layer, "layer") or "activations" in quantized_tensors(layer)

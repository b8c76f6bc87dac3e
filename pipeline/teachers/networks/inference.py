"""Refuses networks that do more than inference: their graph is searched for training operators.

A network that was saved in training mode gives other outputs for every call or batch, so that no
file made from it could be compared with it.
"""

from collections.abc import Iterable, Iterator

from pipeline.teachers.networks.loaded import LoadedNetwork, running
from targets.errors import InputError
from targets.untyped import TfGraph, TfNode

ASSIGNS = ("Assign", "ResourceApply", "ResourceScatter")
RANDOM = (
    "Random", "StatelessRandom", "StatelessTruncated", "StatelessParameterized", "StatelessMulti",
    "StatefulUniform", "StatefulStandard", "StatefulTruncated", "StatefulRandom", "Multinomial",
    "TruncatedNormal", "ParameterizedTruncated", "Rng",
)  # fmt: skip
PRODUCTS = ("Conv", "DepthwiseConv", "MatMul", "BatchMatMul", "Einsum")
OTHER_TYPES = {2: "float64", 14: "bfloat16 (mixed precision)", 19: "float16 (mixed precision)"}
"""Numbers of `tensorflow.DataType`."""

REMEDIES = {
    "saved_model": "Save the network as .keras, or write the signature with "
    "model(images, training=False)",
    "keras": "Build it without training=True and stateful=True in its layers and save it again",
}
AWARE = (
    "is quantization-aware (FakeQuant operators, as tfmot inserts them). Give the float network "
    "from before quantize_model and ask for int8_ptq, or convert this one with "
    "tf.lite.TFLiteConverter and measure the file with `pipeline bench`"
)
PRECISION = (
    "calculates in {kind}, which no target does. Build it under "
    'set_global_policy("float32"), take the weights over (new.set_weights(old.get_weights())) and '
    "save that, or give its .keras file"
)


def require_inference(network: LoadedNetwork) -> None:
    """Raise `InputError` if `network` trains, draws random numbers or is quantized inside."""
    import tensorflow as tf

    spec = tf.TensorSpec([network.batch, *network.input_shape], tf.float32)
    with running(network.path):
        traced = tf.function(lambda image: network(image)).get_concrete_function(spec)
    graph, outputs = traced.graph.as_graph_def(), [tensor.name for tensor in traced.outputs]
    for place, node in _reached(graph, None):
        if node.op.startswith(ASSIGNS):
            raise _refused(network, node, place, _training(network, "assigns its variables"))
    for place, node in _reached(graph, outputs):
        if node.op.startswith(RANDOM):
            raise _refused(network, node, place, _training(network, "draws random numbers"))
        if node.op.startswith("FakeQuant"):
            raise _refused(network, node, place, AWARE)
        if node.op.startswith(PRODUCTS) and node.attr["T"].type in OTHER_TYPES:
            raise _refused(
                network, node, place, PRECISION.format(kind=OTHER_TYPES[node.attr["T"].type])
            )


def _training(network: LoadedNetwork, what: str) -> str:
    kind = "saved_model" if network.kind == "saved_model" else "keras"
    return f"gives other outputs in every call: it {what}, as in training mode. {REMEDIES[kind]}"


def _refused(network: LoadedNetwork, node: TfNode, place: str, why: str) -> InputError:
    return InputError(
        f"model {network.path}: {why}. The operator is {node.op} ({node.name}{place})."
    )


def _reached(graph: TfGraph, outputs: Iterable[str] | None) -> Iterator[tuple[str, TfNode]]:
    """(place, node) of all nodes, or of those that `outputs` depend on."""
    library = {function.signature.name: function for function in graph.library.function}
    visited: set[str] = set()
    todo = [("", graph.node, outputs)]
    while todo:
        place, nodes, wanted = todo.pop()
        for node in nodes if wanted is None else _before(nodes, wanted):
            yield place, node
            for name in _called(node) & library.keys() - visited:
                visited.add(name)
                ends = None if outputs is None else library[name].ret.values()
                todo.append((f" in {name}", library[name].node_def, ends))


def _before(nodes: Iterable[TfNode], wanted: Iterable[str]) -> Iterator[TfNode]:
    """The nodes whose values `wanted` depend on: control dependencies pass no value."""
    by_name = {node.name: node for node in nodes}
    names = list(wanted)
    while names:
        node = by_name.pop(names.pop().partition(":")[0], None)
        if node is not None:
            yield node
            names += [name for name in node.input if not name.startswith("^")]


def _called(node: TfNode) -> set[str]:
    functions = [value.func.name for value in node.attr.values() if value.HasField("func")]
    functions += [one.name for value in node.attr.values() for one in value.list.func]
    return set(functions)

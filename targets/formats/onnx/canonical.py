"""The one form of an ONNX graph: equal networks have equal bytes."""

from collections.abc import Container, Mapping

from targets.formats.front_end import PREFIX
from targets.formats.onnx.rewrite import OWN
from targets.untyped import OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValue

OPSET = 13
"""Oldest with per-channel QuantizeLinear: what older runtimes on devices load."""


def canonical(
    model: OnnxModel,
    labels: Mapping[str, str] | None = None,
    *,
    source: str = "image",
    front_end: Container[str] = (),
) -> OnnxModel:
    """The same graph with names and an order that depend on the graph only.

    tf2onnx numbers its names differently in every process. Unused nodes and equal constants go.
    `labels` maps outputs of nodes to names of the nodes; `source` is the new name of the input.
    What makes the outputs in `front_end` gets names that begin with `PREFIX`.
    """
    from onnx import helper

    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    names = {graph.input[0].name: source, graph.output[0].name: "logits"}
    kept: dict[tuple[object, ...], OnnxTensor] = {}
    nodes = []
    known = labels or {}
    for index, node in enumerate(_in_order(graph)):
        label = f"{node.op_type.lower()}_{index:03d}"
        label = f"{PREFIX}{label}" if node.output[0] in front_end else label
        title = known.get(node.output[0], label)
        for slot, name in enumerate(node.input):
            if name in constants and name not in names:
                tensor = constants[name]
                key = (name,) if name.endswith(OWN) else _content(tensor)
                same = kept.setdefault(key, tensor)
                if same is tensor:
                    tensor.name = f"{label}_{slot}"
                names[name] = same.name
        for slot, name in enumerate(node.output):
            names.setdefault(name, f"{label}_out{slot}")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        inputs = [names[name] if name else "" for name in node.input]
        outputs = [names[name] if name else "" for name in node.output]
        nodes.append(
            helper.make_node(node.op_type, inputs, outputs, name=title or label, **attributes)
        )
    ends = [_value(graph.input[0], source), _value(graph.output[0], "logits")]
    built = helper.make_graph(
        nodes, "edge-distill", ends[:1], ends[1:], sorted(kept.values(), key=lambda t: t.name)
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(built, opset_imports=opset, producer_name="edge-distill", ir_version=7)


def _in_order(graph: OnnxGraph) -> list[OnnxNode]:
    """The nodes that the output needs, each behind its inputs, by depth-first search."""
    made_by = {output: node for node in graph.node for output in node.output}
    order: list[OnnxNode] = []
    done: set[int] = set()
    stack: list[tuple[OnnxNode, bool]] = [(made_by[graph.output[0].name], False)]
    while stack:
        node, expanded = stack.pop()
        if id(node) in done:
            continue
        if expanded:
            done.add(id(node))
            order.append(node)
            continue
        stack.append((node, True))
        stack.extend((made_by[name], False) for name in reversed(node.input) if name in made_by)
    return order


def _content(tensor: OnnxTensor) -> tuple[object, ...]:
    from onnx import numpy_helper

    return (tensor.data_type, tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes())


def _value(value: OnnxValue, name: str) -> OnnxValue:
    from onnx import helper

    kind = value.type.tensor_type
    return helper.make_tensor_value_info(
        name, kind.elem_type, [dim.dim_value for dim in kind.shape.dim]
    )

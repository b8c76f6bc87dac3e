"""A signature of a SavedModel folder as a network."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.teachers.networks.loaded import (
    LoadedNetwork,
    class_scores,
    gives_the_same,
    require_raw_type,
    running,
)
from pipeline.teachers.networks.untrusted import WRONG_FILE, refuse_outside_operators, unreadable
from targets.errors import InputError, unknown
from targets.untyped import Tensor, TfFunction, TfGraph

DEFAULT = "serving_default"
Signatures = Mapping[str, TfFunction]


def load(path: Path, signature: str | None) -> LoadedNetwork:
    """The network that `signature` (default: serving_default, or the only one) calls."""
    import tensorflow as tf

    refuse_outside_operators(path)
    try:
        loaded = tf.saved_model.load(str(path))
    except (*WRONG_FILE, tf.errors.OpError) as error:
        raise unreadable(path, error) from error
    name = _chosen(loaded.signatures, signature, path)
    serve = loaded.signatures[name]
    _require_pixels(loaded.signatures, name, path)
    ((argument, source),) = _inputs(serve).items()
    ((output, target),) = serve.structured_outputs.items()
    batch, *shape = source.shape.as_list()

    def call(image: Tensor) -> Tensor:
        return serve(**{argument: tf.cast(image, source.dtype)})[output]

    network = LoadedNetwork(
        path=path,
        kind="saved_model",
        call=call,
        exported=call,
        batch=batch,
        input_shape=tuple(shape),
        output_shape=class_scores(tuple(target.shape.as_list()[1:]), path),
        input_dtype=require_raw_type(source.dtype, path),
        owner=loaded,
    )
    return _without_cast(network, serve) if network.takes_integers else network


def _chosen(signatures: Signatures, requested: str | None, path: Path) -> str:
    if not signatures:
        raise InputError(
            f"model {path}: the SavedModel has no signature. Write it with model.export(folder), "
            "or tf.saved_model.save(model, folder, signatures=...)."
        )
    if requested is not None and requested not in signatures:
        message = unknown("signature", requested, signatures, place="--signature")
        raise InputError(f"{message} They take and give: {_list(signatures)}.")
    name = requested or (DEFAULT if DEFAULT in signatures else next(iter(signatures)))
    if requested is None and name != DEFAULT and len(signatures) > 1:
        raise InputError(
            f"model {path}: has no signature {DEFAULT}. Choose one with `convert --signature`, or "
            f"save it as that: {_list(signatures)}."
        )
    return name


def _require_pixels(signatures: Signatures, name: str, path: Path) -> None:
    """One input and one output of numbers, of known rank and open batch size."""
    serve = signatures[name]
    why = _misfit(serve)
    if why is None:
        return
    others = {key: other for key, other in signatures.items() if _misfit(other) is None}
    remedy = (
        f"Choose another with `convert --signature`, or save it as {DEFAULT}: {_list(others)}."
        if others
        else "Save it with a signature of one batch of pixels to one batch of scores: signatures="
        "tf.function(model).get_concrete_function(tf.TensorSpec([None, height, width, channels]))."
    )
    raise InputError(f"model {path}: signature {_described(name, serve)} {why}. {remedy}")


def _misfit(serve: TfFunction) -> str | None:
    inputs, outputs = _inputs(serve), serve.structured_outputs
    for what, tensors in (("inputs", inputs), ("outputs", outputs)):
        if len(tensors) != 1:
            return f"has {len(tensors)} {what} ({', '.join(tensors)}), not one"
    (source,), (target,) = inputs.values(), outputs.values()
    for verb, tensor in (("takes", source), ("gives", target)):
        if not (tensor.dtype.is_floating or tensor.dtype.is_integer):
            kind = "text" if tensor.dtype.name == "string" else tensor.dtype.name
            return f"{verb} {kind}, not numbers"
        if tensor.shape.rank in (None, 0):
            return "leaves the number of dimensions open"
    if source.shape[0] not in (None, 1):
        return f"takes batches of {source.shape[0]} only"
    return None


def _inputs(serve: TfFunction) -> dict[str, Tensor]:
    inputs: dict[str, Tensor] = serve.structured_input_signature[1]
    return inputs


def _list(signatures: Signatures) -> str:
    return "; ".join(_described(name, serve) for name, serve in signatures.items())


def _described(name: str, serve: TfFunction) -> str:
    taken = ", ".join(f"{key}: {_type(value)}" for key, value in _inputs(serve).items())
    given = ", ".join(f"{key}: {_type(value)}" for key, value in serve.structured_outputs.items())
    return f"'{name}' ({taken} -> {given})"


def _type(tensor: Tensor) -> str:
    if tensor.shape.rank is None:
        return f"{tensor.dtype.name} [...]"
    sizes = ("any" if size is None else str(size) for size in tensor.shape.as_list())
    return f"{tensor.dtype.name} [{', '.join(sizes)}]"


def _without_cast(network: LoadedNetwork, serve: TfFunction) -> LoadedNetwork:
    """`network`, exported as a function of float32 if its integer input is only cast to that."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    with running(network.path):
        frozen = convert_variables_to_constants_v2(serve, lower_control_flow=False)
    graph = frozen.graph.as_graph_def()
    (source,), (result,) = frozen.inputs, frozen.outputs
    if not _casts_dropped(graph, source.op.name):
        return network

    @tf.function
    def exported(image: Tensor) -> Tensor:
        given = {source.name: image}
        (scores,) = tf.graph_util.import_graph_def(graph, given, return_elements=[result.name])
        return scores

    same = gives_the_same(network, exported)
    return replace(network, exported=exported) if same else network


def _casts_dropped(graph: TfGraph, name: str) -> bool:
    """Make all readers of node `name` of `graph` read float32; False if one of them is no cast."""
    from tensorflow.core.framework.types_pb2 import DT_FLOAT

    for node in graph.node:
        if name not in (read.partition(":")[0] for read in node.input):
            continue
        if node.op == "Cast" and node.attr["DstT"].type == DT_FLOAT:
            node.op = "Identity"
            for key in list(node.attr):
                del node.attr[key]
        elif node.op != "Identity" or not _casts_dropped(graph, node.name):
            return False
        node.attr["T"].type = DT_FLOAT
    return True

"""Networks that somebody else trained: `.keras`, `.h5` and SavedModel, as functions of a batch.

Loading runs no code of the file. A Keras file is data only as long as its configuration names
nothing but Keras' own layers (tf_keras imports whatever module the configuration names), and a
SavedModel is a program: so both are read and checked before any loader sees them.
"""

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets.errors import InputError

Tensor = Any

KERAS_MODULES = {
    "activations", "constraints", "dtype_policies", "engine", "initializers", "layers",
    "mixed_precision", "models", "ops", "regularizers",
}  # fmt: skip
"""What a configuration may name below `keras` and `tf_keras`: nothing that reads files."""

CODE_LAYERS = {
    "Lambda", "__lambda__", "ClassMethod", "InstanceMethod", "TensorFlowOpLayer", "TFSMLayer",
    "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup", "IntegerLookup",
    "TextVectorization",
}  # fmt: skip
"""Layers that hold Python code or a program, or that read a file which they name."""

TF_FUNCTIONS = {
    "cast", "clip_by_value", "concat", "convert_to_tensor", "expand_dims", "gather", "identity",
    "pad", "reshape", "reverse", "shape", "slice", "split", "squeeze", "stack", "strided_slice",
    "tile", "transpose", "unstack",
}  # fmt: skip
TF_NAMESPACES = ("math.", "nn.", "__operators__.")
"""TensorFlow functions in a tf_keras graph (TFOpLambda) that only calculate."""

OUTSIDE = (
    "PyFunc", "File", "Reader", "Dataset", "Summary", "Print", "Debug", "ImmutableConst",
    "Save", "Restore", "Checkpoint", "Send", "Recv",
)  # fmt: skip
"""Parts of the names of TensorFlow operators that run Python or reach outside the graph."""

WRONG_FILE = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, OSError, ImportError,
    RuntimeError, zipfile.BadZipFile,
)  # fmt: skip
"""What the loaders raise for a file that is damaged, or of a version that they do not know."""


@dataclass(frozen=True, kw_only=True)
class LoadedNetwork:
    """A function of one float32 batch [batch, *input_shape] to float32 [batch, classes]."""

    kind: str
    """`tf_keras`, `keras` or `saved_model`."""
    call: Callable[[Tensor], Tensor]
    batch: int | None
    """The one batch size that it takes, or None for any."""
    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...]
    """Both without the batch dimension; None where the file leaves it open."""
    owner: Any
    """Holds the variables."""

    def __call__(self, image: Tensor) -> Tensor:
        import tensorflow as tf

        return tf.cast(self.call(image), tf.float32)


def load_network(path: Path) -> LoadedNetwork:
    """The network in a `.keras` or `.h5` file or a SavedModel folder, ready to be called.

    Raises `InputError` for what is not there, is no such file, holds code, or has not exactly one
    input and one output [batch, classes].
    """
    if path.is_dir():
        return _saved_model(path)
    if not path.is_file():
        raise InputError(f"model {path}: not there; give a .keras or .h5 file or a SavedModel.")
    if zipfile.is_zipfile(path):
        return _keras(path, *_keras_zip(path))
    if path.read_bytes()[:8] == b"\x89HDF\r\n\x1a\n":
        return _keras(path, *_keras_h5(path))
    raise InputError(
        f"model {path}: neither a .keras nor a .h5 file nor a SavedModel folder. Save the trained "
        "network with model.save('model.keras')."
    )


def _keras_zip(path: Path) -> tuple[str, Any]:
    """The version of Keras that wrote the file, and the network's configuration."""
    try:
        with zipfile.ZipFile(path) as file:
            version = json.loads(file.read("metadata.json"))["keras_version"]
            return str(version), json.loads(file.read("config.json"))
    except WRONG_FILE as error:
        raise _unreadable(path, error) from error


def _keras_h5(path: Path) -> tuple[str, Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
            version = str(file.attrs.get("keras_version", "2"))
            if config is None:
                raise InputError(
                    f"model {path}: holds weights only. Save the whole network: "
                    "model.save('model.keras')."
                )
            return version, json.loads(config)
    except WRONG_FILE as error:
        raise _unreadable(path, error) from error


def _keras(path: Path, version: str, config: Any) -> LoadedNetwork:
    refuse_code(config, path)
    kind = "keras" if version.startswith("3") else "tf_keras"
    keras = _library(kind, path)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except WRONG_FILE as error:
        raise _unreadable(path, error) from error
    _require_one("inputs", len(model.inputs or ()), path)
    _require_one("outputs", len(model.outputs or ()), path)
    batch, *shape = model.inputs[0].shape
    return LoadedNetwork(
        kind=kind,
        call=lambda image: model(image, training=False),
        batch=batch,
        input_shape=tuple(shape),
        output_shape=_class_scores(tuple(model.outputs[0].shape)[1:], path),
        owner=model,
    )


def _library(kind: str, path: Path) -> Any:
    import os

    if kind == "tf_keras":
        import tf_keras

        return tf_keras
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"model {path}: Keras runs on {keras.backend.backend()} here; set KERAS_BACKEND to "
            "tensorflow."
        )
    return keras


def refuse_code(config: Any, path: Path) -> None:
    """Raise `InputError` where a Keras configuration names anything but Keras' own layers."""
    for item in _named(config):
        kind, module = str(item["class_name"]), item.get("module")
        inner = item.get("config")
        name = inner.get("name", kind) if isinstance(inner, dict) else inner or kind
        if kind in CODE_LAYERS:
            raise _refused(path, f"layer '{name}' is a {kind}, which can run code or read files")
        if not _is_keras_own(module) or ">" in str(item.get("registered_name") or ""):
            raise _refused(path, f"'{name}' is a custom {kind} of {module or 'your own'}")
        function = inner.get("function") if isinstance(inner, dict) else None
        if kind == "TFOpLambda" and not _calculates(str(function)):
            raise _refused(path, f"layer '{name}' calls tf.{function}, which can do anything")


def _named(config: Any) -> Iterator[dict[str, Any]]:
    """Every object in a configuration; how it was trained is not loaded, and so not asked."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for key, value in config.items():
            if key != "compile_config":
                yield from _named(value)
    elif isinstance(config, list):
        for value in config:
            yield from _named(value)


def _is_keras_own(module: object) -> bool:
    if module in (None, "builtins", "keras", "tf_keras"):
        return True
    package, *below = [part for part in str(module).split(".") if part != "src"]
    return package in ("keras", "tf_keras") and bool(below) and below[0] in KERAS_MODULES


def _calculates(function: str) -> bool:
    return function in TF_FUNCTIONS or function.startswith(TF_NAMESPACES)


def _saved_model(path: Path) -> LoadedNetwork:
    import tensorflow as tf

    refuse_outside_operators(path)
    try:
        loaded = tf.saved_model.load(str(path))
    except (*WRONG_FILE, tf.errors.OpError) as error:
        raise _unreadable(path, error) from error
    signatures = loaded.signatures
    name = "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
    if name is None:
        raise InputError(
            f"model {path}: the SavedModel has no signature. Write it with model.export(folder), "
            "or tf.saved_model.save(model, folder, signatures=...)."
        )
    serve = signatures[name]
    taken = serve.structured_input_signature[1]
    _require_one("inputs", len(taken), path)
    _require_one("outputs", len(serve.structured_outputs), path)
    ((argument, source),) = taken.items()
    ((output, target),) = serve.structured_outputs.items()
    batch, *shape = _known_rank(source.shape, path)
    return LoadedNetwork(
        kind="saved_model",
        call=lambda image: serve(**{argument: tf.cast(image, source.dtype)})[output],
        batch=batch,
        input_shape=tuple(shape),
        output_shape=_class_scores(_known_rank(target.shape, path)[1:], path),
        owner=loaded,
    )


def refuse_outside_operators(path: Path) -> None:
    """Raise `InputError` where a SavedModel holds operators that run Python or reach outside.

    All functions are looked at, because some run while it is loaded, but for the two that write
    and read checkpoints: every SavedModel has them, and nothing that is loaded calls them.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    if not file.is_file():
        raise InputError(f"model {path}: a folder without saved_model.pb is no SavedModel.")
    content = saved_model_pb2.SavedModel()
    try:
        content.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise _unreadable(path, error) from error
    for graph in content.meta_graphs:
        saver = _saver_functions(graph)
        nodes = [(node, "the graph") for node in graph.graph_def.node]
        for function in graph.graph_def.library.function:
            if function.signature.name not in saver:
                nodes += [(node, function.signature.name) for node in function.node_def]
        for node, place in nodes:
            if any(part in node.op for part in OUTSIDE):
                raise _refused(path, f"operator {node.op} in {place} reaches outside the network")


def _saver_functions(graph: Any) -> set[str]:
    """The functions that only the saver calls."""
    saver = {graph.saver_def.save_tensor_name.partition(":")[0], graph.saver_def.restore_op_name}
    called = {n.attr["f"].func.name for n in graph.graph_def.node if n.name in saver}
    elsewhere = {n.attr["f"].func.name for n in graph.graph_def.node if n.name not in saver}
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            elsewhere |= {a.func.name for a in node.attr.values() if a.HasField("func")}
    return called - elsewhere - set(graph.object_graph_def.concrete_functions)


def _known_rank(shape: Any, path: Path) -> tuple[int | None, ...]:
    if shape.rank is None:
        raise InputError(f"model {path}: its signature leaves the number of dimensions open.")
    return tuple(shape.as_list())


def _require_one(what: str, count: int, path: Path) -> None:
    if count != 1:
        raise InputError(
            f"model {path}: has {count} {what}; a classifier with one input and one output is "
            "needed. Save the part that classifies as a network of its own."
        )


def _class_scores(shape: tuple[int | None, ...], path: Path) -> tuple[int | None, ...]:
    if len(shape) != 1:
        raise InputError(
            f"model {path}: its output is [batch, {', '.join(map(str, shape))}], not "
            "[batch, classes]: no classifier."
        )
    return shape


def _refused(path: Path, reason: str) -> InputError:
    return InputError(
        f"model {path}: {reason}. Loading executes no code of a file: replace it by Keras' own "
        "layers and save the network again."
    )


def _unreadable(path: Path, error: BaseException) -> InputError:
    said = next(iter(str(error).splitlines()), "") or type(error).__name__
    return InputError(f"model {path}: cannot be loaded: {said.rstrip('.')[:300]}.")

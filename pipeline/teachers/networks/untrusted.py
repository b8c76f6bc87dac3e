"""The checks on files from elsewhere, so that loading one runs no code.

A Keras file is only data if its configuration names nothing but Keras' own layers (tf_keras imports
any module that the configuration names), and a SavedModel is a program: so both are read and
checked before any loader opens them.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten

from targets.errors import InputError
from targets.untyped import TfGraph

KERAS_MODULES = {
    "activations", "constraints", "dtype_policies", "engine", "initializers", "layers",
    "mixed_precision", "models", "ops", "regularizers",
}  # fmt: skip
"""Allowed modules below `keras` and `tf_keras`: none that reads files."""

CODE_LAYERS = {
    "Lambda", "__lambda__", "ClassMethod", "InstanceMethod", "TensorFlowOpLayer", "TFSMLayer",
    "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup", "IntegerLookup",
    "TextVectorization",
}  # fmt: skip
"""Layers that hold Python code or a program, or that read a file."""

ACTIVATIONS = {
    "celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu", "linear",
    "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus",
    "softsign", "swish", "tanh",
}  # fmt: skip
"""Allowed functions: Keras searches the rest of Python for any other name."""

TF_FUNCTIONS = {
    "cast", "clip_by_value", "concat", "convert_to_tensor", "expand_dims", "gather", "identity",
    "pad", "reshape", "reverse", "shape", "slice", "split", "squeeze", "stack", "strided_slice",
    "tile", "transpose", "unstack",
}  # fmt: skip
TF_NAMESPACES = ("math.", "nn.", "__operators__.")
"""TensorFlow functions in a tf_keras graph (TFOpLambda) without side effects."""

TFMOT = "tensorflow_model_optimization.python.core."
PRUNED, CLUSTERED = "PruneLowMagnitude", "ClusterWeights"
WRAPPERS = {
    PRUNED: f"{TFMOT}sparsity.keras.pruning_wrapper",
    CLUSTERED: f"{TFMOT}clustering.keras.cluster_wrapper",
}
"""Wrappers of tfmot, one of our libraries, around Keras' own layers; they are stripped."""
SCHEDULES = {"ConstantSparsity", "PolynomialDecay"}

OUTSIDE = (
    "PyFunc", "File", "Reader", "Dataset", "Summary", "Print", "Debug", "ImmutableConst",
    "Save", "Restore", "Checkpoint", "Send", "Recv",
)  # fmt: skip
"""Parts of the names of TensorFlow operators that run Python or reach outside the graph."""

WRONG_FILE = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, OSError, ImportError,
    RuntimeError, EOFError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What the loaders raise for a damaged file, or one of an unknown version."""


def refuse_code(config: object, path: Path) -> None:
    """Raise `InputError` if a Keras configuration names anything but Keras' own layers."""
    for item in named(config):
        kind, module = str(item["class_name"]), item.get("module")
        if _is_tfmot(item):
            _refuse_tfmot(item, path)
            continue
        if "Quantiz" in kind:
            raise InputError(
                f"model {path}: was quantized by Keras ({kind}). Give the float network from "
                "before model.quantize."
            )
        inner = item.get("config")
        name = inner.get("name", kind) if isinstance(inner, dict) else inner or kind
        if kind in CODE_LAYERS:
            raise _refused(path, f"layer '{name}' is a {kind}, which can run code or read files")
        if not _is_keras_own(module) or ">" in str(item.get("registered_name") or ""):
            raise _refused(path, f"'{name}' is a custom {kind} of {module or 'your own'}")
        if kind == "function" and name not in ACTIVATIONS:
            raise _refused(path, f"'{name}' is no activation of Keras, but a function of Python")
        function = inner.get("function") if isinstance(inner, dict) else None
        if kind == "TFOpLambda" and not _calculates(str(function)):
            raise _refused(path, f"layer '{name}' calls tf.{function}, which can do anything")


def _is_tfmot(item: dict[str, object]) -> bool:
    """Files of .h5 do not hold the module."""
    module, kind = item.get("module"), str(item["class_name"])
    if module is None:
        return kind in WRAPPERS or kind.startswith("Quantize")
    return str(module).startswith("tensorflow_model_optimization.")


def _refuse_tfmot(item: dict[str, object], path: Path) -> None:
    kind, module = str(item["class_name"]), item.get("module")
    if kind in WRAPPERS and module in (None, WRAPPERS[kind]):
        if kind == PRUNED and _schedule(item) not in SCHEDULES:
            raise _refused(path, "its pruning schedule is a custom one")
        return
    raise InputError(
        f"model {path}: is quantization-aware with tfmot ({kind}). Give the float network from "
        "before quantize_model and ask for int8_ptq, or convert this one with "
        "tf.lite.TFLiteConverter.from_keras_model and measure the file with `pipeline bench`."
    )


def _schedule(wrapper: dict[str, object]) -> object:
    config = wrapper.get("config")
    schedule = config.get("pruning_schedule") if isinstance(config, dict) else None
    return schedule.get("class_name") if isinstance(schedule, dict) else None


def named(config: object) -> Iterator[dict[str, object]]:
    """Every object in a configuration but for the training configuration, which is not loaded."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for key, value in config.items():
            if key != "compile_config":
                yield from named(value)
    elif isinstance(config, list):
        for value in config:
            yield from named(value)


def _is_keras_own(module: object) -> bool:
    if module in (None, "builtins", "keras", "tf_keras"):
        return True
    package, *below = [part for part in str(module).split(".") if part != "src"]
    return package in ("keras", "tf_keras") and bool(below) and below[0] in KERAS_MODULES


def _calculates(function: str) -> bool:
    return function in TF_FUNCTIONS or function.startswith(TF_NAMESPACES)


def refuse_outside_operators(path: Path) -> None:
    """Raise `InputError` if a SavedModel holds operators that run Python or reach outside.

    All functions are checked, because some run while it is loaded, except the two that write and
    read checkpoints: every SavedModel has them, and nothing that is loaded calls them.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    if not file.is_file():
        raise InputError(f"model {path}: {no_saved_model(path)}")
    content = saved_model_pb2.SavedModel()
    try:
        content.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise unreadable(path, error) from error
    for graph in content.meta_graphs:
        if not graph.HasField("object_graph_def"):
            raise InputError(
                f"model {path}: is a SavedModel of TensorFlow 1, whose graph also writes files. "
                "Write it again: m = tf.saved_model.load(folder); tf.saved_model.save(m, new, "
                "signatures=m.signatures)."
            )
        saver = _saver_functions(graph)
        nodes = [(node, "the graph") for node in graph.graph_def.node]
        for function in graph.graph_def.library.function:
            if function.signature.name not in saver:
                nodes += [(node, function.signature.name) for node in function.node_def]
        for node, place in nodes:
            if any(part in node.op for part in OUTSIDE):
                raise _refused(path, f"operator {node.op} in {place} reaches outside the network")


def no_saved_model(path: Path) -> str:
    """The message about a folder without a network: servers keep one folder per version."""
    below = [*path.glob("*/saved_model.pb"), *path.glob("*/*/saved_model.pb")]
    found = ", ".join(str(file.parent) for file in sorted(below)[:5])
    remedy = f" Give the one below it: {found}." if found else ""
    return f"a folder without saved_model.pb is no SavedModel.{remedy}"


def _saver_functions(graph: TfGraph) -> set[str]:
    """The functions that only the saver calls."""
    saver = {graph.saver_def.save_tensor_name.partition(":")[0], graph.saver_def.restore_op_name}
    called = {n.attr["f"].func.name for n in graph.graph_def.node if n.name in saver}
    elsewhere = {n.attr["f"].func.name for n in graph.graph_def.node if n.name not in saver}
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            elsewhere |= {a.func.name for a in node.attr.values() if a.HasField("func")}
    return called - elsewhere - set(graph.object_graph_def.concrete_functions)


def _refused(path: Path, reason: str) -> InputError:
    return InputError(
        f"model {path}: {reason}. Loading executes no code of a file: replace it by Keras' own "
        "layers and save the network again."
    )


def unreadable(path: Path, error: BaseException) -> InputError:
    cause = next(iter(str(error).splitlines()), "") or type(error).__name__
    return InputError(
        f"model {path}: cannot be loaded: {shorten(cause, 400, placeholder=' …').rstrip('.')}."
    )

"""A `.keras` or `.h5` file of tf_keras or Keras 3 as a network."""

import os
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from pipeline.teachers.networks import keras_config
from pipeline.teachers.networks.loaded import (
    LoadedNetwork,
    class_scores,
    gives_the_same,
    require_one,
    require_raw_type,
)
from pipeline.teachers.networks.untrusted import (
    CLUSTERED,
    PRUNED,
    WRONG_FILE,
    named,
    refuse_code,
    unreadable,
)
from targets.errors import InputError
from targets.untyped import KerasModel, Tensor


def load(path: Path) -> LoadedNetwork:
    """The network in `path`; no code of the file runs.

    Policies of mixed or double precision become float32, tfmot's wrappers for pruning and
    clustering are stripped; an integer input becomes float32 and a fixed batch size any size, where
    that is exact.
    """
    version, config = keras_config.read(path)
    refuse_code(config, path)
    kind = "keras" if version.startswith("3") else "tf_keras"
    plain = keras_config.in_float32(config)
    network = _network(kind, path, plain, changed=plain != config)
    if plain != config:
        change = (
            "calculated in float32: the file's policies of mixed or double precision are replaced"
        )
        network = replace(network, changes=(*network.changes, change))
    return _opened(network, plain) if network.takes_integers or network.batch else network


def _opened(network: LoadedNetwork, config: object) -> LoadedNetwork:
    """The same network for float32 batches of any size, if its outputs stay the same."""
    try:
        config = keras_config.opened(config)
        changed = _network(network.kind, network.path, config, changed=True)
        if not gives_the_same(network, changed):
            return network
    except InputError:
        return network
    return replace(changed, input_dtype=network.input_dtype, changes=network.changes)


def _network(kind: str, path: Path, config: object, *, changed: bool) -> LoadedNetwork:
    import tensorflow as tf

    model, changes = _stripped(_model(kind, path, config, changed=changed), config)
    image, scores = _ends(model, path)
    dtype = tf.as_dtype(image.dtype)
    # One input or output can be in a list or a dictionary; a Sequential has no such structure.
    structure = model.input if hasattr(model, "input") else image

    def exported(images: Tensor) -> Tensor:
        packed = tf.nest.pack_sequence_as(structure, [images])
        return tf.nest.flatten(model(packed, training=False))[0]

    def call(images: Tensor) -> Tensor:
        return exported(tf.cast(images, dtype))

    return LoadedNetwork(
        path=path,
        kind=kind,
        call=call,
        exported=call if dtype.is_integer else exported,
        batch=image.shape[0],
        input_shape=tuple(image.shape[1:]),
        output_shape=class_scores(tuple(scores.shape[1:]), path),
        input_dtype=require_raw_type(dtype, path),
        changes=changes,
        owner=model,
    )


def _ends(model: KerasModel, path: Path) -> tuple[Tensor, Tensor]:
    """The one input and the one output, as symbolic tensors."""
    try:
        inputs, outputs = list(model.inputs or ()), list(model.outputs or ())
    except AttributeError:  # Keras 3
        inputs = outputs = []
    if not inputs:
        raise InputError(
            f"model {path}: was never built, so that it has no input size and no weights. Begin it "
            "with Input(shape), or call it once (model(images[:1])), train it and save it again."
        )
    require_one("inputs", [_name(tensor) for tensor in inputs], path)
    names = getattr(model, "output_names", None) or [_name(tensor) for tensor in outputs]
    require_one("outputs", names, path)
    return inputs[0], outputs[0]


def _name(tensor: Tensor) -> str:
    return str(tensor.name).partition(":")[0]


def _model(kind: str, path: Path, config: object, *, changed: bool) -> KerasModel:
    """The file's model, or that of a copy with another configuration."""
    import tensorflow as tf

    library = _library(kind, path)
    with ExitStack() as stack:
        for scope in _scopes(config):
            stack.enter_context(scope)
        source = path
        if changed:
            source = Path(stack.enter_context(TemporaryDirectory())) / path.name
            keras_config.write(path, config, source)
        try:
            return library.models.load_model(source, compile=False, safe_mode=True)
        except (*WRONG_FILE, tf.errors.OpError) as error:
            raise unreadable(path, error) from error


def _library(kind: str, path: Path) -> ModuleType:
    if kind == "tf_keras":
        return import_module("tf_keras")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    keras = import_module("keras")
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"model {path}: Keras runs on {keras.backend.backend()} here; set KERAS_BACKEND to "
            "tensorflow."
        )
    return keras


def _wrappers(config: object) -> set[str]:
    return {str(item["class_name"]) for item in named(config)} & {PRUNED, CLUSTERED}


def _scopes(config: object) -> list[AbstractContextManager[None]]:
    """The scopes in which Keras finds the wrappers of tfmot, one of our libraries."""
    wrappers = _wrappers(config)
    if not wrappers:
        return []
    import tensorflow_model_optimization as tfmot

    scopes = {
        PRUNED: tfmot.sparsity.keras.prune_scope,
        CLUSTERED: tfmot.clustering.keras.cluster_scope,
    }
    return [scopes[name]() for name in sorted(wrappers)]


def _stripped(model: KerasModel, config: object) -> tuple[KerasModel, tuple[str, ...]]:
    wrappers = _wrappers(config)
    if not wrappers:
        return model, ()
    import tensorflow_model_optimization as tfmot

    if CLUSTERED in wrappers:
        model = tfmot.clustering.keras.strip_clustering(model)
    if PRUNED in wrappers:
        model = tfmot.sparsity.keras.strip_pruning(model)
    return model, (f"tfmot's {' and '.join(sorted(wrappers))} wrappers: stripped",)

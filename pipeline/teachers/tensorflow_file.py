"""A teacher in a `.keras` or `.h5` file or a SavedModel folder, run by TensorFlow."""

from pathlib import Path

import numpy as np

from pipeline.datasets.on_access import Images
from pipeline.datasets.splits import Dataset
from pipeline.teachers.contract import Logits, OpenTeacher, TeacherFileConfig
from pipeline.teachers.loading import LoadedNetwork, load_network, running
from pipeline.teachers.matching import (
    are_scores,
    batch_size,
    in_batches,
    is_raw,
    make_adapter,
    wrong_scores,
)
from targets.errors import InputError
from targets.formats.model_io import BELOW_1, PROBABILITY_FLOOR, ModelIO
from targets.untyped import Tensor, TfFunction

SUFFIXES = (".keras", ".h5", ".hdf5")
FOLDER_MARKERS = ("saved_model.pb",)


def open_file(path: Path, cfg: TeacherFileConfig, data: Dataset, *, threads: int) -> OpenTeacher:
    """Open the file; `threads` has no effect: the session has set TensorFlow's threads."""
    import tensorflow as tf

    network = load_network(path)
    size = batch_size(network.batch, path)
    adapter = make_adapter(network.input_shape, cfg, data, path)
    if network.takes_integers and not is_raw(cfg):
        raise InputError(
            f"teacher {path}: takes raw {network.input_dtype} values; leave out teacher.scale and "
            "teacher.offset."
        )
    (scores,) = network.output_shape
    if scores is not None and not are_scores(scores, data):
        raise wrong_scores(f"{scores} scores", scores, data, path)
    spec = data.input

    def serve_raw(raw: Tensor) -> Tensor:
        return _logits(network, adapter, raw)

    def serve(normalised: Tensor) -> Tensor:
        # Exact: the scale is a power of two, and the zero point an integer.
        return serve_raw(normalised / spec.scale + float(spec.zero_point))

    batch = None if size > 1 else 1
    traced = tf.function(
        lambda raw: serve_raw(tf.cast(raw, tf.float32)),
        input_signature=[tf.TensorSpec([batch, *spec.shape], spec.dtype)],
    )

    def logits(raw: Images) -> Logits:
        with running(path):
            scores: Logits = traced(tf.constant(raw)).numpy()
        return scores

    return OpenTeacher(
        kind="tensorflow",
        path=path,
        logits=in_batches(logits, size),
        parameters=_parameters(traced, path),
        cfg=cfg,
        scalable=not network.takes_integers,
        serve=serve,
        serve_raw=serve_raw,
    )


def _logits(network: LoadedNetwork, adapter: ModelIO, raw: Tensor) -> Tensor:
    """The arithmetic of `prepare` and of `ModelIO.logits`, as a graph."""
    import tensorflow as tf

    scale, offset = (np.asarray(v, np.float32) for v in (adapter.scale, adapter.offset))
    image = tf.cast(raw, tf.float32) * scale + offset  # also of tokens: the network casts them
    if adapter.channels_first:
        image = tf.transpose(image, [0, 3, 1, 2])
    if tuple(image.shape[1:]) != adapter.shape:
        image = tf.reshape(image, [-1, *adapter.shape])
    scores = network(image)
    probabilities = adapter.output == "probabilities"
    if scores.shape[1] == 1:
        other = 1 - tf.minimum(scores, BELOW_1) if probabilities else tf.zeros_like(scores)
        scores = tf.concat([other, scores], axis=1)
    if probabilities:
        scores = tf.math.log(tf.maximum(scores, PROBABILITY_FLOOR))
    return scores if adapter.order is None else tf.gather(scores, list(adapter.order), axis=1)


def _parameters(traced: TfFunction, path: Path) -> int:
    """Elements of the variables that one call reads."""
    with running(path):
        variables = traced.get_concrete_function().graph.variables
    return sum(int(np.prod(variable.shape)) for variable in variables)

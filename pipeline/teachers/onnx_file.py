"""A teacher in an `.onnx` file, run by ONNX Runtime."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.datasets.on_access import Images
from pipeline.datasets.splits import Dataset, Split
from pipeline.teachers.contract import OpenTeacher, TeacherFileConfig
from pipeline.teachers.matching import (
    Scores,
    batch_size,
    cannot_open,
    class_output,
    in_batches,
    is_raw,
    make_adapter,
)
from targets.bench.agent.preparation import prepare
from targets.errors import InputError
from targets.runtimes.onnxruntime.session import DTYPES, ENV
from targets.untyped import OnnxGraph, OnnxNode, OnnxSession, OnnxTensor

SUFFIXES = (".onnx",)
FOLDER_MARKERS = ()
TAKEN = (np.float32, np.float16, np.float64, np.uint8)
KNOWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
"""Domains of the operators in every build of ONNX Runtime."""


def open_file(path: Path, cfg: TeacherFileConfig, data: Dataset, *, threads: int) -> OpenTeacher:
    parameters = _checked(path)
    session = _session(path, threads)
    if len(session.get_inputs()) != 1:
        names = ", ".join(source.name for source in session.get_inputs())
        raise InputError(
            f"teacher {path}: has {len(session.get_inputs())} inputs ({names}), not 1."
        )
    (source,) = session.get_inputs()
    dtype = _dtype(source.type, cfg, path, data)
    batch, *dims = [size if isinstance(size, int) else None for size in source.shape]
    size = batch_size(batch, path)
    adapter = make_adapter(dims, cfg, data, path)
    described = adapter.model_dump()

    def outputs(raw: Images, names: list[str] | None = None) -> list[Scores]:
        results: list[Scores] = session.run(names, {source.name: prepare(raw, described, dtype)})
        return results

    try:
        index = class_output(outputs(data[Split.VAL].raw[:1]), data, path)
    except _failures() as error:
        raise cannot_open(path, error) from error
    wanted = [session.get_outputs()[index].name]
    every = in_batches(lambda raw: outputs(raw, wanted)[0], size)
    adapter = adapter.model_copy(update={"output_index": index})
    return OpenTeacher(
        kind="onnx",
        path=path,
        logits=lambda raw: adapter.logits(every(raw)),
        parameters=parameters,
        cfg=cfg,
        scalable=bool(np.issubdtype(dtype, np.floating)),
        adapter=adapter,
    )


def _session(path: Path, threads: int) -> OnnxSession:
    os.environ.update(ENV)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise cannot_open(path, error) from error


def _failures() -> tuple[type[Exception], ...]:
    """The exceptions of ONNX Runtime, which have no common base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [value for value in vars(state).values() if isinstance(value, type)]
    return tuple(kind for kind in kinds if issubclass(kind, Exception))


def _dtype(kind: str, cfg: TeacherFileConfig, path: Path, data: Dataset) -> type[np.generic]:
    dtype = DTYPES.get(kind)
    if data.input.kind == "tokens":
        if dtype not in (np.int32, np.int64):
            raise InputError(
                f"teacher {path}: takes {kind}, and the data set's texts are numbers of tokens: an "
                "input of int32 or int64 is needed."
            )
        return dtype
    if dtype not in TAKEN or (dtype is np.uint8 and data.input.kind != "image"):
        pixels = " or of raw uint8 pixels" if data.input.kind == "image" else ""
        raise InputError(f"teacher {path}: takes {kind}; an input of float{pixels} is needed.")
    if dtype is np.uint8 and not is_raw(cfg):
        raise InputError(
            f"teacher {path}: takes raw uint8 values; leave out teacher.scale and teacher.offset."
        )
    return dtype


def _checked(path: Path) -> int | None:
    """The number of parameters in the file; `InputError` for an incomplete file."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise cannot_open(path, error) from error
    tensors = list(_tensors(model.graph))
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        raise InputError(
            f"teacher {path}: its weights are in files beside it. Write one file: "
            "onnx.save_model(onnx.load(path), 'one.onnx', save_as_external_data=False)."
        )
    own = {(function.domain, function.name) for function in model.functions}
    foreign = {
        f"{node.domain}.{node.op_type}"
        for node in _nodes(model.graph)
        if node.domain not in KNOWN_DOMAINS and (node.domain, node.op_type) not in own
    }
    if foreign:
        raise InputError(
            f"teacher {path}: holds operators that ONNX Runtime does not have: "
            f"{', '.join(sorted(foreign))}. Export it with ONNX's own operators, or give its "
            "logits as .npz."
        )
    return _parameters(model.graph)


def _parameters(graph: OnnxGraph) -> int | None:
    """Elements of the floating-point weights; None where weights are stored quantized."""
    from onnx import TensorProto

    floats = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
    if any(t.data_type in (TensorProto.INT8, TensorProto.UINT8) for t in graph.initializer):
        return None
    sizes = [int(np.prod(t.dims)) for t in graph.initializer if t.dims and t.data_type in floats]
    return sum(sizes) or None


def _nodes(graph: OnnxGraph) -> Iterator[OnnxNode]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                yield from _nodes(inner)


def _tensors(graph: OnnxGraph) -> Iterator[OnnxTensor]:
    yield from graph.initializer
    for node in _nodes(graph):
        for attribute in node.attribute:
            yield from [attribute.t, *attribute.tensors]
            for inner in [attribute.g, *attribute.graphs]:
                yield from inner.initializer

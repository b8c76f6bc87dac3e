"""A teacher in a `.tflite` file, run by LiteRT."""

import re
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
from targets.formats.input_spec import Kind
from targets.formats.model_io import Quantization
from targets.quiet import quiet_stderr
from targets.untyped import TensorDetails, TfliteInterpreter

SUFFIXES = (".tflite",)
FOLDER_MARKERS = ()
FOREIGN_OPERATOR = re.compile(r"(?:custom op|Select TensorFlow op).*\((\w+)\)", re.DOTALL)
"""An error of LiteRT: the reason, then 'Node number 1 (FlexErf) failed to prepare.'"""


def open_file(path: Path, cfg: TeacherFileConfig, data: Dataset, *, threads: int) -> OpenTeacher:
    interpreter = _interpreter(path, threads)
    if len(interpreter.get_input_details()) != 1:
        raise InputError(
            f"teacher {path}: has {len(interpreter.get_input_details())} inputs, not 1."
        )
    (source,) = interpreter.get_input_details()
    batch, *dims = [int(size) for size in source["shape_signature"]]
    size = batch_size(batch, path)
    adapter = make_adapter(
        [None if dim == -1 else dim for dim in dims],
        cfg,
        data,
        path,
        quantization=_input_quantization(source, cfg, path, data.input.kind),
    )
    described = adapter.model_dump()

    def outputs(raw: Images) -> list[Scores]:
        values = prepare(raw, described, source["dtype"])
        if interpreter.get_input_details()[0]["shape"].tolist() != list(values.shape):
            interpreter.resize_tensor_input(source["index"], values.shape)
            interpreter.allocate_tensors()
        # A recurrent network keeps its state from one call to the next.
        interpreter.reset_all_variables()
        interpreter.set_tensor(source["index"], values)
        interpreter.invoke()
        return [interpreter.get_tensor(out["index"]) for out in interpreter.get_output_details()]

    try:
        index = class_output(outputs(data[Split.VAL].raw[:1]), data, path)
    except (RuntimeError, ValueError) as error:
        raise cannot_open(path, error) from error
    target = interpreter.get_output_details()[index]
    adapter = adapter.model_copy(
        update={"output_index": index, "output_quantization": _quantization(target)}
    )
    every = in_batches(lambda raw: outputs(raw)[index], size)
    return OpenTeacher(
        kind="tflite",
        path=path,
        logits=lambda raw: adapter.logits(every(raw)),
        parameters=_parameters(path),
        cfg=cfg,
        scalable=source["dtype"] == np.float32,
        adapter=adapter,
    )


def _interpreter(path: Path, threads: int) -> TfliteInterpreter:
    from ai_edge_litert.interpreter import Interpreter

    try:
        with quiet_stderr():
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except ValueError as error:
        raise cannot_open(path, error) from error
    except RuntimeError as error:
        foreign = FOREIGN_OPERATOR.search(str(error))
        if foreign is None:
            raise cannot_open(path, error) from error
        raise InputError(
            f"teacher {path}: holds an operator that LiteRT does not have: {foreign[1]}. Convert "
            "it with TFLite's own operators only, or give its logits as .npz."
        ) from error
    return interpreter


def _input_quantization(
    source: TensorDetails, cfg: TeacherFileConfig, path: Path, kind: Kind
) -> Quantization | None:
    """Return the input's quantization; None for a float input, and for one of raw pixels or
    tokens."""
    dtype, quantization = source["dtype"], _quantization(source)
    if kind == "tokens":
        if dtype in (np.int32, np.int64):
            return None
        raise InputError(
            f"teacher {path}: takes {np.dtype(dtype).name}, and the data set's texts are numbers "
            "of tokens: an input of int32 or int64 is needed."
        )
    if dtype == np.float32 or (dtype == np.uint8 and kind == "image" and is_raw(cfg)):
        return None
    if dtype not in (np.uint8, np.int8) or quantization is None:
        pixels = "of raw uint8 pixels " if kind == "image" else ""
        raise InputError(
            f"teacher {path}: takes {np.dtype(dtype).name} without a scale; an input of float32, "
            f"{pixels}or of quantized int8 is needed."
        )
    return quantization


def _quantization(tensor: TensorDetails) -> Quantization | None:
    step, zero = tensor["quantization"]
    return (float(step), int(zero)) if step else None


def _parameters(path: Path) -> int | None:
    """Elements of the floating-point constants; None where weights are stored quantized."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
    kinds = schema.TensorType
    constants = [
        tensor
        for graph in model.subgraphs
        for tensor in graph.tensors
        if model.buffers[tensor.buffer].data is not None and tensor.shape is not None
    ]
    if any(tensor.type in (kinds.INT8, kinds.UINT8) for tensor in constants):
        return None
    floats = [t for t in constants if t.type in (kinds.FLOAT32, kinds.FLOAT16) and len(t.shape)]
    return sum(int(np.prod(tensor.shape)) for tensor in floats) or None

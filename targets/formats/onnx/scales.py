"""The scale table: every quantized tensor of a TFLite file beside the one of its ONNX file.

Matching is by name, never by value. `qdq.export_int8` names every QuantizeLinear, and every
DequantizeLinear of a constant, after its TFLite tensor. Four kinds of tensor have no node of
their own:

- the raw input, which is the ONNX graph's input;
- the output of a TFLite operator that only moves values (RESHAPE, PAD, the QUANTIZE that turns raw
  uint8 into int8): it is compared through the input, if both have the same scale and zero point;
- the table of an embedding, which Gather reads as integers: it is compared through the result;
- an activation function that TFLite fuses: it has no tensor there, and in ONNX no quantization.

Every other tensor without a counterpart, in either file, is a row that is not equal.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.errors import ProofError
from targets.formats.onnx.rewrite import Constants
from targets.formats.record import ScaleRow, Scales
from targets.formats.tflite.inspect import is_constant, operator_name, read
from targets.untyped import OnnxNode, TfliteGraph, TfliteModel, TfliteOperator, TfliteTensor

MOVES = {
    "BATCH_TO_SPACE_ND", "CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "MAX_POOL_2D",
    "MIRROR_PAD", "PACK", "PAD", "QUANTIZE", "REDUCE_MAX", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR",
    "REVERSE_V2", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE",
    "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK",
}  # fmt: skip
"""TFLite operators whose output holds values of their input."""


@dataclass(frozen=True)
class Grid:
    """Scales [channels], and zero points [channels] as int8."""

    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]

    def same(self, other: "Grid") -> bool:
        return np.array_equal(self.scale, other.scale) and np.array_equal(
            np.broadcast_to(self.zero_point, self.scale.shape),
            np.broadcast_to(other.zero_point, other.scale.shape),
        )

    def summary(self) -> Scales:
        return Scales(
            channels=len(self.scale),
            smallest=float(self.scale.min()),
            largest=float(self.scale.max()),
            zero_point=int(self.zero_point[0]),
        )


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """A quantized tensor of either file, under the name that the TFLite file gives it."""

    name: str
    kind: str
    label: str
    """The name in its own file."""
    grids: tuple[Grid, ...]
    """One grid, or in ONNX one per node that quantizes or reads it; none between two tables."""


def scale_table(tflite_path: Path, onnx_path: Path) -> tuple[ScaleRow, ...]:
    """A row per quantized tensor of the TFLite file, in its order, then those of ONNX only."""
    ours, moved = _tflite_tensors(tflite_path)
    theirs = {tensor.name: tensor for tensor in _onnx_tensors(onnx_path, ours[0].name)}
    rows = [_row(tensor, theirs, moved) for tensor in ours]
    known = {tensor.name for tensor in ours}
    rows += [_only_onnx(tensor) for tensor in theirs.values() if tensor.name not in known]
    return tuple(rows)


def require_equal_scales(rows: Sequence[ScaleRow]) -> None:
    """Raise `ProofError` with the first tensor whose scale is not shown to be equal."""
    wrong = [row for row in rows if not row.equal]
    if wrong or not rows:
        raise ProofError(
            f"the scales of the ONNX file are not shown to be those of the TFLite file: "
            f"{_difference(wrong[0]) if wrong else 'no tensor is quantized'} "
            f"({len(wrong)} of {len(rows)} tensors)."
        )


def _difference(row: ScaleRow) -> str:
    name = row.source or row.file
    if row.source_scales is None or row.file_scales is None:
        return f"{row.kind} {name} {row.note}"
    ours, theirs = row.source_scales, row.file_scales
    return (
        f"{row.kind} {name} has scale {ours.smallest:.9g} to {ours.largest:.9g} and zero point "
        f"{ours.zero_point} in TFLite, {theirs.smallest:.9g} to {theirs.largest:.9g} and "
        f"{theirs.zero_point} in ONNX"
    )


def _row(tensor: Quantized, theirs: dict[str, Quantized], moved: dict[str, str]) -> ScaleRow:
    (grid,) = tensor.grids
    found, source = theirs.get(tensor.name), tensor.name
    while found is None and source in moved:
        source = moved[source]
        found = theirs.get(source)
    note = None if source == tensor.name else f"holds the values of {source}"
    if found is None:
        note = "has no counterpart in the ONNX file"
    elif not found.grids:
        note = "is between two tables of TFLite's results, which hold integers and no scale"
    return ScaleRow(
        kind=tensor.kind,
        source=tensor.name,
        source_scales=grid.summary(),
        file=found.label if found else None,
        file_scales=_shown(grid, found) if found and found.grids else None,
        equal=found is not None and all(grid.same(other) for other in found.grids),
        note=note,
    )


def _shown(grid: Grid, found: Quantized) -> Scales:
    """Return the scales to show: of several nodes in the ONNX file, the first that differs."""
    return next((g for g in found.grids if not g.same(grid)), found.grids[0]).summary()


def _only_onnx(tensor: Quantized) -> ScaleRow:
    return ScaleRow(
        kind=tensor.kind,
        source=None,
        source_scales=None,
        file=tensor.label,
        file_scales=tensor.grids[0].summary() if tensor.grids else None,
        equal=False,
        note="has no counterpart in the TFLite file",
    )


def _tflite_tensors(path: Path) -> tuple[list[Quantized], dict[str, str]]:
    """The quantized tensors, input first, and tensor -> the one whose values it only holds."""
    model = read(path)
    if len(model.subgraphs) > 1:
        raise ProofError(f"{path.name}: holds a loop, and loops have no int8 form in ONNX.")
    graph = model.subgraphs[0]
    used = {int(i) for op in graph.operators for i in [*op.inputs, *op.outputs] if i >= 0}
    order = [int(graph.inputs[0]), *sorted(used - {int(graph.inputs[0])})]
    grids = {i: grid for i in order if (grid := _tflite_grid(graph.tensors[i])) is not None}
    names = {i: graph.tensors[i].name.decode() for i in grids}
    if len(set(names.values())) != len(names):
        raise ProofError(f"{path.name}: two tensors have one name, so that none can be matched.")
    tensors = [
        Quantized(name=names[i], kind=_kind(model, graph.tensors[i]), label=names[i], grids=(g,))
        for i, g in grids.items()
    ]
    moved = {
        names[int(output)]: next(names[int(i)] for i in op.inputs if int(i) in names)
        for op in graph.operators
        if operator_name(model, op) in MOVES and _one_grid(op, grids)
        for output in op.outputs
        if not _reads_table(model, op, graph)
    }
    tables = {
        names[int(op.inputs[0])]: names[int(op.outputs[0])]
        for op in graph.operators
        if _reads_table(model, op, graph) and _one_grid(op, grids)
    }
    return tensors, moved | tables | _copies(model, graph, grids)


def _reads_table(model: TfliteModel, operator: TfliteOperator, graph: TfliteGraph) -> bool:
    """Whether an operator gathers rows of a constant: the table has a scale in its result only."""
    first = graph.tensors[int(operator.inputs[0])]
    return operator_name(model, operator) == "GATHER" and is_constant(model, first)


def _copies(model: TfliteModel, graph: TfliteGraph, grids: dict[int, Grid]) -> dict[str, str]:
    """Constant -> the first of the same bytes, shape and grid: tf2onnx keeps one of equals."""
    first: dict[tuple[object, ...], tuple[str, Grid]] = {}
    copies = {}
    for index, grid in grids.items():
        tensor = graph.tensors[index]
        if not is_constant(model, tensor):
            continue
        name = tensor.name.decode()
        content = bytes(model.buffers[tensor.buffer].data)
        shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
        before, other = first.setdefault((content, shape, tensor.type), (name, grid))
        if before != name and grid.same(other):
            copies[name] = before
    return copies


def _one_grid(operator: TfliteOperator, grids: dict[int, Grid]) -> bool:
    """Whether all inputs and outputs of an operator are quantized in the same way."""
    tensors = [grids.get(int(i)) for i in [*operator.inputs, *operator.outputs]]
    known = [grid for grid in tensors if grid is not None]  # a shape has none
    return len(known) > 1 and all(grid.same(known[0]) for grid in known)


def _kind(model: TfliteModel, tensor: TfliteTensor) -> str:
    if not is_constant(model, tensor):
        return "activation"
    from tensorflow.lite.python import schema_py_generated as schema

    return "bias" if tensor.type == schema.TensorType.INT32 else "weights"


def _tflite_grid(tensor: TfliteTensor) -> Grid | None:
    from tensorflow.lite.python import schema_py_generated as schema

    found = tensor.quantization
    if found is None or found.scale is None or not len(found.scale):
        return None
    offset = 128 if tensor.type == schema.TensorType.UINT8 else 0
    return Grid(np.asarray(found.scale, np.float32), np.asarray(found.zeroPoint, np.int64) - offset)


def _onnx_tensors(path: Path, input_name: str) -> Iterator[Quantized]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    readers: dict[str, list[Grid]] = {}
    for node in graph.node:
        if node.op_type != "DequantizeLinear":
            continue
        grid = _onnx_grid(node, constants)
        if node.input[0] in constants:
            kind = "bias" if constants[node.input[0]].dtype == np.int32 else "weights"
            yield Quantized(name=node.name, kind=kind, label=node.output[0], grids=(grid,))
        else:
            for source in _sources(node.input[0], made_by, constants):
                readers.setdefault(source, []).append(grid)
    source = graph.input[0].name
    if source in readers:
        grids = tuple(readers[source])
        yield Quantized(name=input_name, kind="activation", label=source, grids=grids)
    for node in graph.node:
        grids = tuple(readers.get(node.output[0], ()))
        if node.op_type == "QuantizeLinear":
            grids = (_onnx_grid(node, constants), *grids)
        elif not _is_table(node, constants):
            continue
        yield Quantized(name=node.name, kind="activation", label=node.output[0], grids=grids)


def _is_table(node: OnnxNode, constants: Container[str]) -> bool:
    """Whether a node looks integers up in a table of results (`integers.look_up`)."""
    return node.op_type == "Gather" and node.input[0] in constants


def _sources(name: str, made_by: dict[str, OnnxNode], constants: Container[str]) -> Iterator[str]:
    """The quantized tensors whose values `name` holds, through operators that move integers."""
    node = made_by.get(name)
    if node is None or node.op_type == "QuantizeLinear" or _is_table(node, constants):
        yield name
        return
    moved = node.input if node.op_type == "Concat" else node.input[:1]
    for before in moved:
        yield from _sources(before, made_by, constants)


def _onnx_grid(node: OnnxNode, constants: Constants) -> Grid:
    zero_point = constants[node.input[2]]
    offset = 128 if zero_point.dtype == np.uint8 else 0
    return Grid(
        np.atleast_1d(constants[node.input[1]]).astype(np.float32),
        np.atleast_1d(zero_point).astype(np.int64) - offset,
    )

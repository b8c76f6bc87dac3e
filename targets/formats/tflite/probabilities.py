"""Calibrated probabilities as a second output of a `.tflite` file: SOFTMAX with beta = 1 / T."""

from pathlib import Path

from targets.formats.contract import LOGITS, PROBABILITIES
from targets.formats.tflite.ending import packed
from targets.formats.tflite.inspect import read
from targets.untyped import TfliteModel, TfliteOperator


def add_probabilities(path: Path, *, temperature: float) -> None:
    """Append the float operator behind the logits; what is before it stays as it is."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = read(path)
    graph = model.subgraphs[0]
    logits = graph.tensors[int(graph.outputs[0])]
    logits.name = LOGITS.encode()
    tensor = schema.TensorT(
        shape=logits.shape,
        shapeSignature=logits.shapeSignature,
        type=schema.TensorType.FLOAT32,
        buffer=_empty_buffer(model),
        name=PROBABILITIES.encode(),
        hasRank=logits.hasRank,
    )
    graph.tensors.append(tensor)
    place = len(graph.tensors) - 1
    graph.operators.append(_softmax(model, int(graph.outputs[0]), place, beta=1 / temperature))
    graph.outputs = [*map(int, graph.outputs), place]
    _sign(model, place)
    path.write_bytes(packed(model))


def _empty_buffer(model: TfliteModel) -> int:
    from tensorflow.lite.python import schema_py_generated as schema

    model.buffers.append(schema.BufferT())
    return len(model.buffers) - 1


def _softmax(model: TfliteModel, source: int, target: int, *, beta: float) -> TfliteOperator:
    from tensorflow.lite.python import schema_py_generated as schema

    code = schema.BuiltinOperator.SOFTMAX
    model.operatorCodes.append(
        schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=1)
    )
    return schema.OperatorT(
        opcodeIndex=len(model.operatorCodes) - 1,
        inputs=[source],
        outputs=[target],
        builtinOptionsType=schema.BuiltinOptions.SoftmaxOptions,
        builtinOptions=schema.SoftmaxOptionsT(beta=beta),
    )


def _sign(model: TfliteModel, place: int) -> None:
    """Both outputs under their names in every signature of the graph."""
    from tensorflow.lite.python import schema_py_generated as schema

    for signature in model.signatureDefs or []:
        if signature.subgraphIndex == 0:
            signature.outputs[0].name = LOGITS.encode()
            signature.outputs.append(
                schema.TensorMapT(name=PROBABILITIES.encode(), tensorIndex=place)
            )

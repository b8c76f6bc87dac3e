"""tf2onnx's form of TFLite's FULLY_CONNECTED, with the bias that it loses.

tf2onnx 1.17 drops the bias where the input has other than two dimensions (a pooling in front of a
dense layer), because it gives the flattened input and the weights as all the inputs there are.
"""

from functools import cache

import numpy as np

from targets.untyped import OnnxNode, Tf2OnnxGraph


@cache
def register() -> None:
    """Take the place of tf2onnx's own handler in this process."""
    from tf2onnx.handler import tfl_op
    from tf2onnx.tflite_handlers.tfl_math import TflFullyConnectedOp

    class FullyConnected:
        @classmethod
        def to_tf(cls, ctx: Tf2OnnxGraph, node: OnnxNode, **kwargs: object) -> None:
            if node.attr["keep_num_dims"].i == 0 and ctx.get_rank(node.input[0]) != 2:
                _flatten(ctx, node)
            TflFullyConnectedOp.to_tf(ctx, node, **kwargs)

    tfl_op(["TFL_FULLY_CONNECTED"])(FullyConnected)


def _flatten(ctx: Tf2OnnxGraph, node: OnnxNode) -> None:
    """Give `node` its input as [n, weights per output], and all its other inputs as they are."""
    from tf2onnx import utils

    width = ctx.get_shape(node.input[1])[1]
    shape = ctx.make_const(utils.make_name("flat_shape"), np.array([-1, width], np.int64))
    reshape = ctx.make_node("Reshape", [node.input[0], shape.output[0]], shapes=[[-1, width]])
    reshape.skip_conversion = True
    ctx.set_dtype(reshape.output[0], ctx.get_dtype(node.input[0]))
    ctx.replace_inputs(node, [reshape.output[0], *node.input[1:]])

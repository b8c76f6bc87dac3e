"""Names for values of libraries that have no type stubs.

TensorFlow, tf_keras, tfmot and onnx are opaque to mypy. An alias says what a value is; `Any` itself
says nothing, and is not used for them.
"""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""`tf.Tensor`."""
KerasModel: TypeAlias = Any
"""`tf_keras.Model`."""
KerasLayer: TypeAlias = Any
"""`tf_keras.layers.Layer`."""
KerasOptimizer: TypeAlias = Any
"""`tf_keras.optimizers.Optimizer`."""
OnnxModel: TypeAlias = Any
"""`onnx.ModelProto`."""
OnnxNode: TypeAlias = Any
"""`onnx.NodeProto`."""
OnnxTensor: TypeAlias = Any
"""`onnx.TensorProto`."""
TfliteModel: TypeAlias = Any
"""A flatbuffer object of `ai_edge_litert.schema_py_generated`."""
OnnxValue: TypeAlias = Any
"""`onnx.ValueInfoProto`."""
OnnxGraph: TypeAlias = Any
"""`onnx.GraphProto`."""
TfliteGraph: TypeAlias = Any
"""`SubGraphT` of the same module as `TfliteModel`."""
TfliteTensor: TypeAlias = Any
"""`TensorT` of that module."""
TfliteOperator: TypeAlias = Any
"""`OperatorT` of that module."""
TfliteBuffer: TypeAlias = Any
"""`BufferT` of that module."""
FlatbufferBuilder: TypeAlias = Any
"""`flatbuffers.Builder`."""
TfGraph: TypeAlias = Any
"""`tf.compat.v1.GraphDef`."""
TfConverter: TypeAlias = Any
"""`tf.lite.TFLiteConverter`."""

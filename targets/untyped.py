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
KerasNode: TypeAlias = Any
"""A node of the layer graph, `tf_keras.src.engine.node.Node`."""
KerasOptimizer: TypeAlias = Any
"""`tf_keras.optimizers.Optimizer`."""
OnnxModel: TypeAlias = Any
"""`onnx.ModelProto`."""
OnnxNode: TypeAlias = Any
Tf2OnnxGraph: TypeAlias = Any
"""`onnx.NodeProto`."""
OnnxTensor: TypeAlias = Any
"""`onnx.TensorProto`."""
TfliteModel: TypeAlias = Any
"""A flatbuffer object of `ai_edge_litert.schema_py_generated`."""
TfliteInterpreter: TypeAlias = Any
"""`ai_edge_litert.interpreter.Interpreter`."""
TensorDetails: TypeAlias = Any
"""A dictionary of `Interpreter.get_input_details()`."""
OnnxSession: TypeAlias = Any
"""`onnxruntime.InferenceSession`."""
OnnxGraph: TypeAlias = Any
"""`onnx.GraphProto`."""
TfFunction: TypeAlias = Any
"""`tf.function` or a concrete function, such as a signature of a SavedModel."""
TfGraph: TypeAlias = Any
"""`tf.compat.v1.GraphDef`."""
TfNode: TypeAlias = Any
"""`tf.compat.v1.NodeDef`."""
TfType: TypeAlias = Any
"""`tf.DType`."""
OnnxValue: TypeAlias = Any
"""`onnx.ValueInfoProto`."""
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
TfConverter: TypeAlias = Any
"""`tf.lite.TFLiteConverter`."""
Quantizer: TypeAlias = Any
"""A quantizer of `tensorflow_model_optimization`."""
FlatbufferTable: TypeAlias = Any
"""`flatbuffers.table.Table`."""

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
"""`onnx.NodeProto`."""
OnnxTensor: TypeAlias = Any
"""`onnx.TensorProto`."""
TfliteModel: TypeAlias = Any
"""A flatbuffer object of `ai_edge_litert.schema_py_generated`."""
Quantizer: TypeAlias = Any
"""A quantizer of `tensorflow_model_optimization`."""

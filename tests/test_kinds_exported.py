"""Networks of waveforms, tokens and arrays are exported as those of images are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tf_keras import Model, layers

from pipeline.models import STUDENTS
from pipeline.models.contract import why_no_int8
from pipeline.models.layers import classifier, conv_bn, depthwise_bn_relu6, relu6
from pipeline.models.network import NetworkSpec, build
from pipeline.quantization.preflight import problems
from pipeline.quantization.qat import QuantizedNetwork
from pipeline.training import session
from pipeline.training.inference import make_predict
from targets.bench.plan import logits_of
from targets.errors import ProofError
from targets.formats import FORMATS
from targets.formats.channel_scaling import ChannelScaling
from targets.formats.contract import ExportContext, ServingFunction
from targets.formats.front_end import SoundFrontEnd
from targets.formats.input_spec import InputSpec, array_input, token_input, waveform_input
from targets.formats.onnx import qdq
from targets.formats.precisions import PRECISIONS
from targets.formats.tflite import export as tflite
from targets.formats.tflite.inspect import inspect, read
from targets.formats.tflite.proofs import require_int8
from targets.untyped import KerasModel, Tensor

CLASSES = 4
WAVEFORM = waveform_input(2000, SoundFrontEnd(rate=4000))
TOKENS = token_input(12, 200)
ARRAY = array_input(24, 6, 2)
SCALED = array_input(24, 6, 2, scaling=ChannelScaling(mean=(3.0, 2.5), deviation=(9.0, 7.5)))
FRONT = {"waveform": 32, "tokens": 0, "array": 2}
"""Kind -> operators of its front end."""
EACH = [(f, p) for f in ("tflite", "onnx") for p in FORMATS[f].precisions if PRECISIONS[p].chosen]


@dataclass(frozen=True)
class Case:
    spec: InputSpec
    model: KerasModel
    quantized: KerasModel
    raw: npt.NDArray[Any]

    def network(self, precision: str) -> KerasModel:
        return self.quantized if PRECISIONS[precision].quantization_aware else self.model

    def function(self, precision: str) -> ServingFunction:
        network = self.network(precision)
        return ServingFunction(input=self.spec, call=lambda x: network(x, training=False))


def of_map(x: Tensor) -> Tensor:
    x = relu6(conv_bn(x, 16, 3, strides=2, name="stem"), name="stem")
    x = depthwise_bn_relu6(x, name="block")
    return classifier(relu6(conv_bn(x, 64, 1, name="point"), name="point"), CLASSES)


def on_features(spec: InputSpec) -> KerasModel:
    values = layers.Input(spec.features, name="image")
    return Model(values, of_map(values), name="student")


def on_tokens(spec: InputSpec) -> KerasModel:
    tokens = layers.Input(spec.shape, name="tokens", dtype="int32")
    x = layers.Embedding(spec.vocabulary, 16, name="table")(tokens)
    x = layers.Reshape((*spec.shape, 1, 16), name="map")(x)
    x = relu6(conv_bn(x, 24, 1, name="stem"), name="stem")
    x = layers.MaxPooling2D((spec.shape[0], 1), name="longest")(x)
    return Model(tokens, classifier(x, CLASSES), name="student")


def waveforms(random: np.random.Generator) -> npt.NDArray[Any]:
    loudness = random.choice([100, 1000, 9000], (300, 1))
    values: npt.NDArray[Any] = np.clip(random.normal(size=(300, 2000)) * loudness, -32768, 32767)
    return values.astype(np.int16)


RAW: dict[str, Callable[[np.random.Generator], npt.NDArray[Any]]] = {
    "waveform": waveforms,
    "tokens": lambda random: random.integers(0, 200, (300, 12)).astype(np.int32),
    "array": lambda random: random.normal(3, 9, (300, 24, 6, 2)).astype(np.float32),
}


@pytest.fixture(scope="module", params=[WAVEFORM, TOKENS, SCALED], ids=lambda spec: spec.kind)
def case(request: pytest.FixtureRequest) -> Case:
    session.start(seed=0, threads=2)
    spec = request.param
    model = on_tokens(spec) if spec.kind == "tokens" else on_features(spec)
    raw = RAW[spec.kind](np.random.default_rng(0))
    quantized = QuantizedNetwork(model, spec)
    quantized.calibrate(raw)
    return Case(spec, model, quantized.model, raw)


def written(case: Case, kind: str, precision: str, folder: Path) -> Path:
    path = folder / f"net.{precision}.{kind}"
    context = ExportContext(samples=case.raw, scratch=folder)
    FORMATS[kind].export(case.function(precision), precision, path, context=context)
    return path


@pytest.mark.parametrize(("kind", "precision"), EACH)
def test_a_file_is_its_network(case: Case, kind: str, precision: str, tmp_path: Path) -> None:
    path = written(case, kind, precision, tmp_path)
    wanted = make_predict(case.network(precision), case.spec)(case.raw[:64])
    found = logits_of(path, kind, case.raw[:64], tmp_path)
    rounding = {"float32": 1e-5, "int8": 0.02}.get(precision, 0.1)
    assert np.abs(wanted - found).max() <= rounding * np.abs(wanted).max()


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
@pytest.mark.parametrize("precision", ["int8", "int8_ptq"])
def test_int8_is_proved_behind_the_front_end(
    case: Case, kind: str, precision: str, tmp_path: Path
) -> None:
    operators = FORMATS[kind].inspect(written(case, kind, precision, tmp_path))
    assert operators.int8_ops > 3
    assert operators.float_ops == 0
    assert bool(operators.front_ops) == (case.spec.front_end is not None)


def test_both_int8_files_answer_alike(case: Case, tmp_path: Path) -> None:
    paths = {kind: written(case, kind, "int8", tmp_path) for kind in ("tflite", "onnx")}
    ours, theirs = (logits_of(path, kind, case.raw, tmp_path) for kind, path in paths.items())
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() > 0.99


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8", "int16x8"])
def test_the_front_end_is_the_same_float_operators_in_every_precision(
    case: Case, precision: str, tmp_path: Path
) -> None:
    found = inspect(written(case, "tflite", precision, tmp_path))
    front = [op for op in found.operators if op.front]
    assert all(op.dtypes <= {"FLOAT32", "INT32"} for op in front)
    assert len(front) == FRONT[case.spec.kind]
    assert found.input_dtype == case.spec.file_dtype.upper()
    assert found.input_shape == (1, *case.spec.shape)


def test_the_names_of_a_file_are_those_of_every_process(case: Case, tmp_path: Path) -> None:
    model = read(written(case, "tflite", "int8", tmp_path))
    names = [tensor.name.decode() for tensor in model.subgraphs[0].tensors]
    assert len(set(names)) == len(names)
    assert not [name for name in names if "embedding_lookup/" in name and name[-1].isdigit()]
    (source,) = model.subgraphs[0].inputs
    assert names[int(source)] == case.spec.name


@pytest.mark.parametrize(
    ("family", "spec"),
    [
        (name, spec)
        for name in STUDENTS
        for spec in (WAVEFORM, TOKENS)
        if spec.kind in STUDENTS[name].TAKES
        and "image" not in STUDENTS[name].TAKES
        and not why_no_int8(STUDENTS[name])
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_a_student_of_sounds_or_texts_is_int8_in_both_formats(
    family: str, spec: InputSpec, tmp_path: Path
) -> None:
    session.start(seed=0, threads=2)
    network = NetworkSpec(role="student", family=family, settings={}, input=spec, classes=CLASSES)
    raw, model = RAW[spec.kind](np.random.default_rng(0)), build(network)
    model.get_layer("logits").bias.assign([0.5, -0.5, 0.2, 0.0])  # tf2onnx drops it
    quantized = QuantizedNetwork(model, spec)
    quantized.calibrate(raw)
    case = Case(spec, quantized.model, quantized.model, raw)
    wanted = make_predict(quantized.model, spec)(raw[:64])
    for kind in ("tflite", "onnx"):
        found = logits_of(written(case, kind, "int8", tmp_path), kind, raw[:64], tmp_path)
        assert np.abs(wanted - found).max() <= 0.05 * np.abs(wanted).max()


def test_a_network_without_its_front_end_is_no_proof(tmp_path: Path) -> None:
    session.start(seed=0, threads=2)
    path, network = tmp_path / "bare.int8.tflite", on_features(WAVEFORM)
    quantized = QuantizedNetwork(network, WAVEFORM)
    quantized.calibrate(waveforms(np.random.default_rng(0)))
    bare = WAVEFORM.of_network
    tflite.export_int8(lambda x: quantized.model(x, training=False), bare, path)
    with pytest.raises(ProofError, match="input type, shape"):
        require_int8(path, WAVEFORM)


def test_a_table_of_tokens_is_quantized_with_its_network(tmp_path: Path) -> None:
    session.start(seed=0, threads=2)
    model = on_tokens(TOKENS)
    assert not problems(model)
    quantized = QuantizedNetwork(model, TOKENS)
    quantized.calibrate(RAW["tokens"](np.random.default_rng(0)))
    path = tmp_path / "net.int8.tflite"
    tflite.export_int8(lambda x: quantized.model(x, training=False), TOKENS, path)
    (gather,) = [op for op in inspect(path).operators if op.name == "GATHER"]
    assert gather.dtypes == {"INT8", "INT32"}
    rows = qdq.export_int8(path, tmp_path / "net.int8.onnx", spec=TOKENS)
    table = [row for row in rows if row.note and "holds the values of" in row.note]
    assert any("embedding_lookup" in str(row.source) for row in table)
    assert all(row.equal for row in rows)


def test_the_range_of_features_is_calibrated_and_then_stays(tmp_path: Path) -> None:
    session.start(seed=0, threads=2)
    quantized = QuantizedNetwork(on_features(ARRAY), ARRAY)
    raw = RAW["array"](np.random.default_rng(0))
    quantized.calibrate(raw, batch_size=300)
    (layer,) = [one for one in quantized.model.layers if type(one).__name__ == "QuantizeLayer"]
    found = [float(layer.quantizer_vars[name]) for name in ("min_var", "max_var")]
    np.testing.assert_allclose(found, [raw.min(), raw.max()], rtol=1e-6)
    quantized.ranges_learn(True)
    quantized.model(100 * raw, training=True)
    assert [float(layer.quantizer_vars[name]) for name in ("min_var", "max_var")] == found

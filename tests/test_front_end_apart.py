"""The front end of a sound file as a file of its own, and the int8 network behind it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from tf_keras import Model, layers

from pipeline.export.apart import Parts
from pipeline.export.exporter import ProvedFile, recorded
from pipeline.models.layers import classifier, conv_bn
from pipeline.quantization.qat import QuantizedNetwork
from pipeline.recipe.load import Override, load
from pipeline.training import session
from targets.bench.plan import logits_of
from targets.errors import ConversionError, InputError, ProofError
from targets.formats import FORMATS
from targets.formats.contract import ExportContext, ServingFunction
from targets.formats.features import formula
from targets.formats.input_spec import InputSpec, array_input
from targets.formats.record import NetworkEnds, TakenApart
from targets.formats.tflite.inspect import inspect
from targets.formats.tflite.micro import KERNELS, require_micro
from targets.untyped import KerasModel
from tests.test_kinds_exported import WAVEFORM, on_features, waveforms

BOTH = ("tflite", "onnx")
ARRAY_OF_ONE = array_input(24, 1, 1)
RAW = waveforms(np.random.default_rng(0))


@dataclass(frozen=True)
class Written:
    folder: Path
    spec: InputSpec

    def whole(self, kind: str) -> ProvedFile:
        path = self.folder / f"net.int8.{kind}"
        record = recorded(
            path, role="student", precision="int8", parameters=1, macs=1, input_shape=WAVEFORM.shape
        )
        outputs = logits_of(path, kind, RAW[:64], self.folder)
        return ProvedFile(record=record, parity=(), outputs=outputs, source=None, path=path)


def written(folder: Path, spec: InputSpec, network: KerasModel, precision: str) -> Written:
    function = ServingFunction(input=spec, call=lambda x: network(x, training=False))
    raw = RAW if spec.kind == "waveform" else RAW[:, : spec.shape[0], None, None] / 9000
    context = ExportContext(samples=raw.astype(spec.dtype), scratch=folder)
    for kind in BOTH:
        path = folder / f"net.int8.{kind}"
        FORMATS[kind].export(function, precision, path, context=context)
    return Written(folder, spec)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Written:
    session.start(seed=0, threads=2)
    quantized = QuantizedNetwork(on_features(WAVEFORM), WAVEFORM)
    quantized.calibrate(RAW)
    return written(tmp_path_factory.mktemp("sound"), WAVEFORM, quantized.model, "int8")


def taken(sound: Written, kind: str, folder: Path) -> TakenApart:
    parts = Parts(out=folder, scratch=folder, input=sound.spec, say=lambda text: None)
    (row,) = parts.of([sound.whole(kind)], RAW[:64])
    return row


@pytest.fixture(scope="module")
def rows(sound: Written, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TakenApart]:
    """By format."""
    parts = Parts(out=sound.folder, scratch=sound.folder, input=WAVEFORM, say=lambda text: None)
    made = parts.of([sound.whole(kind) for kind in BOTH], RAW[:64])
    return dict(zip(BOTH, made, strict=True))


@pytest.mark.parametrize("kind", BOTH)
def test_both_parts_in_a_row_give_what_the_whole_file_does(
    sound: Written, rows: dict[str, TakenApart], kind: str, tmp_path: Path
) -> None:
    row = rows[kind]
    assert (row.max_steps, row.agreement, row.samples) == (0, 1, 64)
    front_end, network = (sound.folder / one.file for one in (row.front_end, row.network))
    features = logits_of(front_end, kind, RAW[:8], tmp_path)
    values = WAVEFORM.real(RAW[:8].astype(np.float32)).numpy()
    np.testing.assert_allclose(features, values, atol=1e-4)
    whole = sound.folder / f"net.int8.{kind}"
    assert front_end.stat().st_size + network.stat().st_size < whole.stat().st_size + 3000


def test_the_tflite_network_is_of_integers_from_end_to_end(
    sound: Written, rows: dict[str, TakenApart]
) -> None:
    row = rows["tflite"]
    found = inspect(sound.folder / row.network.file)
    assert (found.input_dtype, found.output_dtype) == ("INT8", "INT8")
    assert found.input_shape == (1, *WAVEFORM.features)
    assert found.input_scale == row.ends.input
    assert {kind for op in found.operators for kind in op.dtypes} <= {"INT8", "INT32"}
    assert {op.name for op in found.operators} <= KERNELS
    assert row.network.adapter is not None
    assert row.network.adapter.output_quantization == row.ends.output


def test_the_onnx_network_takes_raw_integers_as_files_of_images_do(
    sound: Written, rows: dict[str, TakenApart]
) -> None:
    row = rows["onnx"]
    graph = onnx.load(sound.folder / row.network.file).graph
    (source,) = graph.input
    kind = source.type.tensor_type
    assert kind.elem_type == onnx.TensorProto.UINT8
    assert tuple(dim.dim_value for dim in kind.shape.dim) == (1, *WAVEFORM.features)
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert row.network.adapter is None


def test_both_formats_have_one_quantization(rows: dict[str, TakenApart]) -> None:
    ours, theirs = (rows[kind].ends for kind in BOTH)
    assert (ours.input[0], ours.output[0]) == (theirs.input[0], theirs.output[0])
    assert (ours.input[1] + 128, ours.dtype, theirs.dtype) == (theirs.input[1], "int8", "uint8")


@pytest.mark.parametrize("kind", BOTH)
def test_parts_that_give_other_outputs_are_refused(
    sound: Written, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = FORMATS[kind].take_apart

    def with_half_the_scale(
        path: Path, spec: InputSpec, *, front_end: Path, network: Path
    ) -> NetworkEnds:
        ends = right(path, spec, front_end=front_end, network=network)
        return ends.model_copy(update={"input": (ends.input[0] / 2, ends.input[1])})

    monkeypatch.setattr(FORMATS[kind], "take_apart", with_half_the_scale)
    with pytest.raises(ProofError, match=rf"net.int8.network.{kind}: .* steps of .* apart"):
        taken(sound, kind, tmp_path)


def with_gelu(spec: InputSpec) -> KerasModel:
    values = layers.Input(spec.features, name="image")
    x = conv_bn(values, 8, 3, strides=2, name="stem")
    return Model(values, classifier(layers.Activation("gelu")(x), 4), name="student")


def test_an_operator_that_microcontrollers_do_not_have_is_refused(tmp_path: Path) -> None:
    session.start(seed=0, threads=2)
    network, folder = with_gelu(WAVEFORM), tmp_path / "whole"
    folder.mkdir()
    path = folder / "net.int8.tflite"
    FORMATS["tflite"].export(
        ServingFunction(input=WAVEFORM, call=lambda x: network(x, training=False)),
        "int8_ptq",
        path,
        context=ExportContext(samples=RAW, scratch=folder),
    )
    with pytest.raises(ProofError, match="TFLite Micro has no int8 kernel for GELU"):
        taken(Written(folder, WAVEFORM), "tflite", tmp_path)


def test_a_whole_file_is_not_for_microcontrollers(sound: Written) -> None:
    with pytest.raises(ProofError, match=r"of integers from end to end.*FLOAT32.*QUANTIZE"):
        require_micro(sound.folder / "net.int8.tflite")


@pytest.mark.parametrize("kind", BOTH)
def test_a_file_without_a_front_end_is_not_taken_apart(kind: str, tmp_path: Path) -> None:
    session.start(seed=0, threads=2)
    files = written(tmp_path, ARRAY_OF_ONE, on_features(ARRAY_OF_ONE), "int8_ptq")
    with pytest.raises(ConversionError, match="cannot be taken apart, because no front end"):
        FORMATS[kind].take_apart(
            files.folder / f"net.int8.{kind}",
            ARRAY_OF_ONE,
            front_end=tmp_path / "front",
            network=tmp_path / "network",
        )


def test_the_quantization_is_said_as_a_formula() -> None:
    ends = NetworkEnds(dtype="int8", input=(0.5, -3), output=(1, 0), output_dtype="int8")
    assert formula(ends) == "q = min(127, max(-128, round(x / 0.5) - 3))"
    features = np.array([-1e9, -1.5, 0, 0.3, 1e9], np.float32)
    assert ends.quantized(features).tolist() == [-128, -6, -3, -2, 127]


@pytest.mark.parametrize(
    ("recipe", "keys", "why"),
    [
        ("digits", {}, "front_end_apart: is for sounds, and the data set digits holds images"),
        ("commands", {}, "front_end_apart: is for sounds.*holds texts"),
        ("vowels", {"convert.precisions": ["float32"]}, "it needs the precision int8 or int8_ptq"),
    ],
)
def test_a_recipe_without_such_files_is_refused(
    recipe: str, keys: dict[str, list[str]], why: str
) -> None:
    given = {"convert.front_end_apart": True, **keys}
    with pytest.raises(InputError, match=why):
        load(recipe, [Override(key, value, f"--set {key}") for key, value in given.items()])

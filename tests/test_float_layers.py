"""Which layer int8 hurts is measured in both formats, and few layers in float bring it back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import FloatLayers
from pipeline.export import mixed_files
from pipeline.export.exporter import Network, ProvedFile, recorded
from pipeline.quantization import max_drop
from pipeline.quantization.float_layers import Chains, all_float, layer_names
from pipeline.quantization.max_drop import Search
from pipeline.recipe.files import ConvertConfig
from pipeline.reporting.findings.layer_noise import agreement, float_layers
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.layer_noise import LayerNoise
from pipeline.reporting.schema.report import read
from pipeline.training import preflight
from targets.errors import InputError, ProofError
from targets.evaluation.noise import EXACT_DB, snr_db
from targets.formats import FORMATS
from targets.formats.contract import ExportContext, ServingFunction
from targets.formats.input_kinds import WORDS
from targets.formats.onnx.mixed import require_same_floats
from targets.formats.record import Parity
from targets.formats.tflite.proofs import require_mixed
from tests.conftest import Lane
from tests.reports import cells, changed, model_row, report, two_formats
from tests.spoiled import BAD, Spoiled, spoil, too_wide

Logits = npt.NDArray[np.float32]


def unequal_channels(student: Any, quantized: Any) -> None:
    """All channels but one of a layer are 200 times as small, and the next layer's weights for
    them as large: the same network, but for clipping."""
    if quantized is not None:
        return
    norm, after = (student.get_layer(n) for n in ("block1_pointwise_bn", "block2_depthwise_conv"))
    factors = np.full(norm.gamma.shape, 200.0, np.float32)
    factors[0] = 1
    norm.gamma.assign(norm.gamma / factors)
    norm.beta.assign(norm.beta / factors)
    after.depthwise_kernel.assign(after.depthwise_kernel * factors[:, None])


@pytest.fixture(scope="module")
def spoiled(stripes_data: Dataset) -> Spoiled:
    return spoil(stripes_data, too_wide(BAD))


@pytest.fixture(scope="module")
def files(spoiled: Spoiled, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both int8 files and both mixed ones."""
    folder = tmp_path_factory.mktemp("files")
    int8, mixed = spoiled.write(folder, "int8"), spoiled.write(folder, "mixed", BAD)
    return {path.name: path for path in (*int8, *mixed)}


@pytest.fixture(scope="module")
def noise(spoiled: Spoiled, files: dict[str, Path]) -> tuple[LayerNoise, ...]:
    model = spoiled.quantized()
    names = layer_names(model)
    all_float(model)
    tflite, onnx = files["student.int8.tflite"], files["student.int8.onnx"]
    rows = FORMATS["onnx"].layer_noise(
        onnx,
        tflite,
        ServingFunction(input=spoiled.data.input, call=lambda x: model(x, training=False)),
        context=ExportContext(samples=spoiled.images[:16], scratch=tflite.parent),
    )
    return tuple(LayerNoise.of(row.model_copy(update={"layer": names[row.layer]})) for row in rows)


def test_the_ratio_is_that_of_the_formula() -> None:
    x: npt.NDArray[np.float64] = np.array([3.0, -4.0])
    assert snr_db(exact=x, rounded=x + np.array([0.3, 0.4])) == pytest.approx(20, abs=0.01)
    assert snr_db(exact=x, rounded=x) == EXACT_DB
    assert snr_db(exact=0.0 * x, rounded=x) == -EXACT_DB


def test_the_layer_with_a_bad_range_has_the_lowest_ratio_of_its_own(
    noise: tuple[LayerNoise, ...],
) -> None:
    own = {row.layer: row.own_snr_db for row in noise if row.own_snr_db is not None}
    assert min(own, key=own.__getitem__) == "block1_depthwise_conv"
    assert (
        own["block1_depthwise_conv"] < 20 < min(v for k, v in own.items() if v != min(own.values()))
    )
    ratios = [row.tflite_snr_db for row in noise]
    assert None not in ratios
    assert ratios == sorted(ratios, key=lambda db: db or 0.0)


def test_every_layer_before_it_is_fine_and_none_behind_it(noise: tuple[LayerNoise, ...]) -> None:
    found = {row.layer: row.tflite_snr_db or 0.0 for row in noise}
    before = {n: db for n, db in found.items() if n.startswith(("stem", "block0"))}
    assert min(before.values()) > 30
    assert max(db for n, db in found.items() if n not in before) < 25


def test_both_formats_have_the_same_noise(noise: tuple[LayerNoise, ...]) -> None:
    assert all(row.onnx_snr_db is not None for row in noise)
    assert agreement(noise).startswith("TFLite and ONNX agree within")
    convolutions = [row for row in noise if row.layer.endswith("conv") or row.layer == "logits"]
    assert all(row.weights_snr_db and 35 < row.weights_snr_db < 60 for row in convolutions)


def test_a_layer_in_float_restores_the_labels_in_both_formats(
    spoiled: Spoiled, files: dict[str, Path], tmp_path: Path
) -> None:
    for kind in ("tflite", "onnx"):
        int8 = spoiled.right(files[f"student.int8.{kind}"], tmp_path)
        mixed = spoiled.right(files[f"student.mixed.{kind}"], tmp_path)
        assert int8 < mixed - 0.05
        assert mixed > 0.95


def test_other_operators_in_float_than_those_asked_for_are_refused(
    spoiled: Spoiled, files: dict[str, Path], tmp_path: Path
) -> None:
    tflite, spec = files["student.mixed.tflite"], spoiled.data.input
    chains = Chains(spoiled.quantized())
    require_mixed(tflite, spec, chains.operators([BAD]))
    with pytest.raises(ProofError, match="should be int8: DEPTHWISE_CONV_2D"):
        require_mixed(tflite, spec, chains.operators(["logits"]))
    with pytest.raises(ProofError, match="keeps in int8: logits"):
        require_mixed(tflite, spec, chains.operators([BAD, "logits"]))
    with pytest.raises(ProofError, match="calculates in float what ends in nothing"):
        require_same_floats(tflite, files["student.int8.onnx"])


@pytest.fixture(scope="module")
def search(spoiled: Spoiled) -> Search:
    return spoiled.search()


def test_a_layer_and_those_that_read_it_are_in_float(spoiled: Spoiled) -> None:
    chains = Chains(spoiled.quantized())
    chain = {f"quant_block1_depthwise_{part}" for part in ("conv", "bn", "relu6")}
    readers = {"quant_block1_pointwise_conv", "quant_block1_pointwise_bn", "quant_block1_relu6"}
    for name in (f"block1_depthwise_{part}" for part in ("conv", "bn", "relu6")):
        assert chains.operators([name]) == {name: chain | readers}
    with pytest.raises(InputError, match="'pool' has no quantization of its own"):
        chains.named(["pool"])


def test_max_drop_finds_the_layer(search: Search) -> None:
    lines: list[str] = []
    assert search.drop([]) > 0.05
    assert search.layers(0.01, say=lines.append) == ("block1_depthwise_conv",)
    assert "points below float on the validation split" in lines[0]


def test_within_the_limit_no_layer_is_taken(search: Search) -> None:
    assert search.layers(0.99, say=print) == ()


def test_max_drop_finds_a_layer_of_unequal_channels(stripes_data: Dataset) -> None:
    found = spoil(stripes_data, unequal_channels).search()
    assert found.drop([]) > 0.02
    assert found.layers(0.01, say=print) == ("block1_pointwise_conv",)


def test_a_loss_that_no_few_layers_cause_is_an_error_with_its_size(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(max_drop, "MOST", 0)
    with pytest.raises(ProofError, match=r"int8 loses [\d.]+ points .* in float leave [\d.]+"):
        search.layers(0.01, say=print)


def test_a_loss_of_the_fine_tuning_is_an_error(search: Search) -> None:
    with pytest.raises(ProofError, match="all of them in float leave"):
        search.layers(-0.01, say=print)


def made(folder: Path, precision: str, outputs: Logits) -> ProvedFile:
    path = folder / f"student.{precision}.tflite"
    path.write_bytes(b"a model")
    parity = Parity.model_validate(
        {"name": path.name, "format": "tflite", "source": "student_qat", "samples": len(outputs),
         "agreement": 1, "max_abs_diff": 0, "int8_ops": 9, "float_ops": 2, "scales_equal": None,
         "precision": precision}
    )  # fmt: skip
    record = recorded(
        path,
        role="student_qat",
        precision=precision,
        parameters=1,
        macs=1,
        input_shape=(12, 12, 1),
    )
    return ProvedFile(record=record, parity=(parity,), outputs=outputs, source=None, path=path)


@pytest.mark.parametrize("names", [(), ("logits",)])
def test_files_that_lose_more_than_their_network_are_refused(
    names: tuple[str, ...], stripes_data: Dataset, tmp_path: Path
) -> None:
    """A file may differ from its network in a few labels, which the search did not see."""
    right = np.eye(3, dtype=np.float32)[stripes_data[Split.VAL].labels]
    wrong = right.copy()
    wrong[0] = np.roll(wrong[0], 1)  # 1 of 72: 1.39 points
    serving = ServingFunction(input=stripes_data.input, call=lambda image: image)
    student = Network(
        name="student",
        role="student",
        function=lambda precision, file: serving,
        logits=lambda raw: right,
    )
    files = [made(tmp_path, precision, wrong) for precision in ("int8", "mixed")]
    files = files if names else files[:1]
    known = (names, files, student, stripes_data)
    with pytest.raises(ProofError, match=f"with {names[0] if names else 'no layer'} in float"):
        mixed_files.gained(ConvertConfig(max_drop=1), *known)
    found = mixed_files.gained(ConvertConfig(max_drop=2), *known)
    assert (None if found is None else found.layers) == (names or None)


def test_a_wrong_layer_is_an_error_before_any_training(lane: Lane, stripes_data: Dataset) -> None:
    recipe = lane.recipe(("convert.keep_float", ["block1_depthwise_cnov"]))
    with pytest.raises(InputError, match=r"no layer .*did you mean 'block1_depthwise_conv'"):
        preflight.require_int8(recipe, stripes_data, seed=0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"convert.keep_float": ["logits"], "convert.max_drop": 1}, "exclude each other"),
        ({"convert.max_drop": 1, "convert.precisions": ["int8_ptq"]}, "need the precision int8"),
        ({"convert.precisions": ["mixed"]}, "unknown precision 'mixed'"),
        ({"convert.max_drop": 0}, "max_drop"),
        ({"convert.max_drop": float("nan")}, "max_drop"),
        ({"gates.files": {"student.mixed.tflite": {"top1": 0.5}}}, "not a file of this recipe"),
    ],
)
def test_what_cannot_be_is_refused_in_the_recipe(
    lane: Lane, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        lane.recipe(*settings.items())


def test_a_gate_can_be_on_the_mixed_file(lane: Lane) -> None:
    gates = {"student.mixed.tflite": {"top1": 0.5}}
    assert lane.recipe(("convert.max_drop", 1), ("gates.files", gates)).gates.any


FOUND = FloatLayers(
    layers=("block1_depthwise_conv",),
    max_drop=0.3,
    operators=2,
    images=500,
    float_top1=0.88,
    int8_top1=0.86,
    mixed_top1=0.878,
)


def test_the_note_says_what_the_layers_bring_and_what_they_cost() -> None:
    int8, mixed = (
        model_row(f"student.{p}.tflite", us=us) for p, us in (("int8", 50), ("mixed", 60))
    )
    words = WORDS["image"]
    said = float_layers(FOUND, [int8, mixed], words)
    assert "keeps block1_depthwise_conv in float for convert.max_drop = 0.3 (2 float" in said
    assert "87.80 % top-1 on the 500 validation images, int8 86.00 %" in said
    assert said.endswith("over that of int8: student.mixed.tflite on local 1.20x.")
    assert "not known" in float_layers(FOUND, [int8, changed(mixed, valid=False)], words)
    assert "Median" not in float_layers(FOUND, [changed(int8, median_ns=None), mixed], words)


def test_the_page_has_the_worst_layers_and_folds_the_others(tmp_path: Path) -> None:
    rows = [
        LayerNoise(file="student.int8", tensor=f"t{i}", layer=f"layer{i}", tflite_snr_db=3.0 * i)
        for i in range(12)
    ]
    plain = two_formats()
    content = report(plain.models, layer_noise=rows, float_layers=FOUND)
    page = render(content)
    _, shown = cells(page, "layer")
    assert shown[1] == ["layer1", "3.0", "-", "-", "-"]
    assert len(shown) == 10
    assert "2 more layers" in page
    assert "behind the worst layers: layer0 0.0 dB; layer1 3.0 dB; " in page
    long = LayerNoise(file="f", tensor="t", layer="begin" + "_x" * 20, tflite_snr_db=3.0)
    bar = render(report(plain.models, layer_noise=[long])).partition('text-anchor="end">')[2]
    assert bar.startswith(f"…{('_x' * 20)[-33:]}</text>")
    assert "Noise of int8" not in render(plain)
    (tmp_path / "report.json").write_text(content.dump())
    assert read(tmp_path / "report.json") == content
    older = json.loads(plain.dump())
    del older["layer_noise"], older["float_layers"]
    (tmp_path / "report.json").write_text(json.dumps(older))
    assert read(tmp_path / "report.json") == plain


def test_where_the_formats_differ_the_layers_are_named() -> None:
    row = LayerNoise(file="x", tensor="t", layer="a", tflite_snr_db=30, onnx_snr_db=24)
    alone = LayerNoise(file="x", tensor="u", layer="b", tflite_snr_db=30)
    said = agreement([row, alone])
    assert said.startswith("TFLite and ONNX differ behind a (6.0 dB).")
    assert "1 results have no tensor" in said
    assert agreement([alone]) == ""

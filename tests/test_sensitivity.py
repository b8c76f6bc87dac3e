"""Where int8 costs accuracy, the product says which layers cost it."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import (
    Checkpoint,
    LayerGain,
    QuantizedCheckpoint,
    Sensitivity,
    TeacherLogits,
)
from pipeline.quantization import sensitivity
from pipeline.quantization.switched import SwitchedNetwork
from pipeline.reporting.findings.sensitivity import note
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.report import read
from pipeline.stages import quantize
from pipeline.training.inference import make_predict
from targets.evaluation.significance import mcnemar
from tests.conftest import Lane
from tests.kept import job, kept
from tests.reports import cells, report, two_formats
from tests.spoiled import BAD, Spoiled, spoil, too_wide

FOUND = Sensitivity(
    images=341,
    float_top1=0.88,
    int8_top1=0.86,
    interval=(-0.035, -0.005),
    unquantized_top1=0.878,
    compared_layers=57,
    measured_on=340,
    layers=(
        LayerGain(
            layer="stem_relu6",
            kind="ReLU",
            tensors="activations",
            gain=0.0123,
            interval=(0.001, 0.024),
        ),
        LayerGain(
            layer="logits", kind="Dense", tensors="weights", gain=0.003, interval=(-0.004, 0.01)
        ),
    ),
)


def measure(spoiled: Spoiled) -> tuple[Sensitivity, list[str]]:
    lines: list[str] = []
    found = sensitivity.measure(
        quantized=spoiled.quantized(),
        student=spoiled.student,
        data=spoiled.data,
        say=lines.append,
    )
    assert found is not None
    return found, lines


@pytest.fixture(scope="module")
def spoiled(stripes_data: Dataset) -> Spoiled:
    return spoil(stripes_data, too_wide(BAD))


def test_the_layer_that_costs_the_accuracy_is_named_first_whenever_measured(
    spoiled: Spoiled,
) -> None:
    found, lines = measure(spoiled)
    first = found.layers[0]
    assert first.layer == BAD
    assert (first.kind, first.tensors) == ("ReLU", "activations")
    assert first.gain > 0.5 * (found.float_top1 - found.int8_top1)
    assert first.interval[0] < first.gain < first.interval[1]
    assert found.float_top1 == 1.0
    assert found.unquantized_top1 == pytest.approx(1.0, abs=0.01)
    assert "points below float on the validation split" in lines[0]
    assert (found, lines) == measure(spoiled)


def test_a_network_within_half_a_point_is_not_measured(spoiled: Spoiled) -> None:
    lines: list[str] = []
    found = sensitivity.measure(
        quantized=spoiled.student, student=spoiled.student, data=spoiled.data, say=lines.append
    )
    assert (found, lines) == (None, [])


@pytest.mark.parametrize(
    ("lost", "of", "is_costly"), [(1, 150, False), (10, 150, True), (10, 3000, False)]
)
def test_a_loss_counts_if_it_is_over_half_a_point_and_shown(
    lost: int, of: int, is_costly: bool
) -> None:
    before = np.ones(of, bool)
    assert sensitivity.costly(mcnemar(before=before, after=np.arange(of) >= lost)) is is_costly


def test_without_the_quantization_of_any_layer_the_network_is_the_float_one(
    spoiled: Spoiled,
) -> None:
    samples, spec = spoiled.data[Split.VAL], spoiled.data.input
    network = SwitchedNetwork(spoiled.quantized(), spec)
    exact = make_predict(spoiled.student, spec)(samples.raw)
    error = np.abs(network.without(network.layers, samples) - exact).max()
    assert error < 1e-4 * np.abs(exact).max()
    assert np.abs(network.without([], samples) - exact).max() > 100 * error


def test_the_stage_keeps_the_figures_and_the_weights_are_the_same(
    finished: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensitivity, "costly", lambda change: True)
    given, out = job(finished, tmp_path / "scratch"), tmp_path / "out"
    out.mkdir()
    stage = quantize.run(
        given.recipe.quantize,
        out,
        job=given,
        logits=kept(finished, "logits", TeacherLogits),
        distill=kept(finished, "distill", Checkpoint),
    )
    stage.write()
    before = kept(finished, "quantize", QuantizedCheckpoint)
    assert stage.weights.read_bytes() == before.weights.read_bytes()
    assert stage.sensitivity is not None
    assert QuantizedCheckpoint.read(out) == stage


def test_the_note_names_layers_gains_and_the_remedy(lane: Lane) -> None:
    said = note(FOUND, lane.recipe())
    assert said.startswith("int8 costs 2.00 points on the 341 validation images: 86.00 % where")
    assert "stem_relu6 (ReLU, activations) +1.23, logits (Dense, weights) +0.30;" in said
    assert "all layers together +1.80." in said
    assert said.endswith("Raise quantize.epochs (now 2), or distill.width_multiplier.")


def test_a_loss_that_float_layers_do_not_bring_back_is_that_of_the_fine_tuning(lane: Lane) -> None:
    said = note(FOUND.model_copy(update={"unquantized_top1": 0.862, "layers": ()}), lane.recipe())
    assert "No layer by itself gains anything in float; all layers together +0.20." in said
    assert "The fine-tuning itself costs most of it: lower quantize.learning_rate" in said


def test_the_page_and_the_document_have_the_layers(tmp_path: Path) -> None:
    plain = two_formats()
    costly = report(plain.models, sensitivity=FOUND)
    header, rows = cells(render(costly), "layer")
    assert header[3:] == ["gain in float, points", "95 % interval"]
    assert rows[0] == ["stem_relu6", "ReLU", "activations", "+1.23", "+0.10 to +2.40"]
    nothing_gained = report(plain.models, sensitivity=FOUND.model_copy(update={"layers": ()}))
    assert "Layers that cost" not in render(plain) + render(nothing_gained)
    (tmp_path / "report.json").write_text(costly.dump())
    assert read(tmp_path / "report.json").sensitivity == FOUND
    older = json.loads(plain.dump())
    del older["sensitivity"]
    (tmp_path / "report.json").write_text(json.dumps(older))
    assert read(tmp_path / "report.json") == plain

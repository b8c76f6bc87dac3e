"""Calibrated probabilities as a second output of a file, and in `Classifier` and `predict`."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli.predict import predict
from pipeline.export.confidence import with_probabilities
from pipeline.export.exporter import ProvedFile, recorded
from targets import Classifier
from targets.bench import scores
from targets.bench.agent.session import Tensor
from targets.bench.plan import logits_of
from targets.errors import InputError, ProofError
from targets.evaluation.temperature import probabilities
from targets.files.digest import file_sha256
from targets.formats import FORMATS, sidecar
from targets.formats.confidence import Confidence
from targets.prediction.loaded import LoadedModel
from tests.conftest import Lane
from tests.picture_models import CLASSES, delivered, describe, photo

FILES = [f"student.{p}.{kind}" for kind in FORMATS for p in ("float32", "int8")]
RAW = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 1), np.uint8)


def confident(path: Path, **about: object) -> Path:
    """The file, with these in the `confidence` of its sidecar."""
    place = sidecar.path_of(path)
    content = json.loads(place.read_text())
    content["confidence"] = {
        "temperature": 10.0, "precision": 0.9, "level": 0.95, "validation_samples": 90, **about,
    }  # fmt: skip
    place.write_text(json.dumps(content))
    return path


@pytest.fixture
def copied(finished: Lane, tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        return Path(shutil.copy(finished.out / "tiny" / "models" / name, tmp_path / name))

    return copy


@pytest.mark.parametrize("name", FILES)
def test_a_second_output_changes_no_logit_and_no_count_of_operators(
    name: str, copied: Callable[[str], Path], tmp_path: Path
) -> None:
    path = copied(name)
    kind = path.suffix[1:]
    before, operators = logits_of(path, kind, RAW, tmp_path), FORMATS[kind].inspect(path)
    FORMATS[kind].add_probabilities(path, temperature=1.7)
    logits, shares = (logits_of(path, kind, RAW, tmp_path, output_index=i) for i in (0, 1))
    assert logits.tobytes() == before.tobytes()
    np.testing.assert_allclose(shares, probabilities(before, temperature=1.7), atol=1e-6)
    assert FORMATS[kind].inspect(path) == operators
    describe(path, classes="abc", shape=(12, 12, 1), fit="crop")
    confident(path, temperature=1.7)
    found = [Classifier(path).classified(one, top=3) for one in RAW[:9]]
    ours = [
        [score.probability for score in sorted(one.top, key=lambda s: s.index)] for one in found
    ]
    np.testing.assert_allclose(ours, shares[:9], atol=1e-6)
    sidecar.path_of(path).unlink()  # a file of someone else
    assert [one["name"] for one in LoadedModel(path).outputs] == ["logits", "probabilities"]
    foreign = Classifier(path, scale=1 if "float32" in name else None)
    assert foreign.logits(RAW[:9]).tobytes() == before[:9].tobytes()


def test_a_file_with_other_logits_than_in_its_proof_is_refused(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    path = copied(FILES[0])
    kind = path.suffix[1:]
    record = recorded(
        path, role="student", precision="float32", parameters=1, macs=1, input_shape=(12, 12, 1)
    )
    proved = ProvedFile(
        record=record,
        parity=(),
        outputs=logits_of(path, kind, RAW, tmp_path) + 1,
        source=None,
        path=path,
    )
    about = Confidence(temperature=2.0, precision=0.9, level=0.95, validation_samples=40)
    proved = replace(proved, record=record.model_copy(update={"file": path.name}))
    where = {"folder": tmp_path, "scratch": tmp_path}
    assert with_probabilities({}, proved, samples=RAW, **where) == proved
    with pytest.raises(ProofError, match=r"other logits than without it.*convert\.probabilities"):
        with_probabilities({path.name: about}, proved, samples=RAW, **where)


def output(name: str) -> Tensor:
    return {"name": name, "shape": [1, 3], "dtype": "float32", "quantization": None}


def test_the_logits_are_judged_unless_another_output_is_named() -> None:
    both = [output("probabilities"), output("logits")]
    assert scores.choose(both) == scores.Choice(index=1)
    assert scores.choose(both, named=["probabilities"]) == scores.Choice(index=0)
    other = [output("features"), output("probabilities")]
    assert scores.choose(other).undecided is not None


def test_a_run_leaves_two_outputs_and_says_what_they_are_worth(
    finished: Lane, tmp_path: Path
) -> None:
    shutil.copytree(finished.out / ".store", tmp_path / ".store")
    lane = Lane(finished.recipe_file, finished.data_file, tmp_path)
    results, steps = lane.run(
        ("convert.probabilities", True),
        ("confidence.precision", 0.5),
        ("gates.calibrated_ece", 1.0),
    )
    assert steps["quantize"].reused
    report = json.loads((results / "report.json").read_text())
    rows = {row["model"]: row for row in report["confidence"]}
    predicted = json.loads((results / "predictions" / "local.json").read_text())["models"]
    for model in report["models"]:
        path = results / model["file"]
        about = sidecar.read(path)  # refuses the digest of another file
        assert about is not None
        assert about.confidence is not None
        assert model["sha256"] == file_sha256(path)
        row = rows[model["name"]]
        assert row["temperature"] == about.confidence.temperature
        assert row["selection"]["precision"] >= 0.5
        shares = logits_of(path, model["format"], RAW, tmp_path, output_index=1)
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
        assert len(predicted[model["name"]]["calibrated"]) == report["dataset"]["test"]
    assert [gate["name"] for gate in report["gates"]] == ["calibrated_ece"]
    page = (results / "report.html").read_text()
    assert ">Confidence</h2>" in page
    before = {p.name: p.stat().st_size for p in (finished.out / "tiny" / "models").iterdir()}
    after = {p.name: p.stat().st_size for p in (results / "models").iterdir()}
    models = [name for name in after if not name.endswith(".json")]
    assert len(models) == 3
    assert all(after[name] > before[name] for name in models)


def test_a_picture_below_the_threshold_is_unknown(tmp_path: Path) -> None:
    model = confident(delivered(tmp_path / "student.onnx"), threshold=0.5)
    red, grey = photo(tmp_path / "red" / "a.png", "red"), tmp_path / "red" / "b.png"
    Image.new("RGB", (9, 9), (90, 100, 90)).save(grey)
    classifier = Classifier(model)
    found = [classifier.predict(path) for path in (red, grey)]
    assert [one.unknown for one in found] == [False, True]
    expected = probabilities(found[0].logits[None], temperature=10.0)[0, 0]
    assert found[0].probability == pytest.approx(expected)
    of_class = confident(model, threshold=0.2, class_thresholds=[0.99, None, None])
    assert [Classifier(of_class).predict(path).unknown for path in (red, grey)] == [True, False]
    assert Classifier(confident(model)).predict(grey).unknown is None


def test_predict_counts_what_is_unknown(tmp_path: Path) -> None:
    model = confident(delivered(tmp_path / "student.onnx"), threshold=0.5)
    photo(tmp_path / "in" / "red" / "a.png", "red")
    Image.new("RGB", (9, 9), (90, 100, 90)).save(tmp_path / "in" / "red" / "b.png")
    argv = [str(model), str(tmp_path / "in"), "--csv", str(tmp_path / "out.csv")]
    table = CliRunner().invoke(predict, argv, standalone_mode=False).stdout
    assert "unknown 1 of 2 pictures" in table
    assert "precision 100.00 % (20.65 to 100.00) at a coverage of 50.00 %" in table
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert {Path(row["file"]).name: row["unknown"] for row in rows} == {
        "a.png": "no",
        "b.png": "yes",
    }
    done = CliRunner().invoke(predict, [*argv, "--json"], standalone_mode=False)
    document = json.loads(done.stdout)
    assert document["unknown"] == 1
    assert document["confidence"]["temperature"] == 10
    assert (document["accuracy"]["accepted"], document["accuracy"]["accepted_right"]) == (1, 1)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"temperature": 0}, "confidence.temperature"),
        ({"temperature": "NaN"}, "confidence.temperature"),
        ({"threshold": 1.5}, "confidence.threshold"),
        ({"class_thresholds": [0.5]}, "has 1 values for 3 classes"),
        ({"treshold": 0.5}, "confidence.treshold"),
    ],
)
def test_a_damaged_confidence_is_one_clear_error(
    tmp_path: Path, about: dict[str, object], message: str
) -> None:
    model = confident(delivered(tmp_path / "student.onnx"), **about)
    with pytest.raises(InputError, match=message):
        Classifier(model)


def test_a_sidecar_of_an_earlier_version_has_the_softmax_of_the_logits(tmp_path: Path) -> None:
    model = delivered(tmp_path / "student.onnx", classes=CLASSES)
    place = sidecar.path_of(model)
    content = json.loads(place.read_text())
    del content["confidence"]
    place.write_text(json.dumps(content))
    found = Classifier(model).predict(photo(tmp_path / "a.png", "red"))
    assert found.unknown is None
    assert found.probability == pytest.approx(
        probabilities(found.logits[None], temperature=1).max()
    )

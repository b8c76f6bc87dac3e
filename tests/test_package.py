"""`pipeline package`: a run as one file, the same every time, with nothing of the run's machine."""

import json
import os
import platform
import shutil
from pathlib import Path

import pytest
import yaml

from pipeline.cli.app import exit_code
from pipeline.reporting.schema.report import read
from targets import Classifier
from targets.bundle import contents, sbom
from targets.bundle.schema import Bundle
from targets.files.digest import file_sha256
from targets.formats import FORMATS, sidecar
from tests.receiver import packed, unpacked


@pytest.fixture(scope="module")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bundle")
    options = ("--version", "1.2.0", "--license", "Apache-2.0")
    return unpacked(packed(run, place / "out", *options), place / "unpacked")


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """The run, for a test that damages it."""
    return Path(shutil.copytree(run, tmp_path / "tiny"))


def contents_of(folder: Path) -> Bundle:
    return Bundle.model_validate_json((folder / "bundle.json").read_bytes())


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def failed(run: Path, *options: str, code: int, capsys: pytest.CaptureFixture[str]) -> str:
    """The error of a command that leaves nothing."""
    out = run.parent / "out"
    assert exit_code(["package", str(run), "--out", str(out), *options]) == code
    assert not list(out.glob("*"))
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    return error


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    first, second = packed(run, tmp_path / "a"), packed(run, tmp_path / "b")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_every_file_is_there_and_no_other(bundle: Path) -> None:
    found = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    students = [f"student.{p}.{f}" for p in ("float32", "int8") for f in ("tflite", "onnx")]
    assert found == {
        *(f"models/{name}{end}" for name in students for end in ("", ".json")),
        *(f"samples/{place:02d}.png" for place in range(16)),
        *(f"results/{name}" for name in ("report.json", "report.html", "provenance.json")),
        *("results/bench/local.json", "schema/bundle.json", "schema/sidecar.json"),
        *(f"snippets/{name}" for name in ("Classifier.kt", "classifier.h", "classifier.cpp")),
        *("README.md", "SHA256SUMS", "bundle.json", "labels.txt", "predict.py"),
        *("sbom.cdx.json", "provenance.intoto.json"),
    }


def test_the_teacher_comes_when_it_is_asked_for(run: Path, tmp_path: Path) -> None:
    folder = unpacked(packed(run, tmp_path / "out", "--teacher"), tmp_path / "unpacked")
    names = {model.name for model in contents_of(folder).models}
    assert {"teacher.float32.tflite", "teacher.float32.onnx"} < names


def test_a_model_has_its_own_digest_and_that_of_the_measured_file(bundle: Path, run: Path) -> None:
    for model in contents_of(bundle).models:
        path = bundle / model.file
        assert model.sha256 == file_sha256(path)
        assert model.measured_sha256 == file_sha256(run / model.file) != model.sha256
        described = sidecar.read(path)
        assert described is not None
        assert described.classes == ("across", "down", "slanted")


def test_the_classifier_gives_each_sample_the_class_that_the_run_recorded(bundle: Path) -> None:
    found = contents_of(bundle)
    assert {sample.label for sample in found.samples} == {"across", "down", "slanted"}
    for model in found.models:
        classifier = Classifier(bundle / model.file)
        for sample in found.samples:
            got = classifier.predict(bundle / sample.file)
            assert got.name == sample.predicted[model.file]
            assert got.top[0].probability - got.top[1].probability >= contents.MARGIN


def test_nothing_names_this_machine(bundle: Path, run: Path) -> None:
    """The paths of the data, of the command and of the user's home; the host's name as an id."""
    forbidden = [str(run.parent), str(Path.home()), os.environ["PIPELINE_CACHE"]]
    recipe = read(run / "report.json").recipe
    assert isinstance(recipe["dataset"], dict)
    forbidden.append(str(Path(str(recipe["dataset"]["path"])).parent))
    for path in bundle.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".html", ".md", ".txt"):
            text = path.read_text(encoding="utf-8")
            assert [word for word in forbidden if word in text] == [], path
            assert f'"id": {json.dumps(platform.node())}' not in text, path
    assert read(bundle / "results" / "report.json").environment.devices["local"]["id"] == "local"


def test_the_card_has_a_block_of_metadata_and_the_figures_of_the_report(
    bundle: Path, run: Path
) -> None:
    text = (bundle / "README.md").read_text(encoding="utf-8")
    _, block, body = text.split("---\n", 2)
    card = yaml.safe_load(block)
    assert card["license"] == "apache-2.0"  # as Hugging Face spells it
    assert card["pipeline_tag"] == "image-classification"
    rows = {row.name: row for row in read(run / "report.json").models}
    for result in card["model-index"][0]["results"]:
        top1 = rows[result["task"]["name"]].top1
        assert top1 is not None
        assert result["metrics"][0]["value"] == pytest.approx(top1, abs=1e-6)
    for name, row in rows.items():
        assert f"| {name} | {100 * (row.top1 or 0):.2f} |" in body
        assert f"{row.size_bytes / 1000:,.1f} kB" in body
    assert "energy was not measured" in body


def test_no_license_is_made_up(run: Path, tmp_path: Path) -> None:
    folder = unpacked(packed(run, tmp_path / "out"), tmp_path / "unpacked")
    assert "license" not in (folder / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    parts = json.loads((folder / sbom.FILE).read_text(encoding="utf-8"))
    assert "licenses" not in parts["metadata"]["component"]


def test_the_bill_of_materials_lists_models_data_and_libraries(bundle: Path) -> None:
    text = (bundle / sbom.FILE).read_text(encoding="utf-8")
    parts = json.loads(text)
    by_type: dict[str, list[dict[str, object]]] = {}
    for part in parts["components"]:
        by_type.setdefault(part["type"], []).append(part)
    hashes = {part["name"]: part["hashes"] for part in by_type["machine-learning-model"]}
    assert hashes == {
        model.file: [{"alg": "SHA-256", "content": model.sha256}]
        for model in contents_of(bundle).models
    }
    assert [part["name"] for part in by_type["data"]] == ["stripes"]
    assert {"edge-distill", "tensorflow", "numpy"} <= {p["name"] for p in by_type["library"]}


def test_the_bill_of_materials_is_valid(bundle: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (bundle / sbom.FILE).read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_provenance_is_an_in_toto_statement_of_the_model_files(bundle: Path) -> None:
    statement = json.loads((bundle / "provenance.intoto.json").read_text(encoding="utf-8"))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    assert subjects == {model.file: model.sha256 for model in contents_of(bundle).models}
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["recipe"]["name"] == "tiny"
    assert definition["externalParameters"]["recipe"]["dataset"]["path"] == "stripes.npz"
    stages = [one["name"] for one in statement["predicate"]["runDetails"]["byproducts"]]
    assert stages[:5] == [
        f"stage:{s}" for s in ("teacher", "logits", "distill", "quantize", "convert")
    ]


def test_the_schemas_describe_the_documents(bundle: Path) -> None:
    document = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    schema = json.loads((bundle / "schema" / "bundle.json").read_text(encoding="utf-8"))
    assert set(document) == set(schema["properties"])
    described = json.loads((bundle / "models" / "student.int8.onnx.json").read_text("utf-8"))
    schema = json.loads((bundle / "schema" / "sidecar.json").read_text(encoding="utf-8"))
    assert set(described) <= set(schema["properties"])
    assert set(schema["required"]) <= set(described)


def test_the_command_prints_one_document(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = [packed(run, tmp_path, "--json", "--samples", "3", "--version", "7")]
    document = json.loads(capsys.readouterr().out)
    assert document["file"] == str(file) == str(tmp_path / "tiny-7.zip")
    assert document["sha256"] == file_sha256(file)
    assert len(document["bundle"]["samples"]) == 3


def test_a_file_that_metadata_change_is_not_packed(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = copy / "models" / "student.int8.tflite"
    monkeypatch.setattr(
        FORMATS["tflite"], "stamp", lambda path, to, *, metadata: shutil.copyfile(other, to)
    )
    assert "gives other logits than" in failed(copy, code=1, capsys=capsys)


def test_a_class_that_the_run_did_not_record_is_not_packed(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(
        copy / "samples" / "samples.json", '"student.int8.onnx": "down"', '"student.int8.onnx": "x"'
    )
    assert "the run recorded x" in failed(copy, code=1, capsys=capsys)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("report.json", "no finished run there"),
        ("provenance.json", "provenance.json: No such file"),
        ("report.html", "report.html: cannot be read: No such file"),
        ("samples/samples.json", "run the recipe again, with bench.enabled = true"),
        ("samples/03.png", "03.png: cannot be read"),
        ("models/student.int8.onnx", "student.int8.onnx: is missing"),
        ("models/student.int8.onnx.json", "student.int8.onnx.json: is missing"),
    ],
)
def test_what_is_missing_is_named(
    copy: Path, path: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / path).unlink()
    assert why in failed(copy, code=2, capsys=capsys)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("provenance.json", "no provenance of a run"),
        ("samples/samples.json", "no samples/1 document"),
        ("samples/03.png", "03.png: cannot be read"),
        ("models/student.int8.onnx", "not the file that was measured"),
        ("models/student.int8.onnx.json", "not a model-sidecar/1 document"),
        ("bench/local.json", "local.json: is not JSON"),
        ("report.html", "report.html: cannot be read: is no UTF-8"),
    ],
)
def test_what_is_damaged_is_named(
    copy: Path, path: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / path).write_bytes(b"\xff" if path.endswith(".html") else b"\0damaged")
    assert why in failed(copy, code=2, capsys=capsys)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"file": "models/student.int8.onnx"', '"file": "../../student.int8.onnx"'),
        ('"name": "student.int8.onnx"', '"name": "../student"'),
        ('"name": "tiny"', '"name": "../../tiny"'),
        ('"created_utc": "', '"created_utc": "yesterday '),
    ],
)
def test_a_report_that_leads_out_of_the_bundle_is_refused(
    copy: Path, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(copy / "report.json", old, new)
    assert "was changed after the run" in failed(copy, code=2, capsys=capsys)


def test_a_run_without_samples_says_why(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = {"schema": "samples/1", "samples": []}
    (copy / "samples" / "samples.json").write_text(json.dumps(content))
    assert "samples: has no sample" in failed(copy, code=2, capsys=capsys)


def test_the_address_of_mlflow_stays_with_the_maker(copy: Path, tmp_path: Path) -> None:
    report = json.loads((copy / "report.json").read_text(encoding="utf-8"))
    report["recipe"]["tracking"] = {"mlflow": "http://mlflow.corp:5000"}
    (copy / "report.json").write_text(json.dumps(report), encoding="utf-8")
    folder = unpacked(packed(copy, tmp_path / "out"), tmp_path / "unpacked")
    for path in folder.rglob("*"):
        assert not path.is_file() or b"mlflow.corp" not in path.read_bytes(), path


def test_the_bundle_of_this_folder_is_beside_it(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy)
    assert exit_code(["package", ".", "--version", "7"]) == 0
    assert (copy.parent / "tiny-7.zip").is_file()
    assert not list(copy.glob("*.zip"))


def test_a_run_without_measurements_says_what_it_needs(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads((copy / "report.json").read_text(encoding="utf-8"))
    for row in report["models"]:
        row["top1"] = None
    (copy / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert "bench.enabled = true" in failed(copy, code=2, capsys=capsys)


def test_a_run_without_a_recommendation_says_why(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads((copy / "report.json").read_text(encoding="utf-8"))
    report["recommended"][0] |= {"smallest": None, "fastest": None, "reason": "none is better"}
    (copy / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert "none is better" in failed(copy, code=2, capsys=capsys)


@pytest.mark.parametrize("version", ["", "../1", "1 2", "-1", "1\n"])
def test_a_version_that_is_no_name_is_refused(
    copy: Path, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--version" in failed(copy, "--version", version, code=2, capsys=capsys)

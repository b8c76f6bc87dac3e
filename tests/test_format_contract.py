"""Every format keeps the contract, for every precision that it can hold; so does one of tests."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from pipeline.export.exporter import Exporter, Logits, Network, ProvedFile, Refused, SampleSets
from pipeline.quantization.float_layers import keep_float
from targets.bench.plan import logits_of
from targets.errors import InputError
from targets.formats import FORMATS
from targets.formats.contract import Format, ServingFunction
from targets.formats.precisions import PRECISIONS, Precision
from targets.runtimes import RUNTIMES
from targets.untyped import KerasModel
from tests.conftest import Lane
from tests.formats import OtherNetwork
from tests.test_convert_command import convert, saved  # noqa: F401 - a fixture
from tests.test_precisions import IMAGES, SPEC, network
from tests.toys import format as toy_format

Export = Callable[[str, str], ProvedFile | Refused]
HELD = [(name, precision) for name in FORMATS for precision in FORMATS[name].precisions]


@pytest.fixture
def toy() -> Iterator[None]:
    with FORMATS.added("toy", toy_format), RUNTIMES.added("toy", toy_format.RUNTIME):
        yield


def of_model(
    model: KerasModel, role: str, operators: dict[str, frozenset[str]] | None = None
) -> Network:
    from pipeline.training.inference import make_predict

    function = ServingFunction(
        input=SPEC, call=lambda image: model(image, training=False), float_layers=operators or {}
    )
    return Network(
        name="student",
        role=role,
        function=lambda precision, file: function,
        logits=make_predict(model, SPEC),
    )


@pytest.fixture(scope="module")
def networks() -> Callable[[Precision], Network]:
    from pipeline.quantization.qat import QuantizedNetwork

    quantized = QuantizedNetwork(network("mobilenet_v1"), SPEC)
    quantized.calibrate(IMAGES)
    partly = QuantizedNetwork(network("mobilenet_v1"), SPEC)
    partly.calibrate(IMAGES)
    operators = keep_float(partly.model, ["block1_depthwise_conv"])
    aware = of_model(quantized.model, "student_qat")
    found = {"int8": aware, "mixed": of_model(partly.model, "student_qat", operators)}
    plain = of_model(network("mobilenet_v1"), "student")
    return lambda precision: found.get(precision.name, plain)


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    folder = tmp_path_factory.mktemp("contract")
    (folder / "scratch").mkdir()
    return Exporter(
        folder=folder,
        scratch=folder / "scratch",
        samples=SampleSets(calibration=IMAGES, comparison=IMAGES[:64], pair=lambda: IMAGES[64:128]),
        say=lambda text: None,
    )


@pytest.mark.parametrize("name", [*FORMATS, "toy"])
def test_a_format_is_described(name: str, toy: None) -> None:
    plugin = FORMATS[name]
    assert isinstance(plugin, Format)
    assert plugin.name == name
    assert plugin.precisions
    assert set(plugin.precisions) <= set(PRECISIONS)
    assert all(metadata.version(distribution) for distribution in plugin.distributions)


def test_every_precision_is_held_by_a_format() -> None:
    assert {precision for _, precision in HELD} == set(PRECISIONS)
    assert [p.name for p in PRECISIONS.values() if not p.remedy] == ["float32"]


@pytest.mark.parametrize(("name", "precision"), [*HELD, ("toy", "float32"), ("toy", "int8_ptq")])
def test_a_file_holds_its_precision_and_gives_the_labels_of_its_network(
    name: str,
    precision: str,
    exporter: Exporter,
    networks: Callable[[Precision], Network],
    tmp_path: Path,
    toy: None,
) -> None:
    asked, plugin = PRECISIONS[precision], FORMATS[name]
    file = exporter.export(networks(asked), name, precision)
    assert isinstance(file, ProvedFile)
    path = exporter.folder / f"student.{precision}.{name}"
    found = plugin.inspect(path)
    assert (found.float_ops == 0) == (asked.integer and asked.chosen)
    assert bool(found.int8_ops) == asked.int8
    outputs = logits_of(path, name, IMAGES, tmp_path)
    expected = networks(asked).logits(IMAGES)
    assert np.mean(outputs.argmax(1) == expected.argmax(1)) >= (1 if asked.exact else 0.95)
    assert plugin.external_files(path) == ()
    assert plugin.saturating_products(path) == ()
    if file.source is not None:
        assert FORMATS[file.source.format].inspect(file.source.path) == found
        assert file.scales
        assert all(row.equal for row in file.scales)


@pytest.mark.parametrize("name", [name for name, precision in HELD if precision == "float32"])
def test_a_file_of_another_network_is_refused_and_not_kept(
    name: str, exporter: Exporter, networks: Callable[[Precision], Network], tmp_path: Path
) -> None:
    right = networks(PRECISIONS["float32"])
    wrong = replace(right, name="wrong", logits=lambda raw: 1 - right.logits(raw))
    file = exporter.export(wrong, name, "float32")
    assert isinstance(file, Refused)
    assert "differs from the network it was made from" in str(file.error)
    assert not (exporter.folder / f"wrong.float32.{name}").exists()


@pytest.mark.parametrize(("name", "precision"), [h for h in HELD if PRECISIONS[h[1]].calibrated])
def test_too_few_samples_are_an_input_error(
    name: str, precision: str, networks: Callable[[Precision], Network], tmp_path: Path
) -> None:
    few = SampleSets(calibration=IMAGES[:10], comparison=IMAGES, pair=lambda: IMAGES)
    exporter = Exporter(folder=tmp_path, scratch=tmp_path, samples=few, say=lambda text: None)
    with pytest.raises(InputError, match="10 samples are too few to calibrate"):
        exporter.export(networks(PRECISIONS[precision]), name, precision)


def test_each_file_runs_once_over_each_set_of_samples(
    networks: Callable[[Precision], Network], tmp_path: Path
) -> None:
    runs: list[str] = []

    def answers(path: Path, file_format: str, raw: np.ndarray, scratch: Path) -> Logits:  # type: ignore[type-arg]
        runs.append(path.name)
        return plain.logits(raw)

    plain = networks(PRECISIONS["int8_ptq"])
    same = SampleSets(calibration=IMAGES, comparison=IMAGES, pair=lambda: IMAGES)
    exporter = Exporter(
        folder=tmp_path, scratch=tmp_path, samples=same, say=lambda text: None, run_model=answers
    )
    for name in FORMATS:
        assert isinstance(exporter.export(plain, name, "int8_ptq"), ProvedFile)
    assert runs == [f"student.int8_ptq.{name}" for name in FORMATS]


def test_a_format_that_others_bring_is_converted_to(
    saved: Path,  # noqa: F811
    tmp_path: Path,
    toy: None,
) -> None:
    document = convert(
        saved / "mine.keras", tmp_path / "out", targets=("toy",), data=saved / "images.npz"
    )
    assert [file["name"] for file in document["files"]] == [
        "mine.float32.toy", "mine.int8_ptq.toy",
    ]  # fmt: skip
    assert [file["float_ops"] == 0 for file in document["files"]] == [False, True]
    with pytest.raises(InputError, match="toy cannot hold it; it can hold float32, int8_ptq"):
        convert(saved / "mine.keras", tmp_path, targets=("toy",), precisions=("float16",))


def test_a_format_that_others_bring_goes_through_the_whole_run(lane: Lane, toy: None) -> None:
    results, _ = lane.run(
        ("convert.targets", ["toy"]), ("convert.precisions", ["float32", "int8_ptq"])
    )
    report = json.loads((results / "report.json").read_text())
    assert {row["name"] for row in report["models"]} == {
        "teacher.float32.toy", "student.float32.toy", "student.int8_ptq.toy",
    }  # fmt: skip
    assert all(row["median_ns"] and row["top1"] is not None for row in report["models"])
    assert {row["format"] for row in report["parity"]} == {"toy"}


def test_the_remedy_of_a_precision_follows_its_refusal(
    saved: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    asked = {"data": saved / "images.npz", "precisions": ("float32", "int16x8")}
    with OtherNetwork("int16x8").offered():
        document = convert(saved / "mine.keras", tmp_path / "out", **asked)
    assert document["files"][1]["reason"].endswith(PRECISIONS["int16x8"].remedy)

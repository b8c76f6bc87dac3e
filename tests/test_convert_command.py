"""A classifier that is there already is converted with the same proofs, or refused."""

import json
import re
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.engine.progress import SilentConsole
from pipeline.export import conversion
from pipeline.export.options import ConvertOptions
from pipeline.teachers.loading import load_network
from targets import Classifier
from targets.bench.plan import logits_of
from targets.errors import InputError, ProofError
from targets.formats.tflite import inspect as inspect_tflite
from tests.conftest import THREADS, Command
from tests.formats import OtherNetwork

IMAGES = np.random.default_rng(0).integers(9, 240, (256, 8, 8), np.uint8)
SCALE, OFFSET = 1 / 127.5, -1.0
CLASSES = ("crow", "magpie", "rook")


def classifier(library: Any) -> Any:
    """A small network of `tf_keras` or Keras 3 with softmax, as many have it."""
    layers = library.layers
    library.utils.set_random_seed(0)
    image = library.Input((8, 8, 1))
    x = layers.ZeroPadding2D(1)(image)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="conv")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    return library.Model(image, layers.Dense(3, activation="softmax", name="scores")(x))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras
    import tf_keras

    folder = tmp_path_factory.mktemp("saved")
    model = classifier(tf_keras)
    model.save(folder / "mine.keras")
    with pytest.warns(UserWarning, match="HDF5"):
        model.save(folder / "mine.h5")
    model.save(folder / "mine_saved")
    classifier(keras).save(folder / "keras3.keras")
    classifier(keras).export(folder / "keras3_saved", verbose=False)
    np.savez(folder / "images.npz", images=IMAGES, labels=np.arange(256) % 3, classes=CLASSES)
    np.savez(folder / "few.npz", images=IMAGES[1:])
    np.savez(folder / "float.npz", images=IMAGES / 255)
    np.savez(folder / "large.npz", images=np.zeros((300, 9, 9), np.uint8))
    np.savez(folder / "classes.npz", images=IMAGES, labels=np.arange(256) % 4)
    np.savez(folder / "unnamed.npz", IMAGES)
    return folder


def options(model: Path, out: Path, **changes: Any) -> ConvertOptions:
    asked = {
        "targets": ("tflite",), "precisions": (), "data": None, "scale": SCALE, "offset": OFFSET,
    }  # fmt: skip
    return ConvertOptions(model=model, out=out, threads=THREADS, **{**asked, **changes})


def with_sidecars(names: Iterable[str]) -> set[str]:
    return {name + end for name in names for end in ("", ".json")}


def convert(model: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return conversion.convert(options(model, out, **changes), console=SilentConsole()).json_tree()


def test_files_take_raw_pixels_and_are_what_the_network_is(saved: Path, tmp_path: Path) -> None:
    out, data = tmp_path / "out", saved / "images.npz"
    document = convert(saved / "mine.keras", out, targets=("tflite", "onnx"), data=data)
    assert json.loads((out / "convert.json").read_text()) == json.loads(json.dumps(document))
    names = [file["name"] for file in document["files"]]
    assert names == [f"mine.{p}.{t}" for t in ("tflite", "onnx") for p in ("float32", "int8_ptq")]
    assert {path.name for path in (out / "models").iterdir()} == with_sidecars(names)
    expected = load_network(saved / "mine.keras")(
        IMAGES[..., np.newaxis].astype(np.float32) * np.float32(SCALE) + OFFSET
    )
    raw = IMAGES[..., np.newaxis]
    for file in document["files"]:
        actual = logits_of(out / file["file"], file["format"], raw, tmp_path)
        difference = np.abs(actual - expected).max()
        assert difference == pytest.approx(file["max_abs_diff"], abs=1e-6)
        assert difference <= (1e-4 if file["precision"] == "float32" else 0.05)
        assert file["agreement"] >= (1.0 if file["precision"] == "float32" else 0.95)
        assert file["top1"] is not None
    int8 = {f["format"]: f for f in document["files"] if f["precision"] == "int8_ptq"}
    assert int8["tflite"]["float_ops"] == int8["onnx"]["float_ops"] == 0
    assert {row["equal"] for row in int8["onnx"]["scales"]} == {True}
    assert inspect_tflite.inspect(out / int8["tflite"]["file"]).input_dtype == "UINT8"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mine.h5", "tf_keras"),
        ("mine_saved", "saved_model"),
        ("keras3.keras", "keras"),
        ("keras3_saved", "saved_model"),
    ],
)
def test_every_kind_of_file_is_converted(saved: Path, tmp_path: Path, name: str, kind: str) -> None:
    document = convert(saved / name, tmp_path / "out")
    assert document["model"]["kind"] == kind
    assert document["files"][0]["agreement"] == 1.0
    assert document["compared_on"]["what"].startswith("seeded uniform uint8 noise")


def test_the_command_gives_the_same_bytes_in_every_process(
    command: Command, saved: Path, tmp_path: Path
) -> None:
    argv = [
        "convert", str(saved / "keras3_saved"), "--data", str(saved / "images.npz"),
        "--target", "tflite", "--target", "onnx", "--precision", "int8_ptq",
        "--scale", "0.5", "--json",
    ]  # fmt: skip
    first, second = (command(*argv) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert len(json.loads(first.stdout)["files"]) == 2
    assert (tmp_path / "converted" / "keras3_saved" / "convert.json").is_file()


def test_a_recurrent_network_is_converted_for_one_sample(tmp_path: Path) -> None:
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = [tf_keras.layers.LSTM(4), tf_keras.layers.Dense(3, name="scores")]
    tf_keras.Sequential([tf_keras.layers.Input((8, 8)), *layers]).save(tmp_path / "rows.keras")
    document = convert(tmp_path / "rows.keras", tmp_path / "out", targets=("tflite", "onnx"))
    assert [file["agreement"] for file in document["files"]] == [1.0, 1.0]
    np.savez(tmp_path / "rows.npz", images=IMAGES)
    asked = {"data": tmp_path / "rows.npz", "precisions": ("int8_ptq",)}
    with pytest.raises(ProofError, match=r"(?s)nothing is published.*holds a loop"):
        convert(tmp_path / "rows.keras", tmp_path / "out", **asked)
    assert (tmp_path / "out" / "convert.json").is_file()  # the first result is still there


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": ("tflit",)}, "--target: unknown target 'tflit'; did you mean 'tflite'"),
        ({"precisions": ("int7",)}, "--precision: unknown precision 'int7'"),
        (
            {"precisions": ("float16",), "targets": ("onnx",)},
            "onnx cannot hold it; it can hold float32, dynamic, int8, int8_ptq. ",
        ),
        ({"precisions": ("int8",)}, "quantization-aware training"),
        ({"precisions": ("int8_ptq",)}, "needs --data"),
        ({"scale": 0.0}, "scale above 0"),
        ({"offset": float("nan")}, "must be numbers"),
        ({"data": "few.npz"}, "few.npz: 255 samples are too few"),
        ({"data": "few.npz"}, "go without calibration: --precision float32"),
        ({"data": "float.npz"}, "must be uint8"),
        ({"data": "large.npz"}, "[samples, 8, 8, 1]"),
        ({"data": "classes.npz"}, "the network has 3 classes"),
        ({"data": "unnamed.npz"}, "no array 'images'"),
        ({"data": "mine.keras"}, "no array 'images'"),
        ({"data": "nowhere.npz"}, "not a file"),
    ],
)
def test_wrong_options_are_an_error_and_write_nothing(
    saved: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    if "data" in changes:
        changes = {**changes, "data": saved / changes["data"]}
    with pytest.raises(InputError) as error:
        convert(saved / "mine.keras", tmp_path / "out", **changes)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def with_lambda(folder: Path) -> Path:
    import tf_keras

    layers = [tf_keras.layers.Input((3,)), tf_keras.layers.Lambda(lambda x: x * 2, name="double")]
    tf_keras.Sequential(layers).save(folder / "x.keras")
    return folder / "x.keras"


def with_module(folder: Path) -> Path:
    """A configuration that names a function of another module, which tf_keras would import."""
    return changed(folder, '"module": "keras.layers", "class_name": "Flatten"',
                   '"module": "antigravity", "class_name": "Flatten"')  # fmt: skip


def with_custom_layer(folder: Path) -> Path:
    return changed(folder, '"class_name": "Flatten"', '"class_name": "Twice", "module": "mine"')


def changed(folder: Path, old: str, new: str) -> Path:
    import tf_keras

    classifier(tf_keras).save(folder / "good.keras")
    with (
        zipfile.ZipFile(folder / "good.keras") as good,
        zipfile.ZipFile(folder / "x.keras", "w") as bad,
    ):
        for name in good.namelist():
            content = good.read(name)
            if name == "config.json":
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode())
            bad.writestr(name, content)
    return folder / "x.keras"


def with_python(folder: Path) -> Path:
    import tensorflow as tf

    class Network(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
        def serve(self, x: Any) -> Any:
            return tf.numpy_function(np.tanh, [x], tf.float32)

    tf.saved_model.save(Network(), str(folder / "x"))
    return folder / "x"


def with_a_harmless_zip_behind_it(folder: Path) -> Path:
    """HDF5 to the loader, by its name; a zip to who looks for one first."""
    import h5py

    kind = {"class_name": "Lambda", "module": "keras.layers", "config": {"name": "double"}}
    with h5py.File(folder / "x.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Sequential", "module": "keras", "config": {"layers": [kind]}}
        )
    with zipfile.ZipFile(folder / "x.h5", "a") as harmless:
        harmless.writestr("metadata.json", json.dumps({"keras_version": "2.21.0"}))
        harmless.writestr("config.json", json.dumps({}))
    return folder / "x.h5"


def with_two_inputs(folder: Path) -> Path:
    import tf_keras

    inputs = [tf_keras.Input((3,)), tf_keras.Input((3,))]
    tf_keras.Model(inputs, tf_keras.layers.Add()(inputs)).save(folder / "x.keras")
    return folder / "x.keras"


def with_weights_only(folder: Path) -> Path:
    import tf_keras

    classifier(tf_keras).save_weights(folder / "x.h5")
    return folder / "x.h5"


def with_an_image_as_output(folder: Path) -> Path:
    import tf_keras

    tf_keras.Sequential([tf_keras.layers.Input((8, 8, 1)), tf_keras.layers.ReLU()]).save(
        folder / "x.keras"
    )
    return folder / "x.keras"


def with_text(folder: Path) -> Path:
    (folder / "x.keras").write_text("weights")
    return folder / "x.keras"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_lambda, "layer 'double' is a Lambda"),
        (with_module, "'flatten' is a custom Flatten of antigravity"),
        (with_custom_layer, "is a custom Twice of mine"),
        (with_a_harmless_zip_behind_it, "layer 'double' is a Lambda"),
        (with_python, "operator PyFunc in __inference_serve"),
        (with_two_inputs, "has 2 inputs"),
        (with_weights_only, "holds weights only"),
        (with_an_image_as_output, "no classifier"),
        (with_text, "neither a .keras nor a .h5 file"),
        (lambda folder: folder / "nowhere.keras", "not there"),
    ],
)
def test_a_file_that_holds_code_or_no_classifier_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    import sys

    with pytest.raises(InputError) as error:
        load_network(make(tmp_path))
    assert message in str(error.value)
    assert "antigravity" not in sys.modules


def test_a_mistake_is_one_paragraph_and_exit_2(command: Command, tmp_path: Path) -> None:
    done = command("convert", "nowhere.keras")
    assert done.returncode == 2
    assert "Error: model nowhere.keras: not there" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_not_replaced(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="it would be replaced"):
        convert(saved / "mine.keras", tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_a_converted_file_predicts_the_shares_of_its_network(saved: Path, tmp_path: Path) -> None:
    """By its sidecar: the outputs are probabilities already, and the classes have names."""
    convert(saved / "mine.keras", tmp_path / "out", data=saved / "images.npz")
    raw = IMAGES[:4, ..., np.newaxis]
    network = load_network(saved / "mine.keras")
    expected = np.asarray(network(raw.astype(np.float32) * np.float32(SCALE) + OFFSET))
    for precision, tolerance in (("float32", 1e-5), ("int8_ptq", 0.05)):
        classifier = Classifier(tmp_path / "out" / "models" / f"mine.{precision}.tflite")
        for image, shares in zip(raw, expected, strict=True):
            found = {one.name: one.probability for one in classifier.predict(image).top}
            wanted = dict(zip(CLASSES, shares, strict=True))
            assert found == pytest.approx(wanted, abs=tolerance)


def test_where_no_file_is_proved_nothing_is_published(saved: Path, tmp_path: Path) -> None:
    with (
        OtherNetwork("float32").offered(),
        pytest.raises(ProofError, match=r"mine\.float32\.tflite: differs from the network"),
    ):
        convert(saved / "mine.keras", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_proved_takes_no_other_with_it(saved: Path, tmp_path: Path) -> None:
    wrong, out = OtherNetwork("int8_ptq"), tmp_path / "out"
    asked = {"targets": ("onnx", "tflite"), "data": saved / "images.npz"}
    with wrong.offered():
        document = convert(saved / "mine.keras", out, **asked)
    proved = {file["name"] for file in document["files"] if file["file"]}
    assert proved == {"mine.float32.tflite", "mine.float32.onnx"}
    assert {path.name for path in (out / "models").iterdir()} == with_sidecars(proved)
    reasons = {file["name"]: file["reason"] for file in document["files"] if not file["file"]}
    assert "mine.int8_ptq.tflite: differs" in reasons["mine.int8_ptq.tflite"]
    assert "is made from mine.int8_ptq.tflite, which is refused" in reasons["mine.int8_ptq.onnx"]
    assert wrong.calls == ["mine.int8_ptq.tflite"]
    assert json.loads((out / "convert.json").read_text())["files"] == document["files"]


def test_the_error_of_an_onnx_file_alone_names_the_file_that_it_is_made_from(
    saved: Path, tmp_path: Path
) -> None:
    wrong = OtherNetwork("int8_ptq", ProofError("mine.int8_ptq.tflite: its scales are wrong."))
    asked = {"targets": ("onnx",), "data": saved / "images.npz", "precisions": ("int8_ptq",)}
    with (
        wrong.offered(),
        pytest.raises(ProofError, match=r"mine\.int8_ptq\.onnx: .* and that failed: .* wrong"),
    ):
        convert(saved / "mine.keras", tmp_path / "out", **asked)


def test_the_command_names_each_refused_file_and_exits_1(command: Command, tmp_path: Path) -> None:
    """A recurrent network, whose ranges cannot be calibrated."""
    import tf_keras

    layers = [tf_keras.layers.Input((8, 8)), tf_keras.layers.LSTM(4), tf_keras.layers.Dense(3)]
    tf_keras.Sequential(layers).save(tmp_path / "rows.keras")
    np.savez(tmp_path / "rows.npz", images=IMAGES)
    done = command("convert", "rows.keras", "--data", "rows.npz")
    assert done.returncode == 1
    assert done.stderr.count("Error: ") == 1
    assert "Error: rows.int8_ptq.tflite: the network holds a loop" in done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:3]] == [
        ["rows.float32.tflite", kilobytes(tmp_path)],
        ["rows.int8_ptq.tflite", "refused"],
    ]


def kilobytes(folder: Path) -> str:
    size = (folder / "converted/rows/models/rows.float32.tflite").stat().st_size
    return f"{size / 1000:,.1f}"


def binary(folder: Path, *, scale: float) -> Path:
    """Bright or dark, by one sigmoid; one channel of the map is `scale` times what decides."""
    import tf_keras

    layers = [
        tf_keras.layers.Input((8, 8, 1)),
        tf_keras.layers.Conv2D(2, 1, activation="relu", name="maps"),
        tf_keras.layers.GlobalAveragePooling2D(),
        tf_keras.layers.Dense(1, activation="sigmoid", name="scores"),
    ]
    model = tf_keras.Sequential(layers)
    model.get_layer("maps").set_weights([np.array([[[[scale, 1]]]]), np.zeros(2)])
    model.get_layer("scores").set_weights([np.array([[0], [40]]), np.array([-20])])
    model.save(folder / "binary.keras")
    bright = np.arange(256) % 2 * 100
    np.savez(folder / "binary.npz", images=(bright[:, None, None] + IMAGES // 2).astype(np.uint8))
    return folder / "binary.keras"


def test_a_binary_network_that_int8_can_hold_is_converted(tmp_path: Path) -> None:
    document = convert(
        binary(tmp_path, scale=1), tmp_path / "out", data=tmp_path / "binary.npz", scale=1 / 255,
        offset=0.0, targets=("tflite", "onnx"),
    )  # fmt: skip
    assert document["model"]["classes"] == 2
    assert [file["agreement"] for file in document["files"]] == [1.0] * 4
    assert max(file["max_abs_diff"] for file in document["files"]) < 0.05


def test_a_binary_network_that_int8_cannot_hold_is_refused(tmp_path: Path) -> None:
    """The int8 file gives class 0 for all samples, because its one channel is too coarse."""
    document = convert(
        binary(tmp_path, scale=1000), tmp_path / "out", data=tmp_path / "binary.npz",
        scale=1 / 255, offset=0.0,
    )  # fmt: skip
    floats, int8 = document["files"]
    assert floats["file"]
    assert int8["file"] is None
    assert re.search(r"50\.00 % equal labels.*lost in .*scores.*int16x8", int8["reason"])

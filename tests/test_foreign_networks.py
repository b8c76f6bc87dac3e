"""Networks as people have them: each is converted as it is, or refused with cause and remedy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cli import app
from pipeline.datasets.splits import Dataset
from pipeline.export import result
from pipeline.recipe.schema import TeacherConfig
from pipeline.teachers import open_teacher
from pipeline.teachers.loading import load_network
from pipeline.teachers.networks.untrusted import refuse_code
from targets.bench.plan import logits_of
from targets.errors import InputError, ProofError
from targets.formats.tflite import inspect as inspect_tflite
from tests.conftest import Command
from tests.test_convert_command import convert

IMAGES = np.random.default_rng(0).integers(0, 256, (256, 8, 8, 1), np.uint8)
RAW = {"scale": 1.0, "offset": 0.0}
BOTH = ("float32", "int8_ptq")
NAMES = ("keras", "tf_keras")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, images=IMAGES)
    return path


def library(name: str) -> Any:
    import keras
    import tf_keras

    return {"keras": keras, "tf_keras": tf_keras}[name]


def layers_of(k: Any) -> list[Any]:
    """A small classifier of raw pixels, whose first layer rescales them."""
    k.utils.set_random_seed(0)
    return [
        k.layers.Rescaling(1 / 127.5, offset=-1.0),
        k.layers.Conv2D(4, 3, activation="relu"),
        k.layers.Flatten(),
        k.layers.Dense(3),
    ]


def classifier(k: Any, *, first: Any = (), **options: Any) -> Any:
    return k.Sequential([k.Input((8, 8, 1), **options), *first, *layers_of(k)])


def exported(model: Any, folder: Path) -> Path:
    """As Keras 3 writes a SavedModel."""
    model.export(folder, verbose=False)
    return folder


def signatures(folder: Path, made: dict[str, Any], module: Any = None) -> Path:
    """A SavedModel with these functions, each of its own `TensorSpec`."""
    import tensorflow as tf

    module = module or tf.Module()
    concrete = {
        name: tf.function(function, input_signature=[spec]).get_concrete_function()
        for name, (function, spec) in made.items()
    }
    module.kept = list(concrete.values())
    tf.saved_model.save(module, str(folder), signatures=concrete)
    return folder


def pixels(dtype: str = "float32", batch: int | None = None) -> Any:
    import tensorflow as tf

    return tf.TensorSpec([batch, 8, 8, 1], dtype, name="pixels")


def linear(images: Any) -> Any:
    import tensorflow as tf

    flat = tf.reshape(tf.cast(images, tf.float32), [-1, 64])
    return {"scores": flat @ (np.arange(192, dtype=np.float32).reshape(64, 3) % 7 - 3)}


def refused(call: Callable[[], Any], *parts: str) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


# Integer inputs


@pytest.mark.parametrize(
    ("name", "dtype", "suffix"),
    [
        ("keras", "uint8", ".keras"),
        ("tf_keras", "int32", ".keras"),
        ("tf_keras", "uint8", ".h5"),
        ("keras", "uint8", "_saved"),
    ],
)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_integer_input_is_given_raw_bytes_and_leaves_no_cast(
    tmp_path: Path, data: Path, name: str, dtype: str, suffix: str
) -> None:
    model = classifier(library(name), dtype=dtype)
    path = tmp_path / f"net{suffix}"
    exported(model, path) if suffix == "_saved" else model.save(path)
    document = convert(path, tmp_path / "out", data=data, **RAW)
    expected = np.asarray(model(IMAGES.astype(dtype)))
    for file in document["files"]:
        actual = logits_of(tmp_path / "out" / file["file"], "tflite", IMAGES, tmp_path)
        within = 1e-4 if file["precision"] == "float32" else 0.05
        assert np.abs(actual - expected).max() <= within * np.abs(expected).max()
    int8 = next(file for file in document["files"] if file["precision"] == "int8_ptq")
    assert int8["float_ops"] == 0
    assert inspect_tflite.inspect(tmp_path / "out" / int8["file"]).input_dtype == "UINT8"
    scaled = {"data": data, "scale": 1 / 255, "offset": 0.0}
    refused(lambda: convert(path, tmp_path / "other", **scaled), f"takes {dtype} pixels as they")


def test_a_network_that_calculates_with_integers_is_float32_only(
    tmp_path: Path, data: Path, stripes_data: Dataset
) -> None:
    halved = {"serving_default": (lambda image: linear(image // 2), pixels("int32"))}
    path = signatures(tmp_path / "halved", halved)
    document = convert(path, tmp_path / "out", data=data, precisions=("float32",), **RAW)
    assert document["files"][0]["agreement"] == 1.0
    with pytest.raises(ProofError, match="takes int32 and calculates with integers"):
        convert(path, tmp_path / "int8", data=data, precisions=("int8_ptq",), **RAW)


def test_a_teacher_with_an_integer_input_is_given_raw_bytes(
    tmp_path: Path, stripes_data: Dataset
) -> None:
    import tensorflow as tf

    wanted = tf.TensorSpec([None, 12, 12, 1], tf.uint8)

    def sums(images: Any) -> Any:
        return {"scores": tf.reduce_sum(tf.cast(images, tf.float32), axis=[1, 3])[:, :3]}

    path = signatures(tmp_path / "net", {"serving_default": (sums, wanted)})
    images = next(iter(stripes_data.splits.values())).images
    teacher = open_teacher(path, TeacherConfig(), stripes_data)
    expected = images.astype(np.float32).sum(axis=(1, 3))[:, :3]
    np.testing.assert_array_equal(teacher.logits(images), expected)
    assert not teacher.scalable
    refused(
        lambda: open_teacher(path, TeacherConfig(scale=1 / 255), stripes_data),
        "takes raw uint8 pixels; leave out teacher.scale",
    )


def test_a_type_that_cannot_hold_a_raw_pixel_is_refused(tmp_path: Path) -> None:
    path = signatures(tmp_path / "net", {"serving_default": (linear, pixels("int8"))})
    refused(lambda: load_network(path), "takes int8, which cannot hold raw pixels")


# Training mode


def assigning(folder: Path) -> Path:
    import tensorflow as tf

    module = tf.Module()
    module.count = tf.Variable(0.0)

    def serve(images: Any) -> Any:
        module.count.assign_add(1.0)
        return linear(images)

    return signatures(folder, {"serving_default": (serve, pixels())}, module)


def drawing(folder: Path) -> Path:
    import tensorflow as tf

    def serve(images: Any) -> Any:
        return linear(images + tf.random.uniform([8, 8, 1]))

    return signatures(folder, {"serving_default": (serve, pixels())})


def augmenting(folder: Path) -> Path:
    """What Keras 3 exports for a network with random layers."""
    k = library("keras")
    return exported(classifier(k, first=[k.layers.RandomFlip("horizontal")]), folder)


def dropping(folder: Path) -> Path:
    k = library("tf_keras")
    image = k.Input((8, 8, 1))
    flat = k.layers.Dropout(0.5)(k.layers.Flatten()(image), training=True)
    k.Model(image, k.layers.Dense(3)(flat)).save(folder.with_suffix(".keras"))
    return folder.with_suffix(".keras")


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (assigning, ("assigns its variables", "AssignAddVariableOp", "training=False")),
        (drawing, ("draws random numbers", "RandomUniform", "training=False")),
        (augmenting, ("assigns its variables", "random_flip", "Save the network as .kera")),
        (dropping, ("draws random numbers", "dropout", "without training=True")),
    ],
)
def test_a_network_in_training_mode_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], parts: tuple[str, ...]
) -> None:
    path = make(tmp_path / "net")
    refused(lambda: load_network(path), "gives other outputs in every call", *parts)


def test_a_random_number_that_reaches_no_output_is_not_minded(tmp_path: Path) -> None:
    import tensorflow as tf

    def serve(images: Any) -> Any:
        tf.random.uniform([])
        return linear(images)

    path = signatures(tmp_path / "net", {"serving_default": (serve, pixels())})
    assert convert(path, tmp_path / "out", **RAW)["files"][0]["agreement"] == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_augmentation_in_a_keras_file_is_left_out(tmp_path: Path, name: str) -> None:
    k = library(name)
    classifier(k, first=[k.layers.RandomFlip("horizontal")]).save(tmp_path / "net.keras")
    document = convert(tmp_path / "net.keras", tmp_path / "out", **RAW)
    assert document["files"][0]["agreement"] == 1.0


# Networks that fail when they run


def failing(images: Any) -> Any:
    import tensorflow as tf

    beyond = tf.where(tf.reduce_max(images) > 1.0, 9, 0)
    return {"scores": tf.gather(linear(images)["scores"], [beyond, 0], axis=1)}


def test_a_network_that_fails_when_run_is_refused(tmp_path: Path) -> None:
    path = signatures(tmp_path / "net", {"serving_default": (failing, pixels())})
    refused(lambda: convert(path, tmp_path / "out", **RAW), "cannot be run: indices[0] = 9 is not")


def test_a_teacher_that_fails_when_run_is_refused(tmp_path: Path, stripes_data: Dataset) -> None:
    import tensorflow as tf

    wanted = tf.TensorSpec([None, 12, 12, 1], tf.float32)

    def serve(images: Any) -> Any:
        return {
            "scores": tf.gather(images[:, :4, 0, 0], tf.cast(images[0, 0, :3, 0], tf.int32), axis=1)
        }

    path = signatures(tmp_path / "net", {"serving_default": (serve, wanted)})
    teacher = open_teacher(path, TeacherConfig(), stripes_data)
    refused(lambda: teacher.logits(np.full((4, 12, 12, 1), 99, np.uint8)), "cannot be run: indices")


def test_channels_first_is_named_where_the_processor_has_no_kernels(
    command: Command, tmp_path: Path
) -> None:
    k = library("keras")
    first = {"data_format": "channels_first"}
    net = [
        k.Input((1, 8, 8)),
        k.layers.Conv2D(4, 3, **first),
        k.layers.Flatten(),
        k.layers.Dense(3),
    ]
    k.Sequential(net).save(tmp_path / "net.keras")
    done = command("convert", "net.keras", env={"TF_ENABLE_ONEDNN_OPTS": "0"})
    assert done.returncode == 2
    assert "it is channels first (NCHW)" in done.stderr
    assert 'data_format="channels_last"' in done.stderr


# Signatures


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Encoded images by default, and pixels."""
    import tensorflow as tf

    def encoded(content: Any) -> Any:
        images = tf.map_fn(lambda one: tf.io.decode_raw(one, tf.uint8), content, tf.uint8)
        return linear(images)

    text = tf.TensorSpec([None], tf.string, name="content")
    made = {"serving_default": (encoded, text), "pixels": (linear, pixels())}
    return signatures(tmp_path_factory.mktemp("served") / "net", made)


def test_a_signature_of_text_is_refused_with_the_one_that_fits(
    served: Path, tmp_path: Path
) -> None:
    refused(
        lambda: convert(served, tmp_path / "out", **RAW),
        "'serving_default' (content: string [any]",
        "takes text, not numbers. Choose another with `convert --signature`, or save it as serving_"
        "default: 'pixels' (pixels: float32 [any, 8, 8, 1] -> scores: float32 [any, 3])",
    )  # fmt: skip
    refused(
        lambda: load_network(served, signature="pixel"),
        "unknown signature 'pixel'; did you mean 'pixels'?", "content: string [any]",
    )  # fmt: skip


def test_the_command_takes_a_signature(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, code in (("pixels", 0), ("text", 2)):
        argv = ["convert", str(served), "--signature", name, "--out", name, "--json"]
        assert app.exit_code(argv) == code
    words = capsys.readouterr()
    assert json.loads(words.out)["model"]["signature"] == "pixels"
    assert "Error: --signature: unknown signature 'text'" in words.err


def test_signatures_that_do_not_fit_are_described(tmp_path: Path) -> None:
    import tensorflow as tf

    def both(images: Any) -> Any:
        return {**linear(images), "label": tf.argmax(linear(images)["scores"], axis=1)}

    made = {"serving_default": (both, pixels()), "fixed": (linear, pixels(batch=32))}
    path = signatures(tmp_path / "net", made)
    refused(lambda: load_network(path), "has 2 outputs (", "label", "scores", "Save it with a sig")
    refused(lambda: load_network(path, signature="fixed"), "takes batches of 32 only")
    path = signatures(tmp_path / "several", {"a": (linear, pixels()), "b": (linear, pixels())})
    refused(
        lambda: load_network(path), "no signature serving_default. Choose one with `convert --sig"
    )


def test_only_a_saved_model_has_signatures(tmp_path: Path) -> None:
    classifier(library("keras")).save(tmp_path / "net.keras")
    refused(
        lambda: load_network(tmp_path / "net.keras", signature="serve"), "is no SavedModel folder"
    )


# Batch size and Input


@pytest.mark.parametrize(("name", "suffix"), [("keras", ".keras"), ("tf_keras", ".h5")])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_sequential_without_input_takes_any_batch(tmp_path: Path, name: str, suffix: str) -> None:
    model = library(name).Sequential(layers_of(library(name)))
    expected = np.asarray(model(IMAGES[:32].astype(np.float32)))
    model.save(tmp_path / f"net{suffix}")
    network = load_network(tmp_path / f"net{suffix}")
    assert network.batch is None
    for size in (1, 32):
        actual = np.asarray(network(IMAGES[:size].astype(np.float32)))
        np.testing.assert_allclose(actual, expected[:size], atol=1e-5)
    document = convert(tmp_path / f"net{suffix}", tmp_path / "out", **RAW)
    assert document["files"][0]["agreement"] == 1.0


def test_a_batch_size_that_the_network_calculates_with_stays_fixed(tmp_path: Path) -> None:
    import tensorflow as tf

    k = library("tf_keras")
    image = k.Input((8, 8, 1), batch_size=32)
    flat = tf.reshape(image, [32, 64]) - tf.reduce_mean(image)
    k.Model(image, k.layers.Dense(3)(flat)).save(tmp_path / "net.keras")
    refused(lambda: convert(tmp_path / "net.keras", tmp_path / "out", **RAW), "batches of 32 only")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_a_network_that_was_never_built_is_refused(tmp_path: Path, name: str) -> None:
    k = library(name)
    k.Sequential(layers_of(k)).save(tmp_path / "net.keras")
    refused(lambda: load_network(tmp_path / "net.keras"), "never built", "Input(shape)")


def test_inputs_and_outputs_are_named(tmp_path: Path) -> None:
    k = library("keras")
    image = k.Input((4,), name="image")
    ends = [k.layers.Dense(3, name=name)(image) for name in ("scores", "box")]
    k.Model(image, ends).save(tmp_path / "net.keras")
    refused(lambda: load_network(tmp_path / "net.keras"), "has 2 outputs (scores, box)")


def test_one_input_and_output_can_be_in_dictionaries(tmp_path: Path) -> None:
    k = library("keras")
    image = k.Input((8, 8, 1), name="image")
    scores = k.layers.Dense(3)(k.layers.Flatten()(image))
    k.Model({"image": image}, {"scores": scores}).save(tmp_path / "net.keras")
    document = convert(tmp_path / "net.keras", tmp_path / "out", **RAW)
    assert document["files"][0]["agreement"] == 1.0


# Mixed precision


@pytest.mark.parametrize(
    ("name", "policy"),
    [("keras", "mixed_float16"), ("keras", "mixed_bfloat16"), ("tf_keras", "mixed_float16")],
)
def test_mixed_precision_is_calculated_in_float32(
    tmp_path: Path, data: Path, name: str, policy: str
) -> None:
    k = library(name)
    setter = (
        k.mixed_precision.set_global_policy if name == "tf_keras" else k.config.set_dtype_policy
    )
    setter(policy)
    try:
        model = classifier(k)
    finally:
        setter("float32")
    model.save(tmp_path / "net.keras")
    plain = classifier(k)
    plain.set_weights(model.get_weights())
    network = load_network(tmp_path / "net.keras")
    real = IMAGES.astype(np.float32)
    np.testing.assert_allclose(np.asarray(network(real)), np.asarray(plain(real)), atol=1e-6)
    document = convert(tmp_path / "net.keras", tmp_path / "out", data=data, **RAW)
    assert len(document["files"]) == 2
    assert "mixed or double precision" in document["model"]["changes"][0]
    if name == "keras":
        refused(
            lambda: load_network(exported(model, tmp_path / "saved")), "(mixed precision)", "MatMul"
        )


def test_double_precision_is_calculated_in_float32(tmp_path: Path) -> None:
    k = library("keras")
    dense = k.layers.Dense(3, dtype="float64")
    k.Sequential([k.Input((8,), dtype="float64"), dense]).save(tmp_path / "net.keras")
    document = convert(tmp_path / "net.keras", tmp_path / "out", **RAW)
    assert "double precision" in document["model"]["changes"][0]


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_a_network_quantized_by_keras_is_refused(tmp_path: Path) -> None:
    model = classifier(library("keras"))
    model.quantize("int8")
    model.save(tmp_path / "net.keras")
    refused(lambda: load_network(tmp_path / "net.keras"), "was quantized by Keras", "float network")


def test_the_error_of_a_saved_model_of_tensorflow_1_shows_the_way(tmp_path: Path) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    weights = v1.constant_initializer(np.arange(192) % 7 - 3.0)
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 8, 8, 1])
        scores = tf.reshape(images, [-1, 64]) @ v1.get_variable("w", [64, 3], initializer=weights)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "1"), {"x": images}, {"y": scores})
    refused(lambda: load_network(tmp_path / "1"), "of TensorFlow 1", "signatures=m.signatures")
    again = tf.saved_model.load(str(tmp_path / "1"))
    tf.saved_model.save(again, str(tmp_path / "2"), signatures=again.signatures)
    assert convert(tmp_path / "2", tmp_path / "out", **RAW)["files"][0]["agreement"] == 1.0


# tfmot


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tensorflow_model_optimization as tfmot

    folder, k = tmp_path_factory.mktemp("wrapped"), library("tf_keras")

    def net() -> Any:
        layers = [k.layers.Conv2D(4, 3), k.layers.Flatten(), k.layers.Dense(3)]
        k.utils.set_random_seed(0)
        return k.Sequential([k.Input((8, 8, 1)), *layers])

    wrap = {
        "pruned": tfmot.sparsity.keras.prune_low_magnitude,
        "clustered": lambda model: tfmot.clustering.keras.cluster_weights(
            model, 4, tfmot.clustering.keras.CentroidInitialization.LINEAR
        ),
        "aware": tfmot.quantization.keras.quantize_model,
    }
    for name, made in wrap.items():
        model = made(net())
        expected = np.asarray(model(IMAGES.astype(np.float32), training=False))
        np.save(folder / f"{name}.npy", expected)
        model.save(folder / f"{name}.keras")
        with pytest.warns(UserWarning, match="HDF5"):
            model.save(folder / f"{name}.h5")
        if name == "aware":
            model.save(folder / name)
    return folder


@pytest.mark.parametrize("name", ["pruned.h5", "pruned.keras", "clustered.h5", "clustered.keras"])
def test_pruned_and_clustered_networks_are_stripped(
    wrapped: Path, tmp_path: Path, name: str
) -> None:
    network = load_network(wrapped / name)
    expected = np.load(wrapped / f"{Path(name).stem}.npy")
    actual = np.asarray(network(IMAGES.astype(np.float32)))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-3)
    document = convert(wrapped / name, tmp_path / "out", **RAW)
    assert document["files"][0]["agreement"] == 1.0
    assert "stripped" in document["model"]["changes"][0]


@pytest.mark.parametrize("name", ["aware.h5", "aware.keras", "aware"])
def test_a_quantization_aware_network_is_refused_with_the_way_out(wrapped: Path, name: str) -> None:
    refused(lambda: load_network(wrapped / name), "is quantization-aware", "before quantize_model")


def test_a_pruned_file_cannot_name_anything_else_of_tfmot() -> None:
    layer = {"class_name": "Dense", "module": "keras.layers", "config": {}}
    wrapper: dict[str, Any] = {
        "class_name": "PruneLowMagnitude",
        "config": {"layer": layer, "pruning_schedule": {"class_name": "K", "config": {}}},
    }
    refused(lambda: refuse_code(wrapper, Path("x.h5")), "its pruning schedule is a custom one")
    wrapper["config"]["pruning_schedule"]["class_name"] = "PolynomialDecay"
    refuse_code(wrapper, Path("x.h5"))
    wrapper["module"] = "tensorflow_model_optimization.elsewhere"
    refused(lambda: refuse_code(wrapper, Path("x.h5")), "with tfmot (PruneLowMagnitude)")


# Places


def test_files_of_one_stem_do_not_replace_each_other(tmp_path: Path) -> None:
    k = library("tf_keras")
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        classifier(k).save(tmp_path / place / "net.keras")
    out = tmp_path / "net"
    for _ in range(2):  # the same file again is replaced
        document = convert(tmp_path / "a" / "net.keras", out, **RAW)
    assert document["model"]["path"] == "../a/net.keras"
    kept = (out / result.NAME).read_text()
    another = signatures(tmp_path / "c", {"a": (linear, pixels()), "b": (linear, pixels())})
    convert(another, tmp_path / "saved", signature="a", **RAW)
    refused(lambda: convert(another, tmp_path / "saved", signature="b", **RAW), "c, signature a,")
    refused(
        lambda: convert(tmp_path / "b" / "net.keras", out, **RAW),
        f"conversion of another model, {tmp_path / 'a' / 'net.keras'}, which", "with --out",
    )  # fmt: skip
    assert (out / result.NAME).read_text() == kept


def test_the_saved_model_below_a_folder_is_named(tmp_path: Path) -> None:
    path = signatures(tmp_path / "net" / "1", {"serving_default": (linear, pixels())})
    refused(lambda: load_network(tmp_path / "net"), f"Give the one below it: {path}")


@pytest.mark.parametrize(
    ("name", "words"),
    [("net.pt", "torch.onnx.export"), ("net.onnx", "`pipeline bench`"), ("net.bin", "neither a")],
)
def test_the_error_of_other_files_shows_the_way(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(b"weights")
    refused(lambda: load_network(tmp_path / name), words)

"""Networks as people have them: each is converted as it is, or refused with cause and remedy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cli import app
from pipeline.export import result
from pipeline.teachers.loading import load_network
from tests.foreign import (
    IMAGES,
    NAMES,
    RAW,
    classifier,
    layers_of,
    library,
    linear,
    pixels,
    refused,
    signatures,
)
from tests.test_convert_command import convert

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

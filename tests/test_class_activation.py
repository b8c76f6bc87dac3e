"""Where the float student looked: maps that sum to its logits, on the pictures that flipped."""

import numpy as np
import pytest

from pipeline.engine.artifacts import Checkpoint
from pipeline.models.class_activation import activation_maps, with_last_features
from pipeline.models.network import NetworkSpec, build, save_weights
from pipeline.reporting.pages.activations import LEAST, MOST, activations, laid_over
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.flip import Flip, Prediction
from pipeline.reporting.schema.label_suspect import LabelSuspect
from pipeline.training.inference import make_features
from targets.formats.input_spec import image_input
from targets.untyped import KerasModel
from tests.reports import model_row, report

SIDE = 32


def spec(side: int = SIDE) -> NetworkSpec:
    settings = {"width_multiplier": 0.25}
    return NetworkSpec(
        role="student", family="mobilenet_v1", settings=settings, input=image_input(side, side, 3),
        classes=4,
    )  # fmt: skip


@pytest.fixture(scope="module")
def model() -> KerasModel:
    return build(spec())


@pytest.fixture(scope="module")
def student(model: KerasModel, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("student")
    made = Checkpoint(folder=folder, network=spec(), parameters=1, macs=1)
    save_weights(model, made.weights)
    return made


def images(count: int, side: int = SIDE) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def flips(count: int) -> list[Flip]:
    said = [Prediction(model=name, predicted="bag", confidence=0.5) for name in ("a", "b")]
    return [
        Flip(split="test", index=index, label="coat", before=said[0], after=said[1])
        for index in range(count)
    ]


def test_the_mean_of_a_map_is_the_logit_without_its_bias(model: KerasModel) -> None:
    both = with_last_features(model)
    assert both is not None
    features, logits = make_features(both, spec().input)(images(3))
    kernel, bias = model.layers[-1].get_weights()
    unscaled = np.einsum("nhwc,ck->nhwk", features, kernel).mean(axis=(1, 2)) + bias
    np.testing.assert_allclose(unscaled, logits, atol=1e-4)


def test_a_map_is_of_the_predicted_class_over_the_others_and_from_0_to_1() -> None:
    features = np.zeros((2, 2, 2, 2), np.float32)
    features[0, 0, 0] = (3, 0)
    features[0, 1, 1] = (1, 0)
    features[1, 0, 1] = (5, 0)
    logits = np.array([[2.0, 1.0], [1.0, 2.0]], np.float32)
    kernel = np.array([[-1.0, -3.0], [7.0, 7.0]], np.float32)
    found = activation_maps(lambda raw: [features, logits], np.zeros(2), kernel)
    np.testing.assert_allclose(found[0], np.array([[1.0, 0.0], [0.0, 1 / 3]]), atol=1e-6)
    assert not found[1].any()


def test_a_network_without_a_global_average_has_no_maps() -> None:
    from tf_keras import Model, layers

    image = layers.Input((8, 8, 3), name="image")
    flat = layers.Dense(4, name="logits")(layers.Flatten(name="flat")(image))
    assert with_last_features(Model(image, flat)) is None


def test_the_pictures_that_flipped_have_a_map_beside_them_and_a_bounded_number(
    student: Checkpoint,
) -> None:
    made = report([model_row("student.int8.tflite")], flips=flips(MOST + 5))
    found = activations(made, student, images(MOST + 5), threads=2)
    assert list(found) == [f"seen test:{index}" for index in range(MOST)]
    assert found == activations(made, student, images(MOST + 5), threads=2)
    page = render(made, {"test:0": "data:image/x,0", **found})
    assert page.count('alt="Where the float network looked"') == MOST
    # Labels to check are beside no words on maps.
    suspect = LabelSuspect(
        split="test", index=0, label="coat", predicted="bag", label_probability=0,
        predicted_probability=1,
    )  # fmt: skip
    page = render(made.model_copy(update={"label_suspects": (suspect,)}), found)
    assert page.count('alt="Where the float network looked"') == MOST
    assert "class-activation map" in page


def test_the_pictures_with_a_map_are_from_every_pair_of_networks(student: Checkpoint) -> None:
    first = flips(MOST)
    other = Prediction(model="c", predicted="boot", confidence=0.5)
    second = [
        flip.model_copy(update={"index": MOST + flip.index, "after": other}) for flip in first
    ]
    made = report([], flips=[*first, *second])
    found = activations(made, student, images(2 * MOST), threads=2)
    assert {f"seen test:{MOST - 1}", f"seen test:{2 * MOST - 1}"}.isdisjoint(found)
    assert len([key for key in found if int(key.split(":")[1]) >= MOST]) == MOST // 2


def test_small_pictures_and_other_data_have_no_map(student: Checkpoint) -> None:
    made = report([model_row("student.int8.tflite")], flips=flips(2))
    for test in (images(2, LEAST - 1), np.zeros((2, 40), np.uint8), np.zeros((2, 40, 40, 2))):
        assert activations(made, student, test.astype(np.uint8), threads=2) == {}
    assert activations(report([]), student, images(2), threads=2) == {}
    assert "class-activation map" not in render(made)


def test_the_colour_lies_where_the_map_is_high() -> None:
    grey = np.full((24, 24, 1), 100, np.uint8)
    half = np.zeros((6, 6), np.float32)
    half[:, 3:] = 1
    laid = laid_over(grey, half)
    assert laid.shape == (24, 24, 3)
    assert (laid[:, 0] == 100).all()
    assert laid[12, 23].tolist() == [184, 94, 40]

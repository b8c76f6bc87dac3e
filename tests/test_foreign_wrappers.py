"""Networks in the wrappers of tfmot: pruned, clustered, quantization-aware."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.teachers.loading import load_network
from pipeline.teachers.networks.untrusted import refuse_code
from tests.foreign import IMAGES, RAW, library, refused
from tests.test_convert_command import convert


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

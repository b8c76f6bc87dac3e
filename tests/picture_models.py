"""Classifiers of pictures by their colour, as .onnx files, and pictures for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from targets.formats import sidecar
from targets.formats.input_spec import image_input
from targets.images.preprocessing import Fit, Preprocessing
from tests.exported import student

CLASSES = ("red", "green", "blue")
COLOURS = {"red": (240, 20, 10), "green": (10, 230, 20), "blue": (20, 30, 250)}
SIZE = 8


def colour_file(
    path: Path,
    *,
    dims: Sequence[int | str] = (1, 3, SIZE, SIZE),
    dtype: int = TensorProto.FLOAT,
    ending: str | None = None,
    scores: int = 3,
    gain: float = 8.0,
    extra: bool = False,
) -> Path:
    """Scores that are `gain` times the mean of each channel, or of the last `scores` of them.

    `ending` is an operator behind them, such as Softmax; `extra` adds an output as wide.
    """
    nodes, read = [helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT)], "real"
    if dims[-1] == 3:
        nodes.append(helper.make_node("Transpose", [read], ["first"], perm=[0, 3, 1, 2]))
        read = "first"
    nodes.append(helper.make_node("GlobalAveragePool", [read], ["mean"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["flat"]))
    nodes.append(helper.make_node("MatMul", ["flat", "w"], ["scores" if ending is None else "z"]))
    if ending is not None:
        nodes.append(helper.make_node(ending, ["z"], ["scores"]))
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [dims[0], scores])]
    if extra:
        nodes.append(helper.make_node("Neg", ["scores"], ["features"]))
        outputs.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, scores]))
    weights = (gain * np.eye(3, dtype=np.float32))[:, 3 - scores :]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", dtype, dims)],
        outputs,
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def delivered(path: Path, *, classes: Sequence[str] = CLASSES, fit: Fit = "crop") -> Path:
    """The same with a sidecar, as a run leaves it: raw pixels in, logits out."""
    colour_file(path, dims=(1, SIZE, SIZE, 3), dtype=TensorProto.UINT8, gain=1 / 16)
    describe(path, classes=classes, fit=fit, shape=(SIZE, SIZE, 3))
    return path


def describe(path: Path, *, classes: Sequence[str], shape: tuple[int, int, int], fit: Fit) -> None:
    """Write the sidecar of a model file."""
    height, width, depth = shape
    how = Preprocessing(height=height, width=width, channels=1 if depth == 1 else 3, fit=fit)
    sidecar.write(
        path, record=student(path), classes=classes, input=image_input(*shape), preprocessing=how
    )


def photo(path: Path, colour: str, *, seed: int = 0, size: tuple[int, int] = (30, 40)) -> Path:
    """A noisy picture file of this colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noisy(colour, seed=seed, size=size)).save(path)
    return path


def noisy(colour: str, *, seed: int = 0, size: tuple[int, int] = (30, 40)) -> npt.NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(-10, 6, (*size, 3))
    values: npt.NDArray[Any] = np.array(COLOURS[colour]) + noise
    return values.clip(0, 255).astype(np.uint8)

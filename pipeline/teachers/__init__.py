"""Who teaches: the network trained here, or a file of any framework that yields logits.

A source is one module with `open_file`, and one line here.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from targets.errors import InputError

if TYPE_CHECKING:
    from pipeline.datasets.splits import Dataset
    from pipeline.recipe.schema import TeacherConfig
    from pipeline.teachers.source import OpenTeacher

SOURCES = {
    "keras": "pipeline.teachers.tensorflow_file",
    "saved_model": "pipeline.teachers.tensorflow_file",
    "onnx": "pipeline.teachers.onnx_file",
    "tflite": "pipeline.teachers.tflite_file",
    "logits": "pipeline.teachers.logits_file",
}
"""Kind of a file -> its module, imported when it is opened."""

SUFFIXES = {
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
    ".onnx": "onnx",
    ".tflite": "tflite",
    ".npz": "logits",
}


def kind_of(path: Path) -> str:
    """The kind of the file (or SavedModel folder) that is there, by its name."""
    if not path.exists():
        raise InputError(f"teacher {path}: not there; give the file of a trained network.")
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        raise InputError(f"teacher {path}: a folder without saved_model.pb is no SavedModel.")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"teacher {path}: {_foreign(path)} Known: {', '.join(SUFFIXES)} (.npz: logits "
            "that you have computed, by pipeline.teachers.logits_file.save_logits) and SavedModel "
            "folders."
        )
    return SUFFIXES[path.suffix.lower()]


PYTORCH = {".pt", ".pth", ".ckpt", ".safetensors", ".bin"}


def _foreign(path: Path) -> str:
    """What a file of another kind is, and how it is exported."""
    if path.suffix.lower() in PYTORCH:
        return (
            "weights of PyTorch are not read, because they come without their network. Export it: "
            "`torch.onnx.export(net.eval(), torch.zeros(1, channels, height, width), "
            '"teacher.onnx")`.'
        )
    return "unknown kind of file."


def open_teacher(
    path: Path, cfg: "TeacherConfig", data: "Dataset", *, threads: int = 1
) -> "OpenTeacher":
    """The teacher in `path`, as a function of raw images of `data`; no code of the file runs.

    Raises `InputError` for a file that cannot be opened, or that takes other images or gives other
    classes than the data set has. Whether it knows anything: `pipeline.teachers.check`.
    """
    module = import_module(SOURCES[kind_of(path)])
    opened: OpenTeacher = module.open_file(path, cfg, data, threads=threads)
    return opened

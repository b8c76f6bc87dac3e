"""Teachers: the network trained here, or a file of any framework that yields logits.

To add a kind of file: its module (see `contract`) and a line in `_built_in`.
"""

from pathlib import Path

from pipeline.datasets.splits import Dataset
from pipeline.teachers.contract import OpenTeacher, TeacherFile, TeacherFileConfig
from targets.errors import InputError
from targets.registry import Registry


def _built_in() -> dict[str, TeacherFile]:
    from pipeline.teachers import logits_file, onnx_file, tensorflow_file, tflite_file

    return {
        "tensorflow": tensorflow_file,
        "onnx": onnx_file,
        "tflite": tflite_file,
        "logits": logits_file,
    }


TEACHER_FILES = Registry(
    "teacher_files", noun="kind of teacher file", contract=TeacherFile, built_in=_built_in
)

PYTORCH = {".pt", ".pth", ".ckpt", ".safetensors", ".bin"}


def kind_of(path: Path) -> str:
    """The name in `TEACHER_FILES` of the kind of the existing file or folder `path`."""
    if not path.exists():
        raise InputError(f"teacher {path}: not there; give the file of a trained network.")
    for kind, plugin in TEACHER_FILES.search():
        if path.is_dir() and any((path / marker).is_file() for marker in plugin.FOLDER_MARKERS):
            return kind
        if path.is_file() and path.suffix.lower() in plugin.SUFFIXES:
            return kind
    if path.is_dir():
        raise InputError(f"teacher {path}: a folder without saved_model.pb is no SavedModel.")
    suffixes = ", ".join(suffix for plugin in TEACHER_FILES.values() for suffix in plugin.SUFFIXES)
    raise InputError(
        f"teacher {path}: {_foreign(path)} Known: {suffixes} (.npz: logits that you have computed, "
        "by pipeline.teachers.logits_file.save_logits) and SavedModel folders."
    )


def _foreign(path: Path) -> str:
    """What a file of an unknown kind is, and how it can be exported."""
    if path.suffix.lower() in PYTORCH:
        return (
            "weights of PyTorch are not read, because they come without their network. Export it: "
            "`torch.onnx.export(net.eval(), torch.zeros(1, channels, height, width), "
            '"teacher.onnx")`.'
        )
    return "unknown kind of file."


def open_teacher(
    path: Path, cfg: TeacherFileConfig, data: Dataset, *, threads: int = 1
) -> OpenTeacher:
    """The teacher in `path`, as a function of raw images of `data`; no code of the file runs.

    Raises `InputError` for a file that cannot be opened, or whose input or classes do not fit the
    data set. `pipeline.teachers.check` then tests its accuracy.
    """
    return TEACHER_FILES[kind_of(path)].open_file(path, cfg, data, threads=threads)

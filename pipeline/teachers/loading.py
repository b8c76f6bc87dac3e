"""Networks trained elsewhere: `.keras`, `.h5` and SavedModel, as functions of a batch.

Loading runs no code of the file: `networks.untrusted` checks it before any loader reads it.
"""

from pathlib import Path

from pipeline.teachers.networks.loaded import LoadedNetwork, running
from targets.errors import InputError
from targets.formats import FORMATS

__all__ = ["LoadedNetwork", "load_network", "require_there", "running"]

REMEDIES = {
    ".pt": "is a file of PyTorch, which convert does not read: torch.onnx.export(model, example, "
    "'model.onnx') writes one for `pipeline bench` and for --teacher",
}
REMEDIES |= dict.fromkeys((".pth", ".ckpt", ".safetensors"), REMEDIES[".pt"])


def load_network(path: Path, *, signature: str | None = None) -> LoadedNetwork:
    """The network in a `.keras` or `.h5` file or a SavedModel folder, ready to be called.

    `signature` is one of a SavedModel. Raises `InputError` for a file that is missing, of another
    kind, holds code, is still in training mode, or does not have exactly one input and one output
    [batch, classes].
    """
    from pipeline.teachers.networks.inference import require_inference

    require_there(path)
    network = _load(path, signature)
    require_inference(network)
    return network


def _load(path: Path, signature: str | None) -> LoadedNetwork:
    from pipeline.teachers.networks import keras_config, keras_file, saved_model

    if path.is_dir():
        return saved_model.load(path, signature)
    if signature is not None:
        raise InputError(
            f"--signature: {path} is no SavedModel folder; only those have signatures."
        )
    if keras_config.is_zip(path) or keras_config.is_hdf5(path):
        return keras_file.load(path)
    remedy = _remedy(path.suffix.lower())
    raise InputError(f"model {path}: {remedy}.")


def _remedy(suffix: str) -> str:
    if suffix.removeprefix(".") in FORMATS:
        return (
            "is already a file for devices: measure it with `pipeline bench`, or use it as "
            "--teacher"
        )
    return REMEDIES.get(
        suffix,
        "neither a .keras nor a .h5 file nor a SavedModel folder. Save the trained network with "
        "model.save('model.keras')",
    )


def require_there(path: Path) -> None:
    """A check without TensorFlow, before that is imported."""
    if not path.exists():
        raise InputError(f"model {path}: not there; give a .keras or .h5 file or a SavedModel.")

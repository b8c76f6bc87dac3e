"""`metadata_props` of an ONNX file."""

from pathlib import Path

from targets.errors import ConversionError, printable
from targets.formats.metadata import FileMetadata
from targets.formats.onnx.external_data import external_files


def stamp(path: Path, to: Path, *, metadata: FileMetadata) -> None:
    import onnx

    if external_files(path):
        raise ConversionError(
            f"{printable(str(path))}: keeps weights in files beside it, and a bundle holds one "
            "file per model. Save it with its weights inside: onnx.save_model(model, path)."
        )
    model = onnx.load(path, load_external_data=False)
    texts = metadata.texts()
    kept = [entry for entry in model.metadata_props if entry.key not in texts]
    added = [onnx.StringStringEntryProto(key=key, value=value) for key, value in texts.items()]
    del model.metadata_props[:]
    model.metadata_props.extend([*kept, *added])
    to.write_bytes(model.SerializeToString(deterministic=True))


def stamped(path: Path) -> dict[str, str]:
    import onnx

    model = onnx.load(path, load_external_data=False)
    return {entry.key: entry.value for entry in model.metadata_props}

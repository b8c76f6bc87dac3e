"""The model files of a bundle: with metadata, and shown to be the network that was measured."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.bundle.facts import Facts, ModelFacts
from targets.errors import InputError, ProofError
from targets.files.digest import file_sha256
from targets.formats import FORMATS, sidecar
from targets.formats.metadata import FileMetadata
from targets.formats.sidecar import Sidecar

Logits = npt.NDArray[np.float32]
Raw = npt.NDArray[np.generic]
NOISE = 8
"""Inputs of noise."""


@dataclass(frozen=True, kw_only=True)
class Stamped:
    """A model file in the bundle."""

    facts: ModelFacts
    sidecar: Sidecar
    """Of the measured file."""
    path: Path
    logits: Logits | None
    """Of the samples, [samples, classes]; null for a teacher whose pictures have another size."""
    dtype: str
    """Of the file's input."""


def measured_sidecar(run: Path, model: ModelFacts) -> Sidecar:
    """The sidecar of a file that is the one that the run measured."""
    path = run / model.file
    if not path.is_file():
        raise InputError(f"{path}: is missing, though the report has it. Run the recipe again.")
    if file_sha256(path) != model.sha256:
        raise InputError(
            f"{path}: is not the file that was measured: its sha256 is not that of the report. Run "
            "the recipe again."
        )
    found = sidecar.read(path)
    if found is None:
        raise InputError(f"{sidecar.path_of(path)}: is missing. Run the recipe again.")
    if found.adapter is not None:
        raise InputError(
            f"{path}: is your own file, whose input and output the run converts; the receiver of a "
            "bundle cannot. Leave out --teacher."
        )
    return found


def stamp(run: Path, folder: Path, facts: Facts, model: ModelFacts, raw: Raw) -> Stamped:
    """Write the file with its metadata and its sidecar into the bundle's `folder`.

    Raises `ProofError` unless its logits of the samples `raw` (of noise, where it takes another
    size) are those of the measured file, in every bit.
    """
    source, path = run / model.file, folder / model.file
    found = measured_sidecar(run, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = FileMetadata(
        name=facts.name,
        version=facts.version,
        license=facts.license,
        labels=found.classes,
        input=found.input,
        preprocessing=found.preprocessing,
        tokenizer=found.tokenizer,
        measured_sha256=model.sha256,
    )
    FORMATS[model.format].stamp(source, path, metadata=metadata)
    same_size = raw.shape[1:] == found.input.shape
    if not same_size:
        raw = np.random.default_rng(0).integers(0, 256, (NOISE, *found.input.shape)).astype("uint8")
    before, _ = _run(source, found, raw)
    logits, dtype = _run(path, found, raw)
    if logits.tobytes() != before.tobytes():
        raise ProofError(
            f"{source}: with metadata it gives other logits than the file that was measured, so "
            "that no bundle is written. This is a bug in edge-distill or in a runtime: report it."
        )
    described = found.model_copy(update={"sha256": file_sha256(path)})
    text = described.model_dump_json(by_alias=True, indent=1)
    sidecar.path_of(path).write_text(f"{text}\n", encoding="utf-8")
    on_samples = logits if same_size else None
    return Stamped(facts=model, sidecar=found, path=path, logits=on_samples, dtype=dtype)


def _run(path: Path, found: Sidecar, raw: Raw) -> tuple[Logits, str]:
    """Logits of raw inputs, and the type of the file's input."""
    from targets.prediction.loaded import LoadedModel

    model = LoadedModel(path)
    dtype = model.input["dtype"]
    shape = [1, *found.input.shape]
    model.allocate({"kind": "samples", "dtype": dtype, "shape": shape, "adapter": None}, output=0)
    outputs, _ = model.run(raw)
    return outputs.reshape(len(raw), -1), dtype

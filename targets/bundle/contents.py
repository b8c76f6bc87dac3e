"""The folder of a bundle, from the results of a run: the same results give the same bytes."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, JsonValue

from targets.bundle import card, provenance, sbom, snippets, stamping
from targets.bundle import samples as kept
from targets.bundle.facts import Facts
from targets.bundle.samples import KeptSample
from targets.bundle.schema import NAME, Bundle, BundledModel, Sample
from targets.bundle.scrubbing import Scrubber
from targets.bundle.stamping import Stamped
from targets.errors import InputError, ProofError, printable
from targets.files.digest import file_sha256
from targets.formats.sidecar import Sidecar
from targets.texts import tokenizer

MARGIN = 0.1
"""Least difference of the two largest probabilities of a bundled sample, in every file. The float
kernels of two processors differ by about 1e-6, and int8 files not at all."""
PREDICT, VALUES = "predict.py", "predict_values.py"
OTHERS = {"tokens": "predict_texts.py", "waveform": VALUES, "array": VALUES}
"""Kind of the input -> what is `predict.py` in a bundle, if it is not that of pictures."""
SCHEMAS: dict[str, type[BaseModel]] = {"bundle": Bundle, "sidecar": Sidecar}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    samples: int
    signed: bool


def write(run: Path, folder: Path, facts: Facts, scrubber: Scrubber, wanted: Wanted) -> Bundle:
    """Fill the empty `folder`; `scrubber`: has what `results/` must not tell.

    Raises `InputError` where something of the run is missing or is not what was measured, and
    `ProofError` where a file in the bundle is not the one that was measured.
    """
    for model in facts.models:
        stamping.measured_sidecar(run, model)  # before anything is loaded
    shape = stamping.measured_sidecar(run, facts.recommended).input.shape
    known = kept.read(run).samples
    if not known:
        raise InputError(
            f"{run / kept.FOLDER}: has no sample, because the devices of the run agree on the "
            "class of none. Run the recipe again, on devices that give equal results."
        )
    raw = np.stack([kept.read_input(run / kept.FOLDER / one.file, shape=shape) for one in known])
    models = [stamping.stamp(run, folder, facts, model, raw) for model in facts.models]
    _require_recorded(known, models)
    _copy_tokenizer(run, folder, models)
    of_files = [model.logits for model in models if model.logits is not None]
    clear = [i for i in range(len(known)) if all(margin(one[i]) >= MARGIN for one in of_files)]
    if not clear:
        raise InputError(
            f"{run}: no test sample is classified with a margin of {MARGIN} in every file, so that "
            "a receiver could not tell a good copy from a bad one. Train longer, and run again."
        )
    bundle = _bundle(facts, models, [known[i] for i in clear[: wanted.samples]])
    _copy_samples(run, folder, bundle)
    _describe(folder, facts, models, bundle, signed=wanted.signed)
    _copy_results(run, folder / "results", scrubber)
    return bundle


def margin(logits: npt.NDArray[np.generic]) -> float:
    """Difference of the two largest probabilities, of logits [classes]."""
    values = logits.astype(np.float64)
    shares = np.exp(values - values.max())
    second, first = np.sort(shares / shares.sum())[-2:]
    return float(first - second)


def _require_recorded(known: Sequence[KeptSample], models: Sequence[Stamped]) -> None:
    """The classes on this processor are those that the run recorded, where they are clear."""
    for model in models:
        if model.logits is None:
            continue
        for sample, logits in zip(known, model.logits, strict=True):
            found = model.sidecar.classes[int(logits.argmax())]
            recorded = sample.predicted.get(model.facts.name)
            if margin(logits) >= MARGIN and found != recorded:
                raise ProofError(
                    f"{model.facts.file}: gives sample {sample.file} the class "
                    f"{printable(found)} on this processor, and the run recorded "
                    f"{printable(str(recorded))}. Run the recipe again on this machine."
                )


def _bundle(facts: Facts, models: Sequence[Stamped], chosen: Sequence[KeptSample]) -> Bundle:
    paths = {one.facts.name: one.facts.file for one in models if one.logits is not None}
    return Bundle(
        name=facts.name,
        version=facts.version,
        created_utc=facts.origin.ended_utc,
        recommended=facts.recommended.file,
        models=tuple(
            BundledModel(
                name=model.facts.name,
                file=model.facts.file,
                sha256=file_sha256(model.path),
                measured_sha256=model.facts.sha256,
            )
            for model in models
        ),
        samples=tuple(
            Sample(
                file=f"{kept.FOLDER}/{one.file}",
                label=one.label,
                predicted={
                    paths[name]: got for name, got in one.predicted.items() if name in paths
                },
            )
            for one in chosen
        ),
    )


def _copy_tokenizer(run: Path, folder: Path, models: Sequence[Stamped]) -> None:
    """The vocabulary beside the models, and the code that makes tokens of texts with it."""
    for model in models:
        record, to = model.sidecar.tokenizer, model.path.parent
        if record is not None and not (to / tokenizer.VOCABULARY).exists():
            tokenizer.read((run / model.facts.file).parent, record).write(to)


def _beside(folder: Path, bundle: Bundle) -> dict[str, str]:
    """Path -> digest of the files of the tokenizer, where there is one."""
    folders = dict.fromkeys(PurePosixPath(model.file).parent for model in bundle.models)
    paths = (f"{one}/{name}" for one in folders for name in (tokenizer.VOCABULARY, tokenizer.CODE))
    return {path: file_sha256(folder / path) for path in paths if (folder / path).is_file()}


def _copy_samples(run: Path, folder: Path, bundle: Bundle) -> None:
    (folder / kept.FOLDER).mkdir()
    for sample in bundle.samples:
        shutil.copyfile(run / sample.file, folder / sample.file)


def _describe(
    folder: Path, facts: Facts, models: Sequence[Stamped], bundle: Bundle, *, signed: bool
) -> None:
    by_name = {model.facts.name: model for model in models}
    sidecar = by_name[facts.recommended.name].sidecar
    labels = "".join(f"{printable(name)}\n" for name in sidecar.classes)
    (folder / "labels.txt").write_text(labels, encoding="utf-8")
    (folder / NAME).write_text(bundle.model_dump_json(by_alias=True, indent=1) + "\n", "utf-8")
    (folder / "schema").mkdir()
    for name, kind in SCHEMAS.items():
        text = json.dumps(kind.model_json_schema(), indent=1)
        (folder / "schema" / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    script = Path(__file__).with_name(OTHERS.get(sidecar.input.kind, PREDICT))
    shutil.copyfile(script, folder / PREDICT)
    if (model := snippets.model_for(facts, sidecar.input)) is not None:
        there = by_name[model.name]
        snippets.write(folder, facts, model, there.sidecar, dtype=there.dtype)
    beside = _beside(folder, bundle)
    sbom.write(folder, facts, bundle.models, beside)
    provenance.write(folder, facts, bundle.models, beside)
    card.write(
        folder,
        facts,
        sidecar,
        samples=[sample.file for sample in bundle.samples],
        margin=MARGIN,
        snippets=model is not None,
        signed=signed,
    )


def _copy_results(run: Path, folder: Path, scrubber: Scrubber) -> None:
    """The documents first: the page repeats what was found in them."""
    names = ["report.json", "provenance.json"]
    names += sorted(path.relative_to(run).as_posix() for path in (run / "bench").glob("*.json"))
    (folder / "bench").mkdir(parents=True)
    for name in names:
        content = scrubber.json(_document(run / name))
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    page = scrubber.html(_text(run / "report.html"))
    (folder / "report.html").write_text(page, encoding="utf-8")


def _document(path: Path) -> JsonValue:
    try:
        content: JsonValue = json.loads(_text(path))
    except ValueError as error:
        raise InputError(f"{path}: is not JSON: {error}. Run the recipe again.") from error
    return content


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is no UTF-8"
        raise InputError(f"{path}: cannot be read: {why}. Run the recipe again.") from error

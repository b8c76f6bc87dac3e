"""Write `report.json` and `report.html`: the files of a run and what they were measured to be."""

import platform
import time
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import datasets
from pipeline.engine.artifacts import (
    DistilledCheckpoint,
    Exports,
    QuantizedCheckpoint,
    Sensitivity,
    TeacherLead,
    TeacherLogits,
)
from pipeline.engine.job import Job
from pipeline.gates.judging import judged
from pipeline.gates.runs import measured_in
from pipeline.recipe.schema import Recipe
from pipeline.reporting.findings import front_end, teacher_lead
from pipeline.reporting.findings.decision import decisions
from pipeline.reporting.findings.layer_noise import float_layers
from pipeline.reporting.findings.per_class import kept
from pipeline.reporting.findings.recommendation import recommend
from pipeline.reporting.findings.sensitivity import note
from pipeline.reporting.measurements import Measurements, ReportFiles
from pipeline.reporting.schema.flip import Flip
from pipeline.reporting.schema.label_suspect import LabelSuspect
from pipeline.reporting.schema.layer_noise import LayerNoise
from pipeline.reporting.schema.report import (
    FILE,
    DatasetUsed,
    Environment,
    ProcessorRow,
    Report,
    StageRow,
    TensorScales,
)
from targets.formats import FORMATS
from targets.runtimes import distributions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.datasets.splits import Dataset
    from pipeline.gates.figures import Measured
    from pipeline.reporting.findings.label_suspects import Found
    from targets.bench.result import BenchResult

TRAINING = ("edge-distill", "tensorflow", "tf-keras", "tensorflow-model-optimization", "numpy")


def run(
    cfg: Recipe,
    out: Path,
    *,
    job: Job,
    bench: Measurements,
    logits: TeacherLogits,
    distill: DistilledCheckpoint,
    quantize: QuantizedCheckpoint | None = None,
) -> ReportFiles:
    # A run without a bench loads no data set, and so ends at once if all of it is reused.
    data = job.dataset() if bench.per_class else None
    suspects = () if data is None else _suspects(cfg, data, bench, logits)
    sensitivity = None if quantize is None else quantize.sensitivity
    report = _report(cfg, job, bench, suspects, sensitivity, distill.lead)
    found = measured_in(bench.folder, report)
    more = {"gates": tuple(judged(cfg.gates, found)), "flips": _flips(cfg, data, found)}
    report = report.model_copy(update=more)
    if data is not None:
        from pipeline.reporting import samples

        samples.keep(data, found, out)
    report = report.model_copy(update={"decision": decisions(report, found)})
    (out / FILE).write_text(report.dump(), encoding="utf-8")
    # A file name that is not UTF-8 holds lone surrogates.
    documents = {one.row.device: one.document for one in found if one.document and one.row.device}
    page = _html(cfg, report, data, documents, distill)
    (out / "report.html").write_text(page, encoding="utf-8", errors="backslashreplace")
    return ReportFiles(folder=out)


def _html(
    cfg: Recipe,
    report: Report,
    data: "Dataset | None",
    documents: "Mapping[str, BenchResult]",
    student: DistilledCheckpoint,
) -> str:
    from pipeline.reporting.pages.quotes import quotes
    from pipeline.reporting.pages.report import render

    texts = datasets.texts_of(cfg.dataset) if data is not None else {}
    quoted = quotes(report, data, texts) if data is not None and texts else {}
    return render(report, _album(cfg, report, data, student), documents, quoted)


def _album(
    cfg: Recipe, report: Report, data: "Dataset | None", student: DistilledCheckpoint
) -> "Mapping[str, str]":
    """The pictures on the page, by key: of images, of waveforms, or of arrays."""
    from pipeline.datasets.splits import Split
    from pipeline.reporting.pages import activations, lines, pictures, waves

    raw = {} if data is None else {split.value: one.raw for split, one in data.splits.items()}
    if report.dataset.kind == "waveform":
        return waves.album(report, raw)
    if report.dataset.kind == "array" and data is not None:
        return lines.album(report, raw, data.input)
    if report.dataset.kind != "image":
        return {}
    seen: Mapping[str, str] = {}
    if data is None or data.input.shape[-1] not in (1, 3):
        raw = {}
    else:
        test = data[Split.TEST].raw
        seen = activations.activations(report, student, test, threads=cfg.threads)
    read = partial(datasets.read_picture, cfg.dataset)
    return {**pictures.album(report, read=read, images=raw), **seen}


def _suspects(
    cfg: Recipe, data: "Dataset", bench: Measurements, logits: TeacherLogits
) -> tuple[LabelSuspect, ...]:
    """Of the test split, which the bench found, and of the training split, with their files."""
    import numpy as np

    from pipeline.datasets.splits import Split
    from pipeline.reporting.findings import label_suspects

    labels = data[Split.TRAIN].labels
    views = np.load(logits.path, mmap_mode="r", allow_pickle=False)
    found = label_suspects.probabilities(views, len(labels))
    trained = label_suspects.suspects(found, labels, data.classes, split="train")
    return _with_files((*bench.label_suspects, *trained), cfg, data)


def _flips(cfg: Recipe, data: "Dataset | None", found: "Sequence[Measured]") -> tuple[Flip, ...]:
    """On the first device that was measured, with the files of the samples."""
    from pipeline.reporting.findings import flips

    one = next((one for one in found if one.predictions is not None), None)
    if data is None or one is None or one.predictions is None:
        return ()
    rows = [other.row for other in found if other.row.device == one.row.device]
    return _with_files(flips.flips(rows, one.predictions, data.classes), cfg, data)


def _with_files(found: "Sequence[Found]", cfg: Recipe, data: "Dataset") -> "tuple[Found, ...]":
    """The samples with the paths of their files, where they have some."""
    from pipeline.reporting.findings import label_suspects

    if files := datasets.paths_of(cfg.dataset):
        return label_suspects.with_files(found, files, data)
    return label_suspects.with_paths(
        found,
        records=datasets.records(cfg.dataset),
        counts={split.value: len(samples) for split, samples in data.splits.items()},
    )


def _report(
    cfg: Recipe,
    job: Job,
    bench: Measurements,
    suspects: tuple[LabelSuspect, ...],
    sensitivity: Sensitivity | None,
    lead: TeacherLead | None,
) -> Report:
    assert job.history is not None
    exports = Exports.read(bench.exports)
    recommended = recommend(bench.rows, majority_share=bench.majority_share)
    notes = bench.notes if sensitivity is None else (*bench.notes, note(sensitivity, cfg))
    if exports.float_layers is not None:
        notes = (*notes, float_layers(exports.float_layers, bench.rows, cfg.words))
    if front := front_end.note(exports.parity):
        notes = (*notes, front)
    notes = (*notes, *front_end.costs(bench.parts))
    if lead is not None and (text := teacher_lead.note(lead, cfg)):
        notes = (*notes, text)
    return Report(
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe=cfg.model_dump(mode="json", by_alias=True),
        seed=cfg.seed,
        environment=_environment(bench),
        wall_s=round(time.monotonic() - job.history.begun, 1),
        stages=tuple(StageRow.model_validate(vars(step)) for step in job.history.steps),
        dataset=DatasetUsed(
            **exports.dataset.model_dump(),
            majority_share=bench.majority_share,
            test_imbalance=bench.test_imbalance,
            notes=datasets.notes_on(cfg.dataset),
            audit=datasets.audit_of(cfg.dataset),
        ),
        recommended=recommended,
        models=bench.rows,
        per_class=kept(bench.per_class, bench.rows, recommended),
        label_suspects=suspects,
        confidence=bench.confidence,
        streaming=bench.streaming,
        parity=exports.parity,
        parts=bench.parts,
        processors=tuple(ProcessorRow.model_validate(r.model_dump()) for r in exports.processors),
        scales=tuple(TensorScales.of(row) for row in exports.scales),
        sensitivity=sensitivity,
        teacher_lead=lead,
        layer_noise=tuple(LayerNoise.of(row) for row in exports.layer_noise),
        float_layers=exports.float_layers,
        ablation=job.history.ablation,
        tracked=job.history.tracked,
        notes=notes,
    )


def _environment(bench: Measurements) -> Environment:
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        libraries={name: _version(name) for name in _libraries()},
        devices=bench.devices,
        failed_devices=bench.failed,
    )


def _libraries() -> tuple[str, ...]:
    """The distributions that made the files and executed them."""
    formats = (name for each in FORMATS.values() for name in each.distributions)
    return tuple(dict.fromkeys((*TRAINING, *formats, *distributions())))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None

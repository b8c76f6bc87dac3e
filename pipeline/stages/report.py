"""Write `report.json` and `report.html`: the files of a run and what they were measured to be."""

import platform
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pipeline.engine.artifacts import Exports
from pipeline.engine.job import Job
from pipeline.recipe.schema import Recipe
from pipeline.reporting.findings.recommendation import recommend
from pipeline.reporting.measurements import Measurements, ReportFiles
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

TRAINING = ("edge-distill", "tensorflow", "tf-keras", "tensorflow-model-optimization", "numpy")


def run(cfg: Recipe, out: Path, *, job: Job, bench: Measurements) -> ReportFiles:
    report = _report(cfg, job, bench)
    (out / FILE).write_text(report.dump(), encoding="utf-8")
    (out / "report.html").write_text(_html(report), encoding="utf-8")
    return ReportFiles(folder=out)


def _html(report: Report) -> str:
    from pipeline.reporting.pages.report import render

    return render(report)


def _report(cfg: Recipe, job: Job, bench: Measurements) -> Report:
    assert job.history is not None
    exports = Exports.read(bench.exports)
    return Report(
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe=cfg.model_dump(mode="json", by_alias=True),
        seed=cfg.seed,
        environment=_environment(bench),
        wall_s=round(time.monotonic() - job.history.begun, 1),
        stages=tuple(StageRow.model_validate(vars(step)) for step in job.history.steps),
        dataset=DatasetUsed(**exports.dataset.model_dump(), majority_share=bench.majority_share),
        recommended=recommend(bench.rows, majority_share=bench.majority_share),
        models=bench.rows,
        parity=exports.parity,
        processors=tuple(ProcessorRow.model_validate(r.model_dump()) for r in exports.processors),
        scales=tuple(TensorScales.of(row) for row in exports.scales),
        ablation=job.history.ablation,
        notes=bench.notes,
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

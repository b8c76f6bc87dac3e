"""`report.html`: one file that a person reads."""

from collections.abc import Mapping, Sequence

from pipeline.reporting.figures import ablation as ablation_figures
from pipeline.reporting.figures import confidence as confidence_figures
from pipeline.reporting.figures.distributions import quantiles
from pipeline.reporting.figures.models import bought, latency, size
from pipeline.reporting.findings import confidence as findings
from pipeline.reporting.findings import disturbances, headline
from pipeline.reporting.findings.chance import chance
from pipeline.reporting.findings.pareto import by_latency, by_size, pareto, sentence
from pipeline.reporting.formatting import NOT_MEASURED, count, percent
from pipeline.reporting.pages import data, streaming, templates
from pipeline.reporting.pages import layers as layers_page
from pipeline.reporting.schema.model_row import ModelRow, small_files
from pipeline.reporting.schema.report import (
    ProcessorRow,
    Report,
    ScaleRange,
    StageRow,
    TensorScales,
)
from pipeline.reporting.tables import ablation as ablation_tables
from pipeline.reporting.tables.cells import Table
from pipeline.reporting.tables.confidence import confidence
from pipeline.reporting.tables.gates import gates, summary
from pipeline.reporting.tables.models import models
from pipeline.reporting.tables.parts import parts
from pipeline.reporting.tables.sensitivity import layers
from targets.bench.result import BenchResult
from targets.formats.record import Parity

Cells = tuple[str, ...]


def render(
    report: Report,
    album: Mapping[str, str] | None = None,
    documents: Mapping[str, BenchResult] | None = None,
    quotes: Mapping[str, str] | None = None,
) -> str:
    """The page; `album`: the data URIs of the pictures on it, `pages.pictures.album`; `documents`:
    the measurements with their raw samples, by device; `quotes`: the texts of samples by key."""
    measured = report.measured
    header, rows = models(report)
    return templates.render(
        "page.html.j2",
        report=report,
        measured=measured,
        headlines=[
            {"name": _where(row, report), "sentences": headline.sentences(row, measured)}
            for row in small_files(measured)
            if row.precision != "int8_ptq"
        ],
        plots={device: _plots(rows, report) for device, rows in _by_device(measured).items()},
        latencies=_latencies(documents or {}, report),
        bought=bought(measured) if len(measured) > 1 else None,
        header=header,
        rows=rows,
        chance=chance(report),
        limits=disturbances.lines(report, "the table below"),
        disturbances_header=disturbances.HEADER,
        disturbances=templates.disturbance_rows(disturbances.of_report(report)),
        parity=[_parity(row) for row in report.parity],
        processors=[_processor(row) for row in report.processors],
        scales=[_scale(row) for row in report.scales],
        parts=parts(report.parts) if report.parts else None,
        sensitivity=_sensitivity(report),
        noise=layers_page.noise(report.layer_noise),
        gates=gates(report.gates) if report.gates else None,
        verdicts=summary(report.gates),
        stages=[_stage(row) for row in report.stages],
        digests=_digests(report),
        ablation=_ablation(report),
        confidence=_confidence(report),
        streaming=streaming.section(report),
        album=album or {},
        quotes=quotes or {},
        seen=any(key.startswith("seen ") for key in album or {}),
        data=data.audited(report.dataset.audit),
        per_class=data.per_class(report),
        suspects=data.suspects(report),
        flips=data.flips(report),
    )


def _where(row: ModelRow, report: Report) -> str:
    several = len(report.environment.devices) > 1
    return f"{row.name} on {row.device}" if several else row.name


def _plots(rows: Sequence[ModelRow], report: Report) -> dict[str, object]:
    """Accuracy against cost on one device, and which files are on the fronts."""
    device = rows[0].device
    marked = next((one for one in report.recommended if one.device == device), None)
    name = (marked.fastest or marked.smallest) if marked else None
    fronts = {"latency": pareto(tuple(by_latency(rows))), "size": pareto(tuple(by_size(rows)))}
    return {
        "latency": latency(rows, name),
        "size": size(rows, name),
        "fronts": [sentence(front, cost=cost) for cost, front in fronts.items()],
    }


def _latencies(documents: Mapping[str, BenchResult], report: Report) -> dict[str, str]:
    """Of the files with a row in the report: a document also has the parts of some."""
    names = {row.name for row in report.models}
    plots = {}
    for device, document in documents.items():
        rows = tuple(row for row in document.summary if row.model in names)
        plots[device] = quantiles(device, document.model_copy(update={"summary": rows}))
    return {device: plot for device, plot in plots.items() if plot}


def _by_device(rows: Sequence[ModelRow]) -> dict[str, list[ModelRow]]:
    devices: dict[str, list[ModelRow]] = {}
    for row in rows:
        devices.setdefault(row.device or "", []).append(row)
    return devices


def _sensitivity(report: Report) -> Table | None:
    found = report.sensitivity
    return layers(found) if found and found.layers else None


def _confidence(report: Report) -> dict[str, object] | None:
    row = findings.drawn(report)
    if row is None:
        return None
    return {
        "model": row.model,
        "sentences": list(findings.sentences(row)),
        "reliability": confidence_figures.reliability(row),
        "risk": confidence_figures.risk(row),
        "table": confidence(report.confidence),
        "level": row.level,
        "per_class": any(one.class_thresholds for one in report.confidence),
    }


def _parity(row: Parity) -> Cells:
    return (
        row.name,
        row.source,
        str(row.int8_ops),
        str(row.float_ops),
        percent(row.agreement),
        f"{row.max_abs_diff:.2g}",
        count(row.samples),
    )


def _processor(row: ProcessorRow) -> Cells:
    return (
        row.processor,
        row.how,
        ", ".join(row.files),
        percent(row.agreement),
        f"{row.max_abs_diff:.2g}",
        count(row.samples),
    )


def _scale(row: TensorScales) -> Cells:
    return (
        row.tensor or NOT_MEASURED,
        row.kind,
        count(row.channels),
        _numbers(row.tflite_scale),
        _numbers(row.tflite_zero_point),
        row.onnx_tensor or NOT_MEASURED,
        _numbers(row.onnx_scale),
        _numbers(row.onnx_zero_point),
        "yes" if row.equal else "no",
    )


def _numbers(value: ScaleRange) -> str:
    """A number, or the range of many: the scales of a tensor's channels."""
    if value is None:
        return NOT_MEASURED
    if not isinstance(value, tuple):
        return f"{value:.6g}"
    return " to ".join(f"{end:.4g}" for end in sorted(set(value)))


def _stage(row: StageRow) -> Cells:
    made = NOT_MEASURED if row.wall_s is None else f"{row.wall_s:.1f} s"
    return row.name, "reused" if row.reused else made, row.folder or NOT_MEASURED, row.reason


def _digests(report: Report) -> list[Cells]:
    files = {row.file: row.sha256 for row in report.models}
    return [(f"data set {report.dataset.name}", report.dataset.sha256), *files.items()]


def _ablation(report: Report) -> dict[str, object] | None:
    """Return the tables and figures of the ablation."""
    found = report.ablation
    if found is None:
        return None
    corrupted = any(variant.corrupted for variant in found.variants)
    return {
        "variants": ablation_tables.variants(found, report.dataset),
        "steps": ablation_tables.steps(found, report.words),
        "pairs": ablation_tables.pairs(found),
        "gains": ablation_figures.gains(found.steps) if found.steps else None,
        "curves": ablation_figures.corruptions(found.variants) if corrupted else None,
    }

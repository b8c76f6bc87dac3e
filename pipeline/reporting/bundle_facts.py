"""The facts of a run that its bundle tells: every figure is of `report.json`."""

import json
import re
from collections.abc import Container, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import JsonValue, ValidationError

from pipeline.engine.delivery import PROVENANCE
from pipeline.engine.manifest import Manifest
from pipeline.reporting.findings import disturbances, streaming
from pipeline.reporting.formatting import (
    NOT_MEASURED,
    approximate,
    count,
    kilobytes,
    microseconds,
    percent,
    points,
    span,
)
from pipeline.reporting.schema.model_row import ModelRow
from pipeline.reporting.schema.report import FILE, Report
from targets.bundle.facts import DataFacts, Facts, ModelFacts, Origin, Table
from targets.errors import InputError, listed

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Of a run and of its files: they become paths, and stand in comments of code."""
WORST = 5
SHOWN = {
    "teacher": ("file", "family", "epochs"),
    "distill": ("family", "width_multiplier", "init", "weights", "loss", "temperature", "epochs"),
    "quantize": ("loss", "epochs"),
    "augmentation": (),
}
"""Table of the recipe -> keys that the card shows; (): all that are set."""


def facts_of(
    run: Path, report: Report, *, version: str | None, license: str | None, teacher: bool
) -> Facts:
    """The facts of the run in `run`, whose date is the version if none is given.

    Raises `InputError` where nothing was measured, or no file is recommended.
    """
    _require_plain(report, run)
    rows = _rows(report, run, teacher=teacher)
    models = {row.name: _model(row) for row in rows}
    name, reason = _recommended(report, run, known=models)
    dataset, about = report.dataset, report.recipe.get("about")
    return Facts(
        name=str(report.recipe["name"]),
        version=version or report.created_utc[:10].replace("-", "."),
        license=license,
        summary=str(about.get("summary", "")) if isinstance(about, dict) else "",
        models=tuple(models.values()),
        recommended=models[name],
        reason=reason,
        data=DataFacts(
            name=dataset.name,
            sha256=dataset.sha256,
            classes=dataset.classes,
            splits={
                split: samples
                for split in ("train", "val", "test", "unlabelled")
                if (samples := getattr(dataset, split))
            },
        ),
        origin=_origin(run, report),
        results=_results(report, rows),
        classes=_classes(report, name),
        training=_training(report.recipe),
        limits=tuple(_limits(report, rows)),
    )


def _require_plain(report: Report, run: Path) -> None:
    """A report that a person changed must not lead out of the bundle."""
    names = [str(report.recipe["name"]), *(row.name for row in report.models)]
    odd = [name for name in names if not NAME.fullmatch(name)]
    odd += [row.file for row in report.models if row.file != f"models/{row.name}"]
    try:
        datetime.fromisoformat(report.created_utc)
    except ValueError:
        odd.append(report.created_utc)
    if odd:
        raise InputError(
            f"{run / FILE}: was changed after the run: {listed(odd)} is no name of a file, or no "
            "time, that a run writes. Run the recipe again."
        )


def _rows(report: Report, run: Path, *, teacher: bool) -> list[ModelRow]:
    """The first row with an accuracy of each file in the bundle."""
    rows: dict[str, ModelRow] = {}
    for row in report.models:
        if row.top1 is not None and row.top1_ci is not None and (teacher or not row.is_teacher):
            rows.setdefault(row.name, row)
    if not rows:
        raise InputError(
            f"{run}: nothing was measured, so that no file can be recommended. Run the recipe "
            "again, with bench.enabled = true."
        )
    return list(rows.values())


def _recommended(report: Report, run: Path, *, known: Container[str]) -> tuple[str, str]:
    """The file that the run decided to ship on the first device that has one, and why; else the
    smallest that keeps the accuracy, and why it is not shipped."""
    for decision in report.decision:
        if decision.file is not None and decision.file in known:
            return decision.file, f"{decision.verdict}: {decision.reason}"
    held = "; ".join(f"{one.verdict}: {one.reason}" for one in report.decision)
    for one in report.recommended:
        if one.smallest is not None and one.smallest in known:
            return one.smallest, held or f"on {one.device}: {one.reason}"
    why = "; ".join(dict.fromkeys(one.reason for one in report.recommended))
    raise InputError(
        f"{run}: no file is recommended{f' ({why})' if why else ''}, and a bundle names the one to "
        "deploy. Train longer or with more data, and run the recipe again."
    )


def _model(row: ModelRow) -> ModelFacts:
    assert row.top1 is not None
    assert row.top1_ci is not None
    return ModelFacts(
        name=row.name,
        file=row.file,
        format=row.format,
        precision=row.precision,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        parameters=row.parameters,
        top1=row.top1,
        top1_interval=row.top1_ci,
    )


def _origin(run: Path, report: Report) -> Origin:
    ended = datetime.fromisoformat(report.created_utc)
    libraries = {name: v for name, v in report.environment.libraries.items() if v is not None}
    return Origin(
        version=libraries.pop("edge-distill", "unknown"),
        libraries={"python": report.environment.python, **libraries},
        recipe=report.recipe,
        seed=report.seed,
        stages=_stages(run / PROVENANCE),
        began_utc=(ended - timedelta(seconds=round(report.wall_s))).isoformat(),
        ended_utc=report.created_utc,
    )


def _stages(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Manifest.model_validate(manifest).digest
            for name, manifest in content["stages"].items()
        }
    except OSError as error:
        why = error.strerror or "cannot be read"
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        why = "no provenance of a run"
    raise InputError(f"{path}: {why}. Give the results folder of a run as RUN.")


def _results(report: Report, bundled: Sequence[ModelRow]) -> Table:
    """A row for each bundled file on each device, below those of the teacher."""
    names = {row.name for row in bundled}
    rows = [row for row in report.models if row.is_teacher or row.name in names]
    header = (
        "file", "top-1 %", "95 % interval", "against the teacher", "against float", "size",
        "device", "runtime", "median", "95 % interval of the median", "p90",
    )  # fmt: skip
    return Table(header=header, rows=tuple(_result(row, report) for row in rows))


def _result(row: ModelRow, report: Report) -> tuple[str, ...]:
    change = row.accuracy_change
    return (
        row.name,
        percent(row.top1),
        span(row.top1_ci, percent),
        _against_teacher(row, report),
        NOT_MEASURED
        if change is None
        else f"{points(change.gain)} ({span(change.interval, points)})",
        kilobytes(row.size_bytes),
        row.device or NOT_MEASURED,
        row.runtime or NOT_MEASURED,
        approximate(microseconds(row.median_ns), row.note),
        span(row.reliable_ci, microseconds),
        approximate(microseconds(row.p90_ns), row.note),
    )


def _against_teacher(row: ModelRow, report: Report) -> str:
    teachers = [one for one in report.models if one.is_teacher and one.top1 is not None]
    teachers.sort(key=lambda one: (one.device != row.device, one.format != row.format))
    if row.is_teacher or row.top1 is None or not teachers or teachers[0].top1 is None:
        return NOT_MEASURED
    return points(row.top1 - teachers[0].top1)


def _classes(report: Report, name: str) -> Table:
    header = ("class", "recall %", "precision %", "test samples")
    found = next((one for one in report.per_class if one.model == name), None)
    if found is None:
        return Table(header=header, rows=())
    named = zip(report.dataset.classes, found.classes, strict=False)
    worst = sorted(named, key=lambda pair: 1 if pair[1].recall is None else pair[1].recall)
    return Table(
        header=header,
        rows=tuple(
            (label, percent(row.recall), percent(row.precision), count(row.support))
            for label, row in worst[:WORST]
        ),
    )


def _training(recipe: dict[str, JsonValue]) -> Table:
    rows = []
    for table, keys in SHOWN.items():
        values = recipe.get(table)
        if isinstance(values, dict):
            pairs = {key: values.get(key) for key in keys or values}
            rows += [(f"{table}.{key}", str(value)) for key, value in pairs.items() if value]
    return Table(header=("key of the recipe", "value"), rows=tuple(rows))


def _limits(report: Report, rows: Sequence[ModelRow]) -> list[str]:
    devices = sorted({row.device for row in report.measured if row.device})
    limits = [
        f"Accuracy is that on the {report.dataset.test:,} test samples of the data set above. Data "
        "from elsewhere, and inputs of no class, were not measured.",
        f"Latency and memory were measured on {', '.join(devices) or 'no device'} only; energy was "
        "not measured.",
        *report.notes,
        *streaming.lines(report),
        *disturbances.lines(report, "results/report.html"),
        *(f"{name} failed: {why}" for name, why in report.environment.failed_devices.items()),
    ]
    if any(row.note for row in rows):
        limits.append("A time with ~ was disturbed, cut short, unstable or emulated.")
    if report.ablation is None or not any(one.corrupted for one in report.ablation.variants):
        what = "under noise, blur and other disturbances"
        if report.dataset.kind != "image":
            what = f"on corrupted {report.words.many}"
        limits.append(f"Accuracy {what} was not measured.")
    return limits

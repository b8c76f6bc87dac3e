"""Measure every export on every device: latency, and accuracy over the whole test split."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from pipeline.engine.artifacts import Exports
from pipeline.engine.job import Job
from pipeline.recipe.schema import BenchConfig
from pipeline.reporting.measurements import Measurements
from targets.bench.tiers import TIERS
from targets.errors import DeviceError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.reporting.model_rows import Measured
    from pipeline.reporting.schema.model_row import ModelRow
    from targets.bench.plan import Bench, Protocol, Subject
    from targets.devices.connection import Connected
    from targets.devices.inventory import Device


def run(cfg: BenchConfig, out: Path, *, job: Job, convert: Exports) -> Measurements:
    from pipeline.reporting import model_rows

    if not cfg.enabled:
        rows = model_rows.unmeasured_rows(convert, seed=job.recipe.seed)
        return Measurements(folder=out, exports=convert.folder, rows=rows, devices={})
    from pipeline.datasets.splits import Split
    from targets.bench.plan import store
    from targets.devices import inventory
    from targets.devices.parallel import at_once
    from targets.evaluation import metrics

    test = job.dataset()[Split.TEST]
    samples = job.scratch / "test.npy"
    store(test.images, samples)
    (out / "bench").mkdir(exist_ok=True)
    work = Work(cfg=cfg, out=out, job=job, exports=convert, samples=samples, labels=test.labels)
    devices = [inventory.device(name) for name in dict.fromkeys(cfg.devices)]
    seen = at_once(devices, lambda device, stop: _tried(device, work, stop))
    errors = {one.device: one.error for one in seen if one.error is not None}
    if len(errors) == len(seen):
        raise next(iter(errors.values()))
    notes = tuple(dict.fromkeys(note for one in seen for note in one.notes))
    return Measurements(
        folder=out,
        exports=convert.folder,
        rows=tuple(row for one in seen for row in one.rows),
        devices={one.device: one.described for one in seen if one.error is None},
        failed={device: str(error) for device, error in errors.items()},
        majority_share=metrics.most_frequent_share(test.labels),
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is measured on every device."""

    cfg: BenchConfig
    out: Path
    job: Job
    exports: Exports
    samples: Path
    """.npy of the test split."""
    labels: "npt.NDArray[np.int64]"


@dataclass(frozen=True, kw_only=True)
class OneDevice:
    device: str
    rows: "tuple[ModelRow, ...]"
    described: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: DeviceError | None = None


def _tried(device: "Device", work: Work, stop: Event) -> OneDevice:
    """A device that fails is rows with its reason, so that the others are not lost."""
    from pipeline.reporting.model_rows import unmeasured_rows

    try:
        return _measured(device, work, stop)
    except DeviceError as error:
        seed = work.job.recipe.seed
        rows = unmeasured_rows(work.exports, seed=seed, device=device.name, reason=str(error))
        return OneDevice(device=device.name, rows=rows, error=error)


def _measured(device: "Device", work: Work, stop: Event) -> OneDevice:
    """The file of everything that was seen there, and a row per model."""
    from pipeline.reporting.model_rows import measured_rows, notes
    from targets.bench.plan import Bench
    from targets.devices.connection import Wish, connected

    cfg, exports = work.cfg, work.exports
    scratch = work.job.scratch / device.file_stem
    scratch.mkdir()
    several = len(set(cfg.devices)) > 1

    def say(text: str) -> None:
        work.job.console.say(f"{device.name}: {text}" if several else text)

    wish = Wish(formats=[model.format for model in exports.models], timeout_s=cfg.timeout_s)
    with connected(device, wish, scratch=scratch, say=say, stop=stop) as there:
        bench = Bench(
            host=there.host,
            samples=work.samples,
            protocol=_protocol(cfg, work.job.recipe.seed),
            cpus=there.cpus,
        )
        seen = _seen(device.name, bench, _subjects(work, there), there, work, say)
    path = work.out / "bench" / f"{device.file_stem}.json"
    path.write_text(seen.document.dump(), encoding="utf-8")
    rows = measured_rows(seen, exports, seed=work.job.recipe.seed)
    return OneDevice(
        device=device.name, rows=rows, described=there.device, notes=notes(rows, exports, seen)
    )


def _subjects(work: Work, there: "Connected") -> "list[Subject]":
    from targets.bench.plan import Subject

    return [
        Subject(
            name=model.name,
            format=model.format,
            path=work.exports.path(model),
            runtime=there.defaults[model.format],
            threads=work.cfg.threads,
            affinity=there.big_cores or None,
            adapter=model.adapter,
        )
        for model in work.exports.models
    ]


def _seen(
    device: str,
    bench: "Bench",
    subjects: "list[Subject]",
    there: "Connected",
    work: Work,
    say: Callable[[str], None],
) -> "Measured":
    from pipeline.reporting.model_rows import Measured, teacher_of
    from targets.bench import assemble
    from targets.bench.record import AccuracyPass, MemoryPass
    from targets.evaluation import metrics

    blocks = bench.latency(subjects, say=say)
    memory = [
        MemoryPass.model_validate({"model": s.name, **bench.once(s, "memory")}) for s in subjects
    ]
    say(f"bench     top-1 of {len(subjects)} models over {len(work.labels)} test samples")
    outputs = {subject.name: bench.outputs(subject) for subject in subjects}
    for name, (logits, _) in outputs.items():
        if logits is not None:
            metrics.require_finite(logits, model=name)
    document = assemble.assemble(
        device=there.device,
        protocol=bench.protocol,
        models=[model.model_dump() for model in work.exports.models],
        blocks=blocks,
        memory=memory,
        baselines={
            model.name: teacher.name
            for model in work.exports.models
            if (teacher := teacher_of(model, work.exports)) is not None
        },
        accuracy=[
            AccuracyPass.model_validate({"model": name, **record})
            for name, (_, record) in outputs.items()
        ],
    )
    return Measured(
        device=device,
        document=document,
        logits={name: logits for name, (logits, _) in outputs.items() if logits is not None},
        labels=work.labels,
        teacher_logits=teacher_logits(work.exports),
    )


def _protocol(cfg: BenchConfig, seed: int) -> "Protocol":
    from targets.bench.plan import Protocol

    numbers = cfg.model_dump(exclude={"enabled", "devices", "threads", "tier", "timeout_s"})
    is_tier = TIERS[cfg.tier]._asdict().items() <= numbers.items()
    return Protocol(tier=cfg.tier if is_tier else None, seed=seed, **numbers)


def teacher_logits(exports: Exports) -> "npt.NDArray[np.float32] | None":
    """Those over the test split that came without a file that could be measured."""
    import numpy as np

    if exports.teacher_logits is None:
        return None
    from targets.evaluation import metrics

    logits: npt.NDArray[np.float32] = np.load(
        exports.folder / exports.teacher_logits, allow_pickle=False
    )
    metrics.require_finite(logits, model="the teacher's logits")
    return logits

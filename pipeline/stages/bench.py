"""Measure every export on every device: latency, and accuracy over the whole test split."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import to_jsonable_python

from pipeline.engine.artifacts import Exports
from pipeline.engine.job import Job
from pipeline.recipe.schema import BenchConfig
from pipeline.reporting.measurements import Measurements
from pipeline.reporting.schema.confidence import ConfidenceRow
from targets.bench.tiers import TIERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from pipeline.datasets.splits import Samples
    from pipeline.reporting.model_rows import DeviceRows
    from pipeline.reporting.schema.streaming import Streaming
    from targets.bench.plan import BenchPlan
    from targets.bench.request import BenchRequest
    from targets.bench.session import DeviceResult


def run(cfg: BenchConfig, out: Path, *, job: Job, convert: Exports) -> Measurements:
    from pipeline.reporting import model_rows
    from pipeline.reporting.parts_rows import parts_rows

    if not cfg.enabled:
        rows = model_rows.unmeasured_rows(convert, seed=job.recipe.seed)
        return Measurements(
            folder=out, exports=convert.folder, rows=rows, devices={}, parts=parts_rows(convert)
        )
    from pipeline.datasets.splits import Split
    from targets.bench.session import measure_all
    from targets.devices import inventory
    from targets.evaluation import confusion, metrics

    labels = job.dataset()[Split.TEST].labels
    results = measure_all(
        [inventory.device(name) for name in dict.fromkeys(cfg.devices)],
        _request(cfg, job, convert),
        out=out / "bench",
        scratch=job.scratch,
        say=job.console.say,
    )
    results = [_of_whole_files(one, convert) for one in results]
    failures = {one.device: one.failure for one in results if one.failure is not None}
    if len(failures) == len(results):
        raise next(iter(failures.values()))
    measured = [_rows(one, convert, labels, seed=job.recipe.seed) for one in results]
    digest = samples_digest(job)
    for one in results:
        if one.document is not None:
            _write_predictions(one, out, labels, convert, digest=digest)
    return Measurements(
        folder=out,
        exports=convert.folder,
        rows=tuple(row for one in measured for row in one.rows),
        devices={
            one.device: to_jsonable_python(one.described) for one in results if one.failure is None
        },
        failed={device: str(error) for device, error in failures.items()},
        majority_share=metrics.most_frequent_share(labels),
        test_imbalance=confusion.imbalance(labels),
        per_class=next((one.per_class for one in measured if one.per_class), ()),
        label_suspects=next((one.label_suspects for one in measured if one.label_suspects), ()),
        confidence=_confidence(results, labels, convert),
        parts=parts_rows(
            convert, {one.device: one.document for one in results if one.document is not None}
        ),
        streaming=_streaming(job, convert),
        notes=tuple(dict.fromkeys(note for one in measured for note in one.notes)),
    )


def _of_whole_files(result: "DeviceResult", exports: Exports) -> "DeviceResult":
    """Without the outputs of parts: only whole files are judged. The times of both are measured in
    the same rounds, and are all in the document."""
    names = {model.name for model in exports.models}
    outputs = {name: values for name, values in result.outputs.items() if name in names}
    return replace(result, outputs=outputs)


def _request(cfg: BenchConfig, job: Job, exports: Exports) -> "BenchRequest":
    """Every file of the run, compared with its teacher's."""
    from pipeline.datasets.splits import Split
    from pipeline.reporting.model_rows import teacher_of
    from targets.bench.plan import store
    from targets.bench.request import BenchRequest
    from targets.bench.samples import LabelledSamples

    test = job.dataset()[Split.TEST]
    samples = job.scratch / "test.npy"
    store(test.raw, samples)
    files = (*exports.models, *exports.part_files)
    return BenchRequest(
        models=tuple(exports.path(model) for model in files),
        exports={exports.path(model): model for model in files},
        baselines={
            exports.path(model): exports.path(teacher)
            for model in exports.models
            if (teacher := teacher_of(model, exports)) is not None
        },
        threads=(cfg.threads,),
        samples=LabelledSamples(
            path=samples,
            shape=test.raw.shape[1:],
            dtype=test.raw.dtype,
            count=len(test.labels),
            labels=test.labels,
            source=exports.dataset.name,
        ),
        own_samples={**_teacher_samples(job, exports), **_features(test, exports, job.scratch)},
        plan=_plan(cfg, job.recipe.seed),
        timeout_s=cfg.timeout_s,
    )


def _teacher_samples(job: Job, exports: Exports) -> dict[Path, Path]:
    """File of the teacher -> the test samples at its size, where that is not the student's."""
    from pipeline.datasets.splits import Split
    from targets.bench.plan import store

    if job.teacher_dataset() is job.dataset():
        return {}
    samples = job.scratch / "test-teacher.npy"
    store(job.teacher_dataset()[Split.TEST].raw, samples)
    return {exports.path(model): samples for model in exports.models if model.role == "teacher"}


def _features(test: "Samples", exports: Exports, scratch: Path) -> dict[Path, Path]:
    """Network without its front end -> the test samples as the integers that it takes."""
    from pipeline.export.apart import features_of
    from targets.bench.plan import store

    made: dict[Path, Path] = {}
    for row in exports.parts:
        features = features_of(exports.path(row.front_end), test.raw, scratch)
        made[exports.path(row.network)] = place = scratch / f"{row.network.name}.npy"
        store(row.ends.quantized(features), place)
    return made


def _plan(cfg: BenchConfig, seed: int) -> "BenchPlan":
    from targets.bench.plan import BenchPlan

    numbers = cfg.model_dump(exclude={"enabled", "devices", "threads", "tier", "timeout_s"})
    is_tier = TIERS[cfg.tier]._asdict().items() <= numbers.items()
    return BenchPlan(tier=cfg.tier if is_tier else None, seed=seed, **numbers)


def _rows(
    result: "DeviceResult", exports: Exports, labels: "npt.NDArray[np.int64]", *, seed: int
) -> "DeviceRows":
    from pipeline.reporting import model_rows

    if result.document is None:
        return model_rows.failed_rows(
            exports, seed=seed, device=result.device, reason=result.failure
        )
    scores = model_rows.DeviceScores(
        device=result.device,
        document=result.document,
        logits=result.outputs,
        labels=labels,
        teacher_logits=teacher_logits(exports),
    )
    return model_rows.device_rows(scores, exports, seed=seed)


def _confidence(
    results: "Sequence[DeviceResult]", labels: "npt.NDArray[np.int64]", exports: Exports
) -> tuple[ConfidenceRow, ...]:
    """On the first device that was measured: the logits are the same on the others."""
    from pipeline.reporting.confidence_rows import confidence_rows

    one = next(one for one in results if one.document is not None)
    return confidence_rows(one.outputs, labels, exports.confidence, device=one.device)


def _streaming(job: Job, exports: Exports) -> "Streaming | None":
    """On this machine, whatever the devices are: the outputs are the same on them."""
    from pipeline.reporting.streaming_rows import streaming

    if not exports.streaming:
        return None
    job.console.say("bench     words in a long sound")
    return streaming(job.recipe.streaming, job.dataset(), exports, scratch=job.scratch)


def _write_predictions(
    result: "DeviceResult",
    out: Path,
    labels: "npt.NDArray[np.int64]",
    exports: Exports,
    *,
    digest: str,
) -> None:
    from pipeline.reporting.schema.predictions import FOLDER, TEACHER, Predictions

    logits = dict(result.outputs)
    teacher = teacher_logits(exports)
    if teacher is not None:
        logits[TEACHER] = teacher
    found = Predictions.of(
        logits,
        labels,
        device=result.device,
        digest=digest,
        temperatures={name: one.temperature for name, one in exports.confidence.items()},
    )
    path = out / FOLDER / result.path.name
    path.parent.mkdir(exist_ok=True)
    path.write_text(found.model_dump_json(by_alias=True) + "\n", encoding="utf-8")


def samples_digest(job: Job) -> str:
    """Of the test samples: the contents of their files where they have them, else the pixels."""
    import numpy as np

    from pipeline import datasets
    from pipeline.datasets.splits import Split

    test = job.dataset()[Split.TEST]
    records = datasets.records(job.recipe.dataset)
    files = [one.sha256 for one in records if one.split == Split.TEST and one.error is None]
    digest = hashlib.sha256(np.asarray(test.labels, "<i8").tobytes())
    if len(files) == len(test):
        digest.update("".join(files).encode())
    else:
        for batch in np.array_split(np.arange(len(test)), max(1, len(test) // 1000)):
            digest.update(np.ascontiguousarray(test.raw[batch]).tobytes())
    return digest.hexdigest()


def teacher_logits(exports: Exports) -> "npt.NDArray[np.float32] | None":
    """Return the precomputed logits over the test split of a teacher without a file to measure."""
    import numpy as np

    if exports.teacher_logits is None:
        return None
    from targets.evaluation import metrics

    logits: npt.NDArray[np.float32] = np.load(
        exports.folder / exports.teacher_logits, allow_pickle=False
    )
    metrics.require_finite(logits, model="the teacher's logits")
    return logits

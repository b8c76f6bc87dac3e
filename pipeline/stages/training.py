"""What the three training stages share: a session, a fit, a checkpoint published."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.artifacts import Checkpoint
from pipeline.models.network import (
    NetworkSpec,
    build,
    count_macs,
    count_parameters,
    load_weights,
    save_weights,
)
from pipeline.recipe import DistillationConfig
from pipeline.stages.job import Job
from pipeline.training import losses, session
from pipeline.training.loop import Objective, Task, fit


def start(job: Job) -> None:
    session.start(seed=job.recipe.seed, threads=job.recipe.threads)


def restore(checkpoint: Checkpoint) -> Any:
    """The float network of a checkpoint, with its weights."""
    model = build(checkpoint.network)
    load_weights(model, checkpoint.weights)
    return model


def train(
    task: Task,
    out: Path,
    *,
    job: Job,
    network: NetworkSpec,
    sized: Any,
    quantized: bool = False,
    finish: Callable[[], None] = lambda: None,
) -> Checkpoint:
    """Run the task and write its checkpoint to `out`; `sized` is the network that is counted."""
    records = fit(
        task,
        checkpoint=job.scratch / f"{task.stage}.npz",
        progress=partial(job.console.epochs, task.stage),
    )
    finish()
    save_weights(task.model, out / Checkpoint.WEIGHTS)
    lines = [record.model_dump_json() for record in records]
    (out / "history.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Checkpoint(
        folder=out,
        network=network,
        quantized=quantized,
        parameters=count_parameters(sized),
        macs=count_macs(sized),
    )


def hard_labels(*, student: Any, teacher: Any, labels: Any) -> Any:
    """The objective of a network that has no teacher."""
    return losses.cross_entropy(student=student, labels=labels)


def distillation(cfg: DistillationConfig) -> Objective:
    return partial(losses.distillation, temperature=cfg.temperature, alpha=cfg.alpha)

"""Train the student on the labels and on the teacher's logits of the same views."""

from pathlib import Path

from pipeline.artifacts import Checkpoint
from pipeline.recipe import DistillConfig
from pipeline.stages.job import Job


def run(cfg: DistillConfig, out: Path, *, job: Job, teacher: Checkpoint) -> Checkpoint:
    from pipeline.models.network import NetworkSpec, build
    from pipeline.stages import training
    from pipeline.training.loop import Task, one_cycle, sgd

    training.start(job)
    data = job.dataset()
    network = NetworkSpec(
        role="student",
        family=cfg.family,
        arguments={"width_multiplier": cfg.width_multiplier},
        input=data.input,
        classes=len(data.classes),
    )
    model = build(network)
    task = Task(
        stage="distill",
        model=model,
        teacher=training.restore(teacher),
        objective=training.distillation(cfg),
        optimizer=sgd(cfg),
        schedule=one_cycle,
        data=data,
        cfg=cfg,
        views=job.recipe.views,
        seed=job.recipe.seed,
    )
    return training.train(task, out, job=job, network=network, sized=model)

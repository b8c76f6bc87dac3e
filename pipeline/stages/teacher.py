"""Train the teacher on the labels."""

from pathlib import Path

from pipeline.artifacts import Checkpoint
from pipeline.recipe import TeacherConfig
from pipeline.stages.job import Job


def run(cfg: TeacherConfig, out: Path, *, job: Job) -> Checkpoint:
    from pipeline.models.network import NetworkSpec, build
    from pipeline.stages import training
    from pipeline.training.loop import Task, one_cycle, sgd

    training.start(job)
    data = job.dataset()
    network = NetworkSpec(
        role="teacher",
        family=cfg.family,
        arguments={"widths": list(cfg.widths), "blocks": cfg.blocks},
        input=data.input,
        classes=len(data.classes),
    )
    model = build(network)
    task = Task(
        stage="teacher",
        model=model,
        objective=training.hard_labels,
        optimizer=sgd(cfg),
        schedule=one_cycle,
        data=data,
        cfg=cfg,
        views=job.recipe.views,
        seed=job.recipe.seed,
    )
    return training.train(task, out, job=job, network=network, sized=model)

"""Fine-tune the student with fake quantization: calibrated first, the teacher kept on."""

from pathlib import Path

from pipeline.artifacts import Checkpoint
from pipeline.recipe import QuantizeConfig
from pipeline.stages.job import Job


def run(
    cfg: QuantizeConfig, out: Path, *, job: Job, teacher: Checkpoint, distill: Checkpoint
) -> Checkpoint:
    from pipeline.datasets.splits import Split
    from pipeline.quantization.qat import QuantizedNetwork
    from pipeline.stages import training
    from pipeline.training.loop import Task, adam, cosine
    from pipeline.training.views import epoch_order

    training.start(job)
    data, seed = job.dataset(), job.recipe.seed
    student = training.restore(distill)
    quantized = QuantizedNetwork(student, data.input)
    images = data[Split.TRAIN].images
    chosen = epoch_order(len(images), seed=seed, epoch=0)[: cfg.calibration_samples]
    quantized.calibrate(images[chosen])
    task = Task(
        stage="quantize",
        model=quantized.model,
        teacher=training.restore(teacher),
        objective=training.distillation(cfg),
        optimizer=adam(),
        schedule=cosine,
        data=data,
        cfg=cfg,
        views=job.recipe.views,
        seed=seed,
        before_epoch=lambda epoch: quantized.ranges_learn(epoch < cfg.epochs // 2),
    )
    return training.train(
        task,
        out,
        job=job,
        network=distill.network,
        sized=student,
        quantized=True,
        finish=quantized.settle,
    )

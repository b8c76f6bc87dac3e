"""Fine-tune the student with fake quantization: calibrated first, the teacher kept on."""

from pathlib import Path

from pipeline.engine.artifacts import Checkpoint, TeacherLogits
from pipeline.engine.job import Job
from pipeline.recipe.schema import QuantizeConfig


def run(
    cfg: QuantizeConfig, out: Path, *, job: Job, logits: TeacherLogits, distill: Checkpoint
) -> Checkpoint:
    from pipeline.quantization.qat import QuantizedNetwork
    from pipeline.training import preparation
    from pipeline.training.loop import adam, cosine

    preparation.start(job, cfg, trains=True)
    student = preparation.restore(distill)
    quantized = QuantizedNetwork(student, job.dataset().input)
    quantized.calibrate(preparation.calibration(job, cfg.calibration_samples))
    task = preparation.task(
        "quantize",
        job,
        cfg,
        model=quantized.model,
        objective=preparation.distillation(cfg),
        optimizer=adam(),
        schedule=cosine,
        before_epoch=lambda epoch: quantized.ranges_learn(epoch < cfg.epochs // 2),
        **preparation.taught_by(cfg, logits),
    )
    return preparation.train(
        task,
        out,
        job=job,
        network=distill.network,
        counted=student,
        quantized=True,
        finish=quantized.settle,
    )

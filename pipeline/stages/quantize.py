"""Fine-tune the student with fake quantization: calibrated first, the teacher kept on."""

from pathlib import Path

from pipeline.artifacts import Checkpoint, TeacherLogits
from pipeline.recipe import QuantizeConfig
from pipeline.stages.job import Job


def run(
    cfg: QuantizeConfig, out: Path, *, job: Job, logits: TeacherLogits, distill: Checkpoint
) -> Checkpoint:
    from pipeline.quantization.qat import QuantizedNetwork
    from pipeline.stages import training
    from pipeline.training.loop import adam, cosine

    training.start(job, cfg, trains=True)
    student = training.restore(distill)
    quantized = QuantizedNetwork(student, job.dataset().input)
    quantized.calibrate(training.calibration(job, cfg.calibration_samples))
    task = training.task(
        "quantize",
        job,
        cfg,
        model=quantized.model,
        objective=training.distillation(cfg),
        optimizer=adam(),
        schedule=cosine,
        before_epoch=lambda epoch: quantized.ranges_learn(epoch < cfg.epochs // 2),
        **training.taught_by(cfg, logits),
    )
    return training.train(
        task,
        out,
        job=job,
        network=distill.network,
        counted=student,
        quantized=True,
        finish=quantized.settle,
    )

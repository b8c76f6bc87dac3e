"""Fine-tune the student with fake quantization: calibrated first, the teacher kept on."""

from functools import partial
from pathlib import Path

from pipeline.engine.artifacts import Checkpoint, QuantizedCheckpoint, TeacherLogits
from pipeline.engine.job import Job
from pipeline.quantization import sensitivity
from pipeline.quantization.calibration import calibration_images
from pipeline.quantization.qat import QuantizedNetwork
from pipeline.recipe.training import QuantizeConfig
from pipeline.training import checkpoint, preflight, session
from pipeline.training.loop import Task, fit
from pipeline.training.networks import restore
from pipeline.training.optimizers import SCHEDULES, adam
from pipeline.training.supervision import cached, distilled


def run(
    cfg: QuantizeConfig, out: Path, *, job: Job, logits: TeacherLogits, distill: Checkpoint
) -> QuantizedCheckpoint:
    recipe, data, seed = job.recipe, job.dataset(), job.seed(cfg)
    preflight.require_int8(recipe, data, seed=seed)
    session.start(seed=seed, threads=recipe.threads)
    taught = data.for_distillation()
    student = restore(distill)
    quantized = QuantizedNetwork(student, data.input)
    quantized.calibrate(calibration_images(data, cfg.calibration_samples, seed=recipe.seed))
    task = Task(
        stage="quantize",
        model=quantized.model,
        objective=distilled(cfg, taught),
        optimizer=adam(),
        schedule=SCHEDULES["quantize"],
        data=taught,
        cfg=cfg,
        augmentation=recipe.augmentation.views,
        seed=seed,
        view_seed=recipe.seed,
        targets=cached(cfg, logits),
        cycle=logits.views,
        before_epoch=lambda epoch: quantized.ranges_learn(epoch < cfg.epochs // 2),
        distribution=job.distribution,
    )
    history = fit(
        task,
        checkpoint=job.scratch / "quantize.npz",
        progress=partial(job.console.epochs, "quantize"),
    )
    quantized.settle()
    trained = checkpoint.publish(
        out, history, network=distill.network, model=student, wrapped=quantized.model
    )
    return QuantizedCheckpoint(
        folder=out,
        **trained.model_dump(),
        sensitivity=sensitivity.measure(
            quantized=quantized.model, student=student, data=data, say=job.console.say
        ),
    )

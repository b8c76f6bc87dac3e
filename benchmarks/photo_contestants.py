"""The two loops that `photos.py` compares, over the same decoded photos in memory.

The same network (MobileNetV2 of `tf_keras.applications`, width 0.35), batch, optimizer, loss and
threads, and the same changes: random resized crop, flip, brightness, contrast and saturation.
`ours` is `pipeline.training.loop.fit` with all of its features: deterministic kernels, crops that
are averaged when they shrink, views from the seeded table, a learning rate per step.
"""

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from contestants import CLASSES, LEARNING_RATE, WARM_UP_STEPS, Settings, Stopwatch

from pipeline.datasets.splits import Dataset, Images, Samples, Split
from targets.images.preprocessing import resized

CROP, CHANGE = 0.35, 0.2
"""Least share of the area, and the largest change of brightness, contrast and saturation."""
WIDTH = 0.35


@dataclass(frozen=True)
class Photos:
    """Decoded photos in memory, all of one size so that `tf.data` can batch them."""

    pixels: Images

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, number: int) -> Images:
        photo: Images = self.pixels[number]
        return photo

    def pick(self, index: npt.NDArray[np.int64]) -> "Photos":
        return Photos(self.pixels[index])


def photos(cfg: Settings) -> Samples:
    """One epoch of 4:3 photos, the shorter side 1.25 times the network's, and their images."""
    random, count = np.random.default_rng(0), (WARM_UP_STEPS + cfg.steps) * cfg.batch_size
    high, wide = round(1.25 * cfg.side), round(1.25 * cfg.side * 4 / 3)
    pixels = random.integers(0, 256, (count, high, wide, 3), dtype=np.uint8)
    images = np.stack([resized(photo, (cfg.side, cfg.side)) for photo in pixels])
    labels = random.integers(0, len(CLASSES), count)
    return Samples(images=images, labels=labels, pictures=Photos(pixels))


def network(cfg: Settings) -> Any:
    from tf_keras.applications import MobileNetV2

    return MobileNetV2(
        (cfg.side, cfg.side, 3),
        alpha=WIDTH,
        weights=None,
        classes=len(CLASSES),
        classifier_activation=None,
    )


def ours(cfg: Settings, watch: Stopwatch) -> tuple[int, float]:
    from pipeline.losses.objectives import hard_labels
    from pipeline.recipe.schema import AugmentationConfig, TrainingConfig
    from pipeline.training import session
    from pipeline.training.loop import Task, fit
    from pipeline.training.optimizers import one_cycle, sgd

    session.start(seed=0, threads=cfg.threads)
    samples, model = photos(cfg), network(cfg)
    splits = {Split.TRAIN: samples, Split.VAL: samples.take(np.arange(cfg.batch_size))}
    training = TrainingConfig(epochs=1, batch_size=cfg.batch_size, learning_rate=LEARNING_RATE)
    waits: list[float] = []
    task = Task(
        stage="benchmark",
        model=model,
        objective=hard_labels,
        optimizer=sgd(training),
        schedule=one_cycle,
        data=Dataset(name="photos", classes=CLASSES, splits=splits, sha256=""),
        cfg=training,
        augmentation=AugmentationConfig(
            crop=CROP, flip=True, brightness=CHANGE, contrast=CHANGE, saturation=CHANGE
        ),
        seed=0,
        view_seed=0,
        waited=waits.append,
    )
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.npz"
        fit(task, checkpoint=checkpoint, progress=lambda first, total: nullcontext(watch))
    return int(model.count_params()), sum(waits[WARM_UP_STEPS:])


def keras_fit(cfg: Settings, watch: Stopwatch) -> tuple[int, float]:
    """As in the guides of Keras and `tf.data`: `map` in parallel, `prefetch`, `compile`, `fit`."""
    import tensorflow as tf
    from tf_keras import callbacks, losses, optimizers

    tf.config.threading.set_intra_op_parallelism_threads(cfg.threads)
    tf.config.threading.set_inter_op_parallelism_threads(cfg.threads)
    samples, model = photos(cfg), network(cfg)
    assert samples.pictures is not None
    pixels = samples.pictures.pick(np.arange(len(samples)))
    assert isinstance(pixels, Photos)
    model.compile(
        optimizer=optimizers.SGD(LEARNING_RATE, momentum=0.9, nesterov=True),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    batches = (
        tf.data.Dataset.from_tensor_slices((pixels.pixels, samples.labels))
        .shuffle(len(samples))
        .map(_augmented(cfg.side), num_parallel_calls=tf.data.AUTOTUNE)
        .batch(cfg.batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )
    tick = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    model.fit(batches, verbose=0, callbacks=[tick])
    return int(model.count_params()), 0.0


def _augmented(side: int) -> Callable[[Any, Any], tuple[Any, Any]]:
    import tensorflow as tf

    def augmented(photo: Any, label: Any) -> tuple[Any, Any]:
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.shape(photo),
            tf.zeros([0, 0, 4]),
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(CROP, 1),
            use_image_if_no_bounding_boxes=True,
        )
        image = tf.image.resize(tf.slice(photo, begin, size), (side, side))
        image = tf.image.random_flip_left_right(image / 255)
        image = tf.image.random_brightness(image, CHANGE)
        image = tf.image.random_contrast(image, 1 - CHANGE, 1 + CHANGE)
        image = tf.image.random_saturation(image, 1 - CHANGE, 1 + CHANGE)
        return 2 * tf.clip_by_value(image, 0, 1) - 1, label

    return augmented


CONTESTANTS: dict[str, Callable[[Settings, Stopwatch], tuple[int, float]]] = {
    "ours": ours,
    "keras_fit": keras_fit,
}
"""Each trains the network, calls `watch.step` and returns its number of parameters, and the seconds
that the timed steps waited for their batches where the loop says so."""

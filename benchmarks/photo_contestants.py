"""The two loops that `photos.py` compares, over the same decoded photos in memory.

The same network (MobileNetV2 of `tf_keras.applications`, width 0.35), batch, optimizer, loss and
threads, and the same changes: random resized crop, flip, brightness, contrast and saturation.
`ours` is `pipeline.training.loop.fit` with all of its features: deterministic kernels, crops that
are averaged when they shrink, views from the seeded table, a learning rate per step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from contestants import (
    CLASSES,
    LEARNING_RATE,
    WARM_UP_STEPS,
    Settings,
    Stopwatch,
    dataset,
    train,
)

from pipeline.datasets.on_access import Images
from pipeline.datasets.splits import Samples
from pipeline.training.augmentation.images import ImageViews
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
    return Samples(raw=images, labels=labels, pictures=Photos(pixels))


def network(cfg: Settings) -> Any:
    from tf_keras.applications import MobileNetV2

    return MobileNetV2(
        (cfg.side, cfg.side, 3),
        alpha=WIDTH,
        weights=None,
        classes=len(CLASSES),
        classifier_activation=None,
    )


def ours(cfg: Settings, watch: Stopwatch) -> int:
    views = ImageViews(crop=CROP, flip=True, brightness=CHANGE, contrast=CHANGE, saturation=CHANGE)
    return train(
        cfg,
        watch,
        model=partial(network, cfg),
        data=dataset(photos(cfg), cfg),
        augmentation=views,
        waited=watch.waits.append,
    )


def keras_fit(cfg: Settings, watch: Stopwatch) -> int:
    """As in the guides of Keras and `tf.data`: `map` in parallel, `prefetch`, `compile`, `fit`."""
    import tensorflow as tf
    from tf_keras import callbacks, losses, optimizers

    tf.config.threading.set_intra_op_parallelism_threads(cfg.threads)
    tf.config.threading.set_inter_op_parallelism_threads(cfg.threads)
    samples, model = photos(cfg), network(cfg)
    assert isinstance(samples.pictures, Photos)
    model.compile(
        optimizer=optimizers.SGD(LEARNING_RATE, momentum=0.9, nesterov=True),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    batches = (
        tf.data.Dataset.from_tensor_slices((samples.pictures.pixels, samples.labels))
        .shuffle(len(samples))
        .map(_augmented(cfg.side), num_parallel_calls=tf.data.AUTOTUNE)
        .batch(cfg.batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )
    tick = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    model.fit(batches, verbose=0, callbacks=[tick])
    return int(model.count_params())


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


CONTESTANTS: dict[str, Callable[[Settings, Stopwatch], int]] = {
    "ours": ours,
    "keras_fit": keras_fit,
}
"""Each trains the network, calls `watch.step` and returns its number of parameters."""

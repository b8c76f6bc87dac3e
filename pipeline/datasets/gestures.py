"""Synthesised gestures of a device in a hand: a data set of arrays that needs no file.

NOT measured: an accelerometer of three axes in g, whose movement, gravity and noise are formulas.
Each of the seven gestures has a random size, speed, beginning and way in which the device is held.
What is reached here says nothing about real movements; for that, give your own recordings to the
data set `arrays`.
"""

import hashlib
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.datasets.arrays.scaling import scaling_of
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Dataset, Samples, Split, three_way
from pipeline.recipe.section import Section
from targets.errors import InputError
from targets.formats.input_spec import Kind, array_input

KIND: Kind = "array"
RATE = 50
"""Samples per second."""
STEPS = 100
GESTURES = ("rest", "shake", "circle", "swipe", "push", "tap", "turn")
TILT = 0.6
"""Radians; the device is held within so much of upright, by three angles."""
VERSION = 1
"""Part of the digest: another one where the values of a number change."""

Track = npt.NDArray[np.float64]
"""[STEPS, 3]"""


class Settings(Section):
    samples: Annotated[int, Field(ge=140, le=100_000)] = 2100
    """Gestures, the same number of each."""


def source_digest(cfg: SourceConfig) -> str:
    if cfg.path is not None:
        raise InputError(
            f"--data {cfg.path}: the data set gestures is synthesised and takes no file. For your "
            "own arrays add --set dataset.name=arrays."
        )
    said = f"gestures {VERSION} {_settings(cfg).samples}"
    return hashlib.sha256(said.encode()).hexdigest()


def load(cfg: SourceConfig) -> Dataset:
    digest = source_digest(cfg)
    labels = np.arange(_settings(cfg).samples) % len(GESTURES)
    raw = np.stack([track(GESTURES[label], row) for row, label in enumerate(labels.tolist())])
    splits = three_way(
        Samples(raw=raw, labels=labels.astype(np.int64)),
        validation=cfg.validation,
        test=cfg.test,
        seed=cfg.split_seed,
        name="gestures",
        kind=KIND,
    )
    train = np.asarray(splits[Split.TRAIN].raw)
    scaling = scaling_of(train, np.arange(len(train)), channels=3)
    return Dataset(
        name="gestures",
        classes=GESTURES,
        splits=splits,
        sha256=digest,
        spec=array_input(STEPS, 3, scaling=scaling),
    )


def track(gesture: str, number: int) -> npt.NDArray[np.float32]:
    """Two seconds of `gesture`, [STEPS, 3]; all that is random follows from `number`."""
    random = np.random.default_rng((VERSION, number))
    time = np.arange(STEPS) / RATE - random.uniform(0.2, 0.7)
    turned = _turn(time, random) if gesture == "turn" else np.zeros(STEPS)
    moved = _moved(gesture, time, random) + random.normal(0, 0.02, (STEPS, 3))
    gravity = np.stack([np.zeros(STEPS), np.sin(turned), np.cos(turned)], axis=1)
    held = (moved + gravity) @ _rotation(random.uniform(-TILT, TILT, 3))
    return np.asarray(held + random.normal(0, 10 ** random.uniform(-2, -0.9), held.shape), "f4")


def _moved(gesture: str, time: Track, random: np.random.Generator) -> Track:
    """Acceleration in g, along x (to the side), y (ahead) and z (up)."""
    made, size = np.zeros((STEPS, 3)), random.uniform(0.4, 1.4)
    length_s = random.uniform(0.5, 1.0) * (1.6 if gesture == "circle" else 1)
    inside = np.sin(np.pi * np.clip(time / length_s, 0, 1))
    phase = 2 * np.pi * time
    if gesture == "shake":
        made[:, 0] = size * inside * np.sin(random.uniform(3, 7) * phase)
    elif gesture == "circle":
        turns = random.uniform(1, 2) * phase
        made[:, 0], made[:, 2] = size * inside * np.cos(turns), size * inside * np.sin(turns)
    elif gesture in ("swipe", "push"):  # speeds up, then brakes
        axis = 0 if gesture == "swipe" else 1
        made[:, axis] = size * inside * np.cos(np.pi * time / length_s)
    elif gesture == "tap":
        for at in (0.0, random.uniform(0.15, 0.4)):
            made[:, 2] += 2 * size * np.exp(-(((time - at) / 0.02) ** 2))
    return made


def _turn(time: Track, random: np.random.Generator) -> Track:
    """The angle by which the device is turned, in radians."""
    angle = random.uniform(0.6, 1.0) * np.pi * random.choice((-1, 1))
    part = np.clip(time / random.uniform(0.4, 0.9), 0, 1)
    return np.asarray(angle * (1 - np.cos(np.pi * part)) / 2)


def _rotation(angles: Track) -> Track:
    """About x, then y, then z."""
    made = np.eye(3)
    for axis, angle in enumerate(angles.tolist()):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[[first, second], [first, second]] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        made = made @ turn
    return made


def _settings(cfg: SourceConfig) -> Settings:
    assert isinstance(cfg.settings, Settings)
    return cfg.settings
